//! The whole server as its users meet it: a real process, real sockets, real files.
//!
//! One test binary, so that the server is linked once.

mod admin;
mod authorization;
mod authorization_frames;
mod backup;
mod bad_input;
mod caller;
mod care;
mod changes;
mod cli;
mod cluster_search;
mod conversations;
mod counts;
mod delivery;
mod drain;
mod kill9;
mod memory;
mod observed;
mod operated_cluster;
mod own;
mod previews;
mod privacy;
mod proxies;
mod reload;
mod replay;
mod scheduled;
mod search;
mod search_replay;
mod service_manager;
mod signals;
mod silent_sockets;
mod slow_consumer;
mod support;
mod tidy;
mod tls;
mod workers;
