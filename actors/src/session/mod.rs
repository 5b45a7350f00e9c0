//! One user on this node: the devices with a socket here, how far each has come, what each is
//! still owed.
//!
//! Pure: `cursor` (is this delivery next for this device), `subscription`. `actor` carries out.

mod actor;
mod attach;
mod catch_up;
mod changes;
pub(crate) mod cursor;
mod limits;
mod link;
pub mod local;
mod messages;
mod own;
mod positions;
mod registry;
mod requests;
mod seldom;
mod signals;
mod subscription;

pub use actor::{Session, SessionContext};
pub use limits::{SendLimit, SendLimitInForce};
pub use messages::{
    Attach, CloseDevice, DescribeSockets, Drained, FromSocket, ProbeSocket, ReadUpTo, SocketFacts,
    ToSocket,
};
pub use registry::{Online, Sessions};
