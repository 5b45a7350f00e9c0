//! What a message may say: the one check that the socket and REST share. Pure.

use super::error_code::ErrorCode;
use super::refusal::Refusal;
use crate::MessageId;
use crate::record::profile::{
    DESCRIPTION_BYTES_MAX, DISAPPEAR_AFTER_MS_MAX, DISAPPEAR_AFTER_MS_MIN, PHOTO_BYTES_MAX,
    RETENTION_DAYS_MAX,
};
use crate::record::{Content, ConversationPatch, MessageBody};

/// Most users that one message may mention.
pub const MENTIONS_MAX: usize = 100;
/// Longest emoji of a reaction, bytes: the longest sequences of Unicode take 35.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Longest `type` of a custom content, bytes.
pub const CUSTOM_TYPE_BYTES_MAX: usize = 128;
/// Longest `scheme` of an encrypted content, bytes.
pub const ENCRYPTION_SCHEME_BYTES_MAX: usize = 64;

/// Checks what a message says.
///
/// # Errors
/// `invalid_content`: empty, larger than [`Content::SIZE_MAX`], a name of the wrong length, or
/// media (there are no uploads to refer to).
pub fn content(content: &Content) -> Result<(), Refusal> {
    match content {
        Content::Text { text } => body_size("text", text.len()),
        Content::Media { .. } => Err(invalid_content("media cannot be sent to this server")),
        Content::Encrypted { scheme, body } => {
            name_size("scheme", scheme.len(), ENCRYPTION_SCHEME_BYTES_MAX)?;
            body_size("body", body.len())
        }
        Content::Custom { kind, body } => {
            name_size("type", kind.len(), CUSTOM_TYPE_BYTES_MAX)?;
            if body.len() > Content::SIZE_MAX {
                return Err(too_long("body", Content::SIZE_MAX));
            }
            Ok(())
        }
        Content::Deleted {} => Err(invalid_content("a message is deleted by delete_message")),
    }
}

/// Checks an emoji: what is drawn as one, or a name of an application's own.
///
/// # Errors
/// `invalid_field`.
pub fn emoji(emoji: &str) -> Result<(), Refusal> {
    if emoji.is_empty() || emoji.len() > EMOJI_BYTES_MAX {
        return Err(invalid_field(format!("emoji: 1 to {EMOJI_BYTES_MAX} bytes")));
    }
    if emoji.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Err(invalid_field("emoji: must not have spaces".to_owned()));
    }
    Ok(())
}

/// Checks a whole message: its content and what it refers to.
///
/// # Errors
/// `invalid_content` of [`content`]; `invalid_field` for references to no message and too many
/// mentions.
pub fn message(message: &MessageBody) -> Result<(), Refusal> {
    content(&message.content)?;
    if message.mentions.len() > MENTIONS_MAX {
        return Err(invalid_field(format!("mentions: at most {MENTIONS_MAX} users")));
    }
    for (field, reference) in [("reply_to", message.reply_to), ("thread", message.thread)] {
        if reference.is_some_and(|seq| seq.0 == 0) {
            return Err(invalid_field(format!("{field}: numbers of messages begin at 1")));
        }
    }
    match message.expires_after_ms {
        Some(after_ms) => disappearing("expires_after_ms", after_ms),
        None => Ok(()),
    }
}

fn disappearing(field: &'static str, after_ms: u64) -> Result<(), Refusal> {
    if (DISAPPEAR_AFTER_MS_MIN..=DISAPPEAR_AFTER_MS_MAX).contains(&after_ms) {
        return Ok(());
    }
    let bounds = format!("{DISAPPEAR_AFTER_MS_MIN} to {DISAPPEAR_AFTER_MS_MAX}");
    Err(invalid_field(format!("{field}: {bounds} milliseconds")))
}

/// Checks a change of what a conversation is set to.
///
/// # Errors
/// `invalid_field`.
pub fn conversation_change(change: &ConversationPatch) -> Result<(), Refusal> {
    if change.is_empty() {
        return Err(invalid_field("name: nothing is to be changed".to_owned()));
    }
    if change.description.iter().flatten().any(|text| text.len() > DESCRIPTION_BYTES_MAX) {
        return Err(invalid_field(format!("description: at most {DESCRIPTION_BYTES_MAX} bytes")));
    }
    if !change.photo.iter().flatten().all(|photo| is_photo(photo)) {
        let text = format!("photo: an https address of at most {PHOTO_BYTES_MAX} bytes");
        return Err(invalid_field(text));
    }
    if let Some(Some(after_ms)) = change.disappear_after_ms {
        disappearing("disappear_after_ms", after_ms)?;
    }
    if change.retention_days.flatten().is_some_and(|days| days > RETENTION_DAYS_MAX) {
        return Err(invalid_field(format!("retention_days: at most {RETENTION_DAYS_MAX}")));
    }
    Ok(())
}

fn is_photo(address: &str) -> bool {
    let host = address.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    address.len() <= PHOTO_BYTES_MAX
        && host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && !address.chars().any(|it| it.is_whitespace() || it.is_control() || "\"<>\\".contains(it))
}

/// Checks that an id is a UUIDv7, as the dedupe window needs the time inside.
///
/// # Errors
/// `invalid_field`.
pub fn message_id(id: MessageId) -> Result<(), Refusal> {
    if id.unix_ms().is_none() {
        return Err(invalid_field("message_id: must be a UUID of version 7".to_owned()));
    }
    Ok(())
}

fn body_size(field: &'static str, bytes: usize) -> Result<(), Refusal> {
    match bytes {
        0 => Err(invalid_content(format!("{field}: must not be empty"))),
        1..=Content::SIZE_MAX => Ok(()),
        _ => Err(too_long(field, Content::SIZE_MAX)),
    }
}

