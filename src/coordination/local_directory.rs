//! The directory of a single process: it owns every shard.

use actors::ports::{Directory, Owner};

/// Always [`Owner::Here`].
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDirectory;

impl Directory for LocalDirectory {
    fn owner(&self, _shard: u32) -> Owner {
        Owner::Here
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
        contract::directory::run(async || Arc::new(LocalDirectory) as Arc<dyn Directory>, 8).await;
        assert_eq!(LocalDirectory.owner(7), Owner::Here);
    }
}
