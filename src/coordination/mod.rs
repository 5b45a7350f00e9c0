//! Who owns what among the nodes.

pub mod local_directory;

pub use local_directory::LocalDirectory;
