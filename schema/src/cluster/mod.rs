//! Node to node: what travels over the bridge, and under which names.

pub mod channel;
pub mod envelope;
pub mod trace;
