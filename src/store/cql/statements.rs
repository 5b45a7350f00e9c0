//! Every statement of the store, prepared once.

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::errors::PrepareError;
use scylla::policies::retry::{DefaultRetryPolicy, FallthroughRetryPolicy};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};

/// Longest wait for one statement, with whatever the driver repeats of it.
pub(super) const STATEMENT_MAX: Duration = Duration::from_secs(5);

/// How statements are carried out. Neither has a timestamp generator or speculative execution.
pub(super) struct Profiles {
    /// Conditional statements and serial reads: sent once, whatever happens.
    ring: ExecutionProfileHandle,
    /// Idempotent statements: the driver may repeat them.
    plain: ExecutionProfileHandle,
}

impl Profiles {
    pub fn new() -> Self {
        let common = || {
            ExecutionProfile::builder()
                .request_timeout(Some(STATEMENT_MAX))
                .consistency(Consistency::LocalQuorum)
                .serial_consistency(Some(SerialConsistency::LocalSerial))
                .speculative_execution_policy(None)
        };
        let ring = common().retry_policy(Arc::new(FallthroughRetryPolicy::new())).build();
        let plain = common().retry_policy(Arc::new(DefaultRetryPolicy::new())).build();
        Self { ring: ring.into_handle(), plain: plain.into_handle() }
    }

    /// For statements that carry no profile of their own: the driver's, and batches.
    pub fn plain(&self) -> ExecutionProfileHandle {
        self.plain.clone()
    }
}

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A read or an idempotent write.
    Plain,
    /// A conditional statement (LWT): an error says nothing about its effect.
    Conditional,
    /// A read that sees every conditional statement, also one whose answer was lost.
    SerialRead,
}

