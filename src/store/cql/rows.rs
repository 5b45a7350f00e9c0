//! Between columns and the types of the records.

use schema::Sequence;
use schema::record::{ConversationKind, Membership, Role};
use schema::{MessageId, UserId};

use super::failure::Failure;

/// A number as a column; none of ours comes near the limit.
pub(super) fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(column: i64) -> Result<u64, Failure> {
    u64::try_from(column).map_err(|_| Failure::Damaged(format!("{column} is no number of ours")))
}

pub(super) fn sequence(column: i64) -> Result<Sequence, Failure> {
    number(column).map(Sequence)
}

/// A shard or slot as a column.
pub(super) fn small(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
    }
}

pub(super) fn role(text: &str) -> Result<Role, Failure> {
    match text {
        "owner" => Ok(Role::Owner),
        "admin" => Ok(Role::Admin),
        "member" => Ok(Role::Member),
        other => Err(Failure::Damaged(format!("unknown role {other:?}"))),
    }
}

pub(super) const fn kind_text(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Direct => "direct",
        ConversationKind::Group => "group",
        ConversationKind::Channel => "channel",
    }
}

pub(super) fn kind(text: &str) -> Result<ConversationKind, Failure> {
    match text {
        "direct" => Ok(ConversationKind::Direct),
        "group" => Ok(ConversationKind::Group),
        "channel" => Ok(ConversationKind::Channel),
        other => Err(Failure::Damaged(format!("unknown kind {other:?}"))),
    }
}

/// A place from its columns; `None` while only a removal is known.
pub(super) fn membership(
    user_id: UserId,
    role_text: Option<&str>,
    added_seq: Option<i64>,
    removed_seq: Option<i64>,
) -> Result<Option<Membership>, Failure> {
    let (Some(role_text), Some(added_seq)) = (role_text, added_seq) else { return Ok(None) };
    let added_at = sequence(added_seq)?;
    let removed_at = removed_seq.map(sequence).transpose()?;
    let left_at = removed_at.filter(|left| *left >= added_at);
    let joined_after = added_at.back(1);
    Ok(Some(Membership { user_id, role: role(role_text)?, joined_after, left_at }))
}

/// Entries in one partition of `messages`: it stays below some tens of megabytes.
const BUCKET_ENTRIES: u64 = 4_096;

/// The partition of an entry inside its conversation.
pub(super) const fn bucket(seq: Sequence) -> u64 {
    seq.0.saturating_sub(1) / BUCKET_ENTRIES
}

const DAY_MS: i64 = 86_400_000;

/// The partition of a message id inside its sender and conversation: the day of its own time
/// since 1970; zero when it holds none.
pub(super) fn day(message: MessageId) -> i32 {
    message.unix_ms().map_or(0, |ms| i32::try_from(ms / DAY_MS).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_after_every_4096th_entry() {
        for (seq, expected) in [(0, 0), (1, 0), (4_096, 0), (4_097, 1), (8_192, 1), (8_193, 2)] {
            assert_eq!(bucket(Sequence(seq)), expected, "entry {seq}");
        }
    }

    #[test]
    fn a_day_is_of_the_id_itself() {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&(DAY_MS as u64 * 19_675 + 5).to_be_bytes()[2..]);
        bytes[6] = 0x70;
        assert_eq!(day(MessageId::from_bytes(bytes)), 19_675);
        bytes[6] = 0x40;
        assert_eq!(day(MessageId::from_bytes(bytes)), 0, "another version holds no time");
        assert!(day(MessageId::from_bytes([0x7F; 16])) >= 0, "any id has a day");
    }
}