fn name_size(field: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Refusal> {
    if bytes == 0 {
        return Err(invalid_content(format!("{field}: must not be empty")));
    }
    if bytes > bytes_max {
        return Err(too_long(field, bytes_max));
    }
    Ok(())
}

fn too_long(field: &'static str, bytes_max: usize) -> Refusal {
    invalid_content(format!("{field}: at most {bytes_max} bytes"))
}

fn invalid_content(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidContent, message)
}

fn invalid_field(message: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidField, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sequence, UserId};

    fn text(bytes: usize) -> Content {
        Content::Text { text: "x".repeat(bytes) }
    }

    fn code(result: Result<(), Refusal>) -> Option<ErrorCode> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn text_is_one_byte_to_64_kib() {
        assert_eq!(code(content(&text(0))), Some(ErrorCode::InvalidContent));
        assert_eq!(code(content(&text(1))), None);
        assert_eq!(code(content(&text(Content::SIZE_MAX))), None);
        assert_eq!(code(content(&text(Content::SIZE_MAX + 1))), Some(ErrorCode::InvalidContent));
    }

    #[test]
    fn other_kinds_have_their_own_limits() {
        let encrypted = |scheme: usize, body: usize| Content::Encrypted {
            scheme: "s".repeat(scheme),
            body: vec![0; body],
        };
        let custom = |kind: usize, body: usize| Content::Custom {
            kind: "k".repeat(kind),
            body: "b".repeat(body),
        };
        for (good, bad) in [
            (encrypted(64, Content::SIZE_MAX), encrypted(65, 1)),
            (encrypted(1, 1), encrypted(1, 0)),
            (encrypted(1, 1), encrypted(0, 1)),
            (custom(128, Content::SIZE_MAX), custom(129, 1)),
            (custom(1, 0), custom(0, 1)),
            (custom(1, 1), custom(1, Content::SIZE_MAX + 1)),
            (text(1), Content::Deleted {}),
            (text(1), Content::Media { media_id: uuid::Uuid::nil(), caption: None }),
        ] {
            assert_eq!(code(content(&good)), None, "{good:?}");
            assert_eq!(code(content(&bad)), Some(ErrorCode::InvalidContent));
        }
    }

    #[test]
    fn references_name_real_messages() {
        let body = |reply_to, mentions| MessageBody {
            reply_to,
            mentions: vec![UserId::generate(); mentions],
            ..MessageBody::new(text(1))
        };
        assert_eq!(code(message(&body(Some(Sequence(1)), MENTIONS_MAX))), None);
        assert_eq!(code(message(&body(Some(Sequence(0)), 0))), Some(ErrorCode::InvalidField));
        assert_eq!(code(message(&body(None, MENTIONS_MAX + 1))), Some(ErrorCode::InvalidField));
    }

    #[test]
    fn messages_disappear_between_a_second_and_a_year() {
        let body = |after_ms| MessageBody {
            expires_after_ms: Some(after_ms),
            ..MessageBody::new(text(1))
        };
        for (after_ms, expected) in [
            (999, Some(ErrorCode::InvalidField)),
            (1_000, None),
            (31_536_000_000, None),
            (31_536_000_001, Some(ErrorCode::InvalidField)),
        ] {
            assert_eq!(code(message(&body(after_ms))), expected, "{after_ms}");
        }
    }

    #[test]
    fn what_a_conversation_is_set_to_has_bounds() {
        let photo = |photo: &str| ConversationPatch {
            photo: Some(Some(photo.to_owned())),
            ..ConversationPatch::default()
        };
        let good = [
            ConversationPatch::named("Tea"),
            photo("https://example.org/a.png"),
            ConversationPatch { photo: Some(None), ..ConversationPatch::default() },
            ConversationPatch { retention_days: Some(Some(0)), ..ConversationPatch::default() },
        ];
        for change in good {
            assert_eq!(code(conversation_change(&change)), None, "{change:?}");
        }
        let long = "x".repeat(DESCRIPTION_BYTES_MAX + 1);
        let bad = [
            ConversationPatch::default(),
            photo("http://example.org/a.png"),
            photo("https://"),
            photo("https://user@example.org/"),
            photo("https://example.org/a b"),
            photo("javascript:alert(1)"),
            photo(&format!("https://example.org/{long}")),
            ConversationPatch { description: Some(Some(long)), ..ConversationPatch::default() },
            ConversationPatch { disappear_after_ms: Some(Some(0)), ..ConversationPatch::default() },
            ConversationPatch {
                retention_days: Some(Some(RETENTION_DAYS_MAX + 1)),
                ..ConversationPatch::default()
            },
        ];
        for change in bad {
            let found = code(conversation_change(&change));
            assert_eq!(found, Some(ErrorCode::InvalidField), "{change:?}");
        }
    }

    #[test]
    fn an_emoji_is_short_and_without_spaces() {
        for good in ["👍", "👩‍👩‍👧‍👦", ":party_parrot:", "+1"] {
            assert_eq!(code(emoji(good)), None, "{good}");
        }
        for bad in ["", "a b", "\n", &"x".repeat(65)] {
            assert_eq!(code(emoji(bad)), Some(ErrorCode::InvalidField), "{bad:?}");
        }
    }

    #[test]
    fn message_ids_carry_their_time() {
        assert_eq!(code(message_id(MessageId::generate())), None);
        assert_eq!(code(message_id(MessageId(uuid::Uuid::nil()))), Some(ErrorCode::InvalidField));
    }
}