/// Prepares one statement as its kind demands.
pub(super) async fn prepare(
    session: &Session,
    profiles: &Profiles,
    kind: Kind,
    cql: &str,
) -> Result<PreparedStatement, PrepareError> {
    let mut statement = session.prepare(cql).await?;
    let profile = match kind {
        Kind::Plain => &profiles.plain,
        Kind::Conditional | Kind::SerialRead => &profiles.ring,
    };
    statement.set_execution_profile_handle(Some(profile.clone()));
    statement.set_is_idempotent(kind != Kind::Conditional);
    if kind == Kind::SerialRead {
        statement.set_consistency(Consistency::LocalSerial);
    }
    Ok(statement)
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $cql:literal;)+) => {
        /// One field a statement.
        pub(super) struct Statements {
            $($(#[$doc])* pub $name: PreparedStatement,)+
        }

        impl Statements {
            pub async fn prepare(
                session: &Session,
                profiles: &Profiles,
            ) -> Result<Self, PrepareError> {
                Ok(Self { $($name: prepare(session, profiles, Kind::$kind, $cql).await?,)+ })
            }
        }
    };
}

statements! {
    ring_guard: SerialRead =
        "SELECT owner, epoch, head, done, ring FROM commit_ring WHERE shard = ? LIMIT 1";
    ring_slot: SerialRead =
        "SELECT n, writer, payload FROM commit_ring WHERE shard = ? AND slot = ?";
    ring_create: Conditional =
        "UPDATE commit_ring SET owner = ?, epoch = 1, head = 0, done = 0, ring = ?
         WHERE shard = ? IF owner = null";
    ring_take_over: Conditional =
        "UPDATE commit_ring SET owner = ?, epoch = ?
         WHERE shard = ? IF owner = ? AND head = ? AND epoch = ?";
    ring_commit: Conditional =
        "UPDATE commit_ring SET head = ?, done = ?, n = ?, writer = ?, payload = ?
         WHERE shard = ? AND slot = ? IF owner = ? AND head = ?";
    ring_release: Conditional =
        "UPDATE commit_ring SET owner = ?, done = ? WHERE shard = ? IF owner = ?";

    insert_message: Plain =
        "INSERT INTO messages
             (conversation_id, bucket, seq, message_id, sender_id, sent_at, event, ordinal)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    insert_head: Plain =
        "INSERT INTO conversation_heads (conversation_id, head, last_sent_at)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    insert_sent: Plain =
        "INSERT INTO sent_index (conversation_id, sender_id, day, message_id, seq)
         VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
    insert_change: Plain =
        "INSERT INTO message_changes
             (conversation_id, bucket, target, slot, seq, message_id, sender_id, sent_at, event)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    scrub_message: Plain =
        "INSERT INTO messages (conversation_id, bucket, seq, event)
         VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
    scrub_change: Plain =
        "INSERT INTO message_changes (conversation_id, bucket, target, slot, event)
         VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
    changes: Plain =
        "SELECT seq, message_id, sender_id, sent_at, event FROM message_changes
         WHERE conversation_id = ? AND bucket = ? AND target >= ? AND target <= ? LIMIT 20000";
    edits: Plain =
        "SELECT slot, seq FROM message_changes
         WHERE conversation_id = ? AND bucket = ? AND target = ? AND slot >= ? AND slot < ?";
    messages: Plain =
        "SELECT seq, message_id, sender_id, sent_at, event, ordinal FROM messages
         WHERE conversation_id = ? AND bucket = ? AND seq >= ? AND seq <= ?";
    ordinal: Plain =
        "SELECT ordinal, sender_id FROM messages
         WHERE conversation_id = ? AND bucket = ? AND seq = ?";
    event: Plain =
        "SELECT event FROM messages WHERE conversation_id = ? AND bucket = ? AND seq = ?";
    insert_mention: Plain =
        "INSERT INTO mentions (user_id, conversation_id, seq) VALUES (?, ?, ?) USING TIMESTAMP ?";
    delete_mention: Plain =
        "DELETE FROM mentions USING TIMESTAMP ?
         WHERE user_id = ? AND conversation_id = ? AND seq = ?";
    mentions: Plain =
        "SELECT seq FROM mentions
         WHERE user_id = ? AND conversation_id = ? AND seq >= ? AND seq <= ? LIMIT ?";
    insert_thread: Plain =
        "INSERT INTO threads (conversation_id, root, last_seq) VALUES (?, ?, ?)
         USING TIMESTAMP ?";
    threads: Plain =
        "SELECT root, last_seq FROM threads WHERE conversation_id = ? AND root < ? LIMIT ?";
    insert_reply: Plain =
        "INSERT INTO thread_replies (conversation_id, root, seq, sender_id)
         VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
    oldest_replies: Plain =
        "SELECT seq, sender_id FROM thread_replies
         WHERE conversation_id = ? AND root = ? AND seq >= ? AND seq <= ?
         ORDER BY seq ASC LIMIT ?";
    newest_replies: Plain =
        "SELECT seq, sender_id FROM thread_replies
         WHERE conversation_id = ? AND root = ? AND seq >= ? AND seq <= ?
         ORDER BY seq DESC LIMIT ?";

    insert_fact: Plain =
        "INSERT INTO facts (user_id, key, fact) VALUES (?, ?, ?) USING TIMESTAMP ?";
    delete_fact: Plain =
        "DELETE FROM facts USING TIMESTAMP ? WHERE user_id = ? AND key = ?";
    facts: Plain =
        "SELECT fact FROM facts WHERE user_id = ? AND key >= ? AND key < ? LIMIT ?";
    insert_due: Plain =
        "INSERT INTO due (day, send_at, scheduled_id, user_id, conversation_id)
         VALUES (?, ?, ?, ?, ?)";
    delete_due: Plain =
        "DELETE FROM due WHERE day = ? AND send_at = ? AND scheduled_id = ?";
    due: Plain =
        "SELECT send_at, scheduled_id, user_id, conversation_id FROM due
         WHERE day = ? AND send_at >= ? AND send_at <= ? LIMIT ?";
    head: Plain =
        "SELECT head, last_sent_at FROM conversation_heads WHERE conversation_id = ?";
    sent: Plain =
        "SELECT seq FROM sent_index
         WHERE conversation_id = ? AND sender_id = ? AND day = ? AND message_id = ?";

    insert_conversation: Plain =
        "INSERT INTO conversations (conversation_id, kind, name, created_by, created_at)
         VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
    insert_name: Plain =
        "INSERT INTO conversations (conversation_id, name) VALUES (?, ?) USING TIMESTAMP ?";
    conversation: Plain =
        "SELECT kind, name, created_by, created_at FROM conversations WHERE conversation_id = ?";
    insert_addition: Plain =
        "INSERT INTO members (conversation_id, user_id, role, added_seq)
         VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
    insert_removal: Plain =
        "INSERT INTO members (conversation_id, user_id, removed_seq)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    insert_role: Plain =
        "INSERT INTO members (conversation_id, user_id, role)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    insert_role_by_user: Plain =
        "INSERT INTO conversations_by_user (user_id, conversation_id, role)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    insert_addition_by_user: Plain =
        "INSERT INTO conversations_by_user (user_id, conversation_id, role, added_seq)
         VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
    insert_removal_by_user: Plain =
        "INSERT INTO conversations_by_user (user_id, conversation_id, removed_seq)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    insert_peer: Plain =
        "INSERT INTO conversations_by_user (user_id, conversation_id, peer)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    members: Plain =
        "SELECT user_id, role, added_seq, removed_seq FROM members WHERE conversation_id = ?";
    member: Plain =
        "SELECT role, added_seq, removed_seq FROM members
         WHERE conversation_id = ? AND user_id = ?";
    conversations_by_user: Plain =
        "SELECT conversation_id, role, added_seq, removed_seq, peer FROM conversations_by_user
         WHERE user_id = ?";

    insert_admin: Plain =
        "INSERT INTO admin_log (period, id, at_ms, action, target, asker) VALUES (?, ?, ?, ?, ?, ?)";
    recent_admin: Plain =
        "SELECT id, at_ms, action, target, asker FROM admin_log
         WHERE period = ? AND id < ? LIMIT ?";

    all_conversations: Plain =
        "SELECT conversation_id FROM conversations";
    all_heads: Plain =
        "SELECT conversation_id FROM conversation_heads";
    all_ends: Plain =
        "SELECT conversation_id, head FROM conversation_heads";
    insert_feed: Plain =
        "INSERT INTO search_feed (shard, bucket, n, first, logs)
         VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
    feed: Plain =
        "SELECT n, first, logs FROM search_feed
         WHERE shard = ? AND bucket = ? AND n > ? LIMIT 64";

    set_description: Plain =
        "UPDATE conversation_settings USING TIMESTAMP ? SET description = ?
         WHERE conversation_id = ?";
    set_photo: Plain =
        "UPDATE conversation_settings USING TIMESTAMP ? SET photo = ? WHERE conversation_id = ?";
    set_disappear_after: Plain =
        "UPDATE conversation_settings USING TIMESTAMP ? SET disappear_after_ms = ?
         WHERE conversation_id = ?";
    set_retention: Plain =
        "UPDATE conversation_settings USING TIMESTAMP ? SET retention_days = ?
         WHERE conversation_id = ?";
    set_posting: Plain =
        "UPDATE conversation_settings USING TIMESTAMP ? SET posting = ? WHERE conversation_id = ?";
    settings: Plain =
        "SELECT description, photo, disappear_after_ms, retention_days, posting
         FROM conversation_settings WHERE conversation_id = ?";
    insert_ban: Plain =
        "INSERT INTO bans (conversation_id, user_id, seq, is_banned, said_by, said_at)
         VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    bans: Plain =
        "SELECT user_id, seq, is_banned, said_by, said_at FROM bans WHERE conversation_id = ?";

    insert_expiring: Plain =
        "INSERT INTO expiring_entries (shard, hour, expires_at, conversation_id, seq)
         VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?";
    expiring: Plain =
        "SELECT expires_at, conversation_id, seq FROM expiring_entries
         WHERE shard = ? AND hour = ? AND expires_at > ? AND expires_at <= ? LIMIT ?";
    said: Plain =
        "SELECT event, WRITETIME(event) FROM messages
         WHERE conversation_id = ? AND bucket = ? AND seq = ?";
    set_expired_up_to: Plain =
        "UPDATE expired_up_to USING TIMESTAMP ? SET up_to = ? WHERE shard = ?";
    expired_up_to: Plain =
        "SELECT up_to FROM expired_up_to WHERE shard = ?";
    set_purged: Plain =
        "UPDATE purged_conversations USING TIMESTAMP ? SET up_to = ? WHERE conversation_id = ?";
    all_purged: Plain =
        "SELECT conversation_id, up_to FROM purged_conversations";
    purged: Plain =
        "SELECT up_to FROM purged_conversations WHERE conversation_id = ?";
    remove_messages: Plain =
        "DELETE FROM messages USING TIMESTAMP ?
         WHERE conversation_id = ? AND bucket = ? AND seq <= ?";
    remove_changes: Plain =
        "DELETE FROM message_changes USING TIMESTAMP ?
         WHERE conversation_id = ? AND bucket = ? AND target <= ?";
    set_removed: Plain =
        "UPDATE purged_conversations USING TIMESTAMP ? SET removed_up_to = ?
         WHERE conversation_id = ?";
    removed: Plain =
        "SELECT removed_up_to FROM purged_conversations WHERE conversation_id = ?";
    first_heads: Plain =
        "SELECT conversation_id FROM conversation_heads LIMIT ?";
    next_heads: Plain =
        "SELECT conversation_id FROM conversation_heads
         WHERE token(conversation_id) > token(?) LIMIT ?";

    insert_invite: Conditional =
        "INSERT INTO invites (hash, invite_id, conversation_id, created_by, created_at, expires_at,
                              uses_max, uses, is_revoked)
         VALUES (?, ?, ?, ?, ?, ?, ?, 0, false) IF NOT EXISTS USING TTL ?";
    import_invite: Plain =
        "INSERT INTO invites (hash, invite_id, conversation_id, created_by, created_at, expires_at,
                              uses_max, uses, used_by, is_revoked)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?";
    insert_invite_of_conversation: Plain =
        "INSERT INTO invites_by_conversation (conversation_id, invite_id, hash)
         VALUES (?, ?, ?) USING TTL ?";
    invite: SerialRead =
        "SELECT invite_id, conversation_id, created_by, created_at, expires_at, uses_max, uses,
                used_by, is_revoked
         FROM invites WHERE hash = ?";
    invites_of_conversation: Plain =
        "SELECT invite_id, hash FROM invites_by_conversation WHERE conversation_id = ?";
    use_invite: Conditional =
        "UPDATE invites USING TTL ? SET uses = ?, used_by = used_by + ? WHERE hash = ?
         IF uses = ? AND is_revoked = false";
    revoke_invite: Conditional =
        "UPDATE invites USING TTL ? SET is_revoked = true WHERE hash = ? IF conversation_id = ?";

    reserve_pair: Conditional =
        "INSERT INTO direct_pairs (low_user_id, high_user_id, conversation_id, name, created_by,
                                   created_at, low_role, high_role)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS";
    conversation_of_pair: Plain =
        "SELECT conversation_id FROM direct_pairs WHERE low_user_id = ? AND high_user_id = ?";
    pair: SerialRead =
        "SELECT conversation_id, name, created_by, created_at, low_role, high_role
         FROM direct_pairs WHERE low_user_id = ? AND high_user_id = ?";

    insert_read: Plain =
        "INSERT INTO read_positions (user_id, conversation_id, seq)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    insert_delivered: Plain =
        "INSERT INTO delivered_positions (device_id, conversation_id, seq)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    insert_read_of_conversation: Plain =
        "INSERT INTO positions_by_conversation (conversation_id, user_id, read)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    insert_delivered_of_conversation: Plain =
        "INSERT INTO positions_by_conversation (conversation_id, user_id, delivered)
         VALUES (?, ?, ?) USING TIMESTAMP ?";
    positions_of_conversation: Plain =
        "SELECT user_id, delivered, read FROM positions_by_conversation
         WHERE conversation_id = ?";
    read_positions: Plain =
        "SELECT conversation_id, seq FROM read_positions WHERE user_id = ?";
    delivered_positions: Plain =
        "SELECT conversation_id, seq FROM delivered_positions WHERE device_id = ?";

    reserve_name: Conditional =
        "INSERT INTO usernames (username, user_id, reserved_at) VALUES (?, ?, ?) IF NOT EXISTS";
    replace_reservation: Conditional =
        "UPDATE usernames SET user_id = ?, reserved_at = ? WHERE username = ?
         IF user_id = ? AND reserved_at = ?";
    release_name: Conditional =
        "DELETE FROM usernames WHERE username = ? IF user_id = ? AND reserved_at = ?";
    reservation: SerialRead =
        "SELECT user_id, reserved_at FROM usernames WHERE username = ?";
    holder_of_name: Plain =
        "SELECT user_id FROM usernames WHERE username = ?";
    insert_user: Plain =
        "INSERT INTO users (user_id, username, display_name, password_hash, created_at)
         VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 1";
    user: Plain =
        "SELECT username, display_name, status_text, created_at FROM users WHERE user_id = ?";
    password_hash: Plain =
        "SELECT username, password_hash FROM users WHERE user_id = ?";
    set_password_hash: Conditional =
        "UPDATE users SET password_hash = ? WHERE user_id = ? IF EXISTS";
    set_profile: Conditional =
        "UPDATE users SET display_name = ?, status_text = ? WHERE user_id = ? IF EXISTS";

    insert_device: Conditional =
        "INSERT INTO devices (device_id, user_id, name, created_at) VALUES (?, ?, ?, ?)
         IF NOT EXISTS";
    insert_device_of_user: Plain =
        "INSERT INTO devices_by_user (user_id, device_id) VALUES (?, ?)";
    device: Plain =
        "SELECT user_id, name, created_at, last_seen_at, revoked_at FROM devices
         WHERE device_id = ?";
    device_serially: SerialRead =
        "SELECT user_id, name, created_at, last_seen_at, revoked_at FROM devices
         WHERE device_id = ?";
    devices_of_user: Plain =
        "SELECT device_id FROM devices_by_user WHERE user_id = ?";
    revoke_device: Conditional =
        "UPDATE devices SET revoked_at = ? WHERE device_id = ?
         IF user_id = ? AND revoked_at = null";
    set_last_seen: Plain =
        "UPDATE devices USING TIMESTAMP ? SET last_seen_at = ? WHERE device_id = ?";

    insert_token: Conditional =
        "INSERT INTO refresh_tokens (hash, device_id, expires_at, spent)
         VALUES (?, ?, ?, false) IF NOT EXISTS USING TTL ?";
    token: SerialRead =
        "SELECT device_id, expires_at, spent, next_hash FROM refresh_tokens WHERE hash = ?";
    spend_token: Conditional =
        "UPDATE refresh_tokens USING TTL ? SET spent = true, next_hash = ? WHERE hash = ?
         IF spent = false";
}
