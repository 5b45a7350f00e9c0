//! What is printed. Conversation goes to standard output, everything else to standard error.

use std::io::Write as _;

use schema::record::Content;
use schema::rest::{ChatListItem, ConversationView};
use schema::wire::LogFrame;

/// A line about the client itself.
pub(super) fn notice(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "* {}", harmless(text))?;
    Ok(())
}

/// An entry of a conversation. `place` is `None` for the open one.
pub(super) fn entry(place: Option<&str>, entry: &LogFrame, who: &str) -> anyhow::Result<()> {
    let place = place.map_or_else(String::new, |place| format!("[{}] ", harmless(place)));
    let line = format!("{place}#{} {}", entry.seq(), said(entry, &harmless(who)));
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn said(entry: &LogFrame, who: &str) -> String {
    match entry {
        LogFrame::NewMessage(message) => format!("{who}: {}", harmless(&words(&message.content))),
        LogFrame::MembersChanged(change) => {
            let (added, removed) = (change.added.len(), change.removed.len());
            let changed = change.changed.len();
            format!("* {who}: {added} added, {removed} removed, {changed} with another role")
        }
        LogFrame::ConversationChanged(change) => {
            let Some(name) = change.name.as_deref() else {
                return format!("* {who} changed what this conversation is set to");
            };
            format!("* {who} named this {}", harmless(name))
        }
        LogFrame::MessageEdited(edit) => {
            format!("* {who} edited #{}: {}", edit.target, harmless(&words(&edit.content)))
        }
        LogFrame::MessageDeleted(deletion) => format!("* {who} deleted #{}", deletion.target),
        LogFrame::ReactionChanged(change) => {
            let verb = if change.on { "reacted to" } else { "took back from" };
            format!("* {who} {verb} #{}: {}", change.target, harmless(&change.emoji))
        }
        LogFrame::PinChanged(change) => {
            let verb = if change.on { "pinned" } else { "unpinned" };
            format!("* {who} {verb} #{}", change.target)
        }
    }
}

fn words(content: &Content) -> String {
    match content {
        Content::Text { text } => text.clone(),
        Content::Media { caption, .. } => {
            format!("(media) {}", caption.as_deref().unwrap_or_default())
        }
        Content::Encrypted { body, .. } => format!("(encrypted, {} bytes)", body.len()),
        Content::Custom { kind, body } => format!("({kind}) {body}"),
        Content::Deleted {} => "(deleted)".to_owned(),
    }
}

/// The chat list, one conversation a line: id, unread, name.
pub(super) fn chat_list(list: &[ChatListItem]) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    for item in list {
        let name = harmless(&title(item));
        writeln!(out, "{}  {:>4} unread  {name}", item.conversation_id, item.unread)?;
    }
    if list.is_empty() {
        notice("no conversations yet; /open NAME begins one")?;
    }
    Ok(())
}

/// The members of a conversation, one a line.
pub(super) fn members(view: &ConversationView) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    for member in &view.members {
        let role = format!("{:?}", member.role).to_lowercase();
        writeln!(out, "{} ({role})", harmless(&member.user.username))?;
    }
    Ok(())
}

/// What people call a conversation.
pub(super) fn title(item: &ChatListItem) -> String {
    let peer = item.peer.as_ref().map(|peer| peer.username.clone());
    item.name.clone().or(peer).unwrap_or_else(|| item.conversation_id.to_string())
}

/// Others' text without anything that a terminal would obey.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '\u{23ce}',
            '\t' => ' ',
            c if c.is_control() || is_direction(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Characters that turn the writing direction, and with it what a line seems to say.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_control_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\rc\u{202e}d\ne"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d⏎e");
        assert_eq!(harmless("ünïcode 🎉"), "ünïcode 🎉");
    }
}
