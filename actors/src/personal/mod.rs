//! What belongs to single users: settings, drafts, what they hid, whom they block, when they were
//! there. Kept in the store, remembered here for a while, and told to the user's own devices on
//! every node.
//!
//! What a node remembers is put right by what the others tell it, and forgotten after half a minute
//! in case that was lost. Messages to be sent later are kept here and sent by
//! `scheduling`.
//!
//! Pure: `privacy`, `remembered`. `hub` carries out; `changes` is what devices ask for, `here` what sessions note.

mod changes;
mod here;
mod hub;
mod privacy;
mod remembered;
mod scheduled;

pub use changes::{DRAFT_BYTES_MAX, Followed, HIDDEN_MAX, SettingsPatch};
pub use here::WasHere;
pub use hub::{ConversationPatch, News, Outlet, Own, Personal};
pub use privacy::{Privacy, Sight};
pub use scheduled::{NewScheduled, SCHEDULED_MAX, ScheduledPatch};
