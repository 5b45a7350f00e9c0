//! Clients of the server: sockets, REST, and devices that lose nothing whatever happens to them.

pub mod device;
mod device_task;
pub mod frame_codec;
pub mod lean_socket;
pub mod observer;
mod outbox;
pub mod provision;
pub mod recorder;
pub mod reorder;
pub mod rest;
pub mod socket;
pub mod socket_error;
pub mod standard_socket;
pub mod target;
pub mod tls;
pub mod transport;

pub use device::{Cut, Device, DeviceOptions, Draft, Habits};
pub use lean_socket::LeanSocket;
pub use observer::Observer;
pub use provision::{Credentials, provision};
pub use recorder::Recorder;
pub use reorder::ReorderBuffer;
pub use rest::{Page, Reading, RestClient};
pub use socket::{Socket, SocketStyle, within};
pub use socket_error::SocketError;
pub use standard_socket::StandardSocket;
pub use target::{Address, Target};
pub use transport::{ConnectSettings, Transport};
