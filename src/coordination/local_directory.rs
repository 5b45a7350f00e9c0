//! The directory of a single process: it owns every shard.

use actors::ports::{Directory, Owner};
use tokio::sync::watch;

/// Always [`Owner::Here`].
#[derive(Clone, Debug, Default)]
pub struct LocalDirectory {
    never: watch::Sender<u64>,
}

impl Directory for LocalDirectory {
    fn owner(&self, _shard: u32) -> Owner {
        Owner::Here
    }

    fn is_handed_over(&self, _shard: u32) -> bool {
        false
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.never.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actors::contract;
    use actors::ports::{Directory, Owner};

    use super::LocalDirectory;

    #[tokio::test]
    async fn keeps_the_contract_of_the_directory() {
        let make = async || Arc::new(LocalDirectory::default()) as Arc<dyn Directory>;
        contract::directory::run(make, 8).await;
        assert_eq!(LocalDirectory::default().owner(7), Owner::Here);
    }
}
