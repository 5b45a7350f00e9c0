//! Those who send.

mod closed;
mod open;
mod pace;

pub use closed::run_closed;
pub use open::run_open;
pub use pace::Pace;

use schema::MessageId;
use schema::record::Content;

use super::crowd::Person;
use super::meter::text_of;
use crate::client::Draft;

fn draft(person: &Person, due_us: u64, number: u64, text_bytes: usize) -> Draft {
    Draft {
        conversation_id: person.conversation_id,
        message_id: MessageId::generate(),
        content: Content::Text { text: text_of(due_us, number, text_bytes) },
        reply_to: None,
    }
}
