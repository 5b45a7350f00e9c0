//! Network namespaces: a process with a network cable of its own, which can be pulled. Linux, root.
//!
//! ```text
//! bridge swbN, 10.77.N.0/24 ─┬─ this machine's processes: 10.77.N.1 …
//!                            ├─ cable ── namespace swbN-101: 10.77.N.101
//!                            └─ cable ── namespace swbN-102: 10.77.N.102
//! ```

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::services::{AddressBlock, Launch};

/// Of this machine's addresses on the bridge, the last one: services take the first ones.
const SERVICES: std::ops::RangeInclusive<u8> = 1..=9;
const BRIDGE_PREFIX: &str = "swb";

/// A bridge. Dropping it removes it; what a killed program left is removed by the next one.
#[derive(Debug)]
pub struct Network {
    block: Arc<AddressBlock>,
    bridge: String,
}

impl Network {
    /// Makes a bridge with addresses for services.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn create() -> anyhow::Result<Arc<Self>> {
        sweep();
        let block = Arc::new(AddressBlock::take(&[])?.bridged());
        let bridge = format!("{BRIDGE_PREFIX}{}", block.number());
        ip(&["link", "add", &bridge, "type", "bridge"]).context("making a network (as root?)")?;
        let network = Self { block, bridge };
        for host in SERVICES {
            let address = format!("{}/24", network.host(host));
            ip(&["address", "add", &address, "dev", &network.bridge])?;
        }
        ip(&["link", "set", &network.bridge, "up"])?;
        Ok(Arc::new(network))
    }

    /// Its addresses.
    #[must_use]
    pub const fn block(&self) -> &Arc<AddressBlock> {
        &self.block
    }

    fn host(&self, host: u8) -> String {
        format!("{}.{host}", self.block.base())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = ip(&["link", "delete", &self.bridge]);
    }
}

/// A namespace with one cable to the bridge. Dropping it removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// This machine's end of the cable.
    cable: String,
    _network: Arc<Network>,
}

impl Namespace {
    /// Makes one whose address is the network's with this last part.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn create(network: &Arc<Network>, host: u8) -> anyhow::Result<Self> {
        let bridge = &network.bridge;
        let namespace = Self {
            name: format!("{bridge}-{host}"),
            cable: format!("{bridge}v{host}"),
            _network: Arc::clone(network),
        };
        let Self { name, cable, .. } = &namespace;
        ip(&["netns", "add", name])?;
        ip(&["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["link", "set", cable, "master", bridge])?;
        ip(&["link", "set", cable, "up"])?;
        let address = format!("{}/24", network.host(host));
        ip(&["-netns", name, "address", "add", &address, "dev", "eth0"])?;
        ip(&["-netns", name, "link", "set", "eth0", "up"])?;
        ip(&["-netns", name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// The same process, to be run inside.
    #[must_use]
    pub fn put_in(&self, launch: Launch) -> Launch {
        let program = launch.program.display().to_string();
        let mut arguments: Vec<String> =
            ["netns", "exec", &self.name, &program].map(str::to_owned).into();
        arguments.extend(launch.arguments);
        Launch { program: "ip".into(), arguments, ..launch }
    }

    /// Pulls the cable: whatever is sent either way is lost, and nobody is told.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn cut(&self) -> anyhow::Result<()> {
        ip(&["link", "set", &self.cable, "down"])
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn join(&self) -> anyhow::Result<()> {
        ip(&["link", "set", &self.cable, "up"])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // First the cable, for a namespace lives on as long as a process in it does.
        let _ = ip(&["link", "delete", &self.cable]);
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

/// Removes the bridges and namespaces of programs that are gone.
fn sweep() {
    let names = |arguments: &[&str]| {
        let output = Command::new("ip").args(arguments).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    let is_left = |name: &str| {
        let number = name.strip_prefix(BRIDGE_PREFIX).and_then(|rest| rest.parse().ok());
        number.is_some_and(AddressBlock::is_unused)
    };
    for line in names(&["netns", "list"]).lines() {
        let name = line.split_ascii_whitespace().next().unwrap_or_default();
        if name.split('-').next().is_some_and(is_left) {
            let _ = ip(&["netns", "delete", name]);
        }
    }
    for line in names(&["-oneline", "link", "show", "type", "bridge"]).lines() {
        let name = line.split(": ").nth(1).unwrap_or_default();
        if is_left(name) {
            let _ = ip(&["link", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().context("the command ip")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("ip {}: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;
    use crate::services::ServiceProcess;

    const BRIEFLY: Duration = Duration::from_millis(300);
    const WAIT: Duration = Duration::from_secs(10);

    /// As root alone; others have nothing to prove here.
    #[tokio::test]
    async fn a_process_inside_is_reached_until_its_cable_is_pulled() {
        let Ok(network) = Network::create() else { return };
        let namespace = Namespace::create(&network, 101).unwrap();
        let service = TcpListener::bind(network.block().address(1, 5)).await.unwrap();
        let address = service.local_addr().unwrap();
        let script = format!(
            "exec 3<>/dev/tcp/{}/{}; while read -r line <&3; do echo \"$line\" >&3; done",
            address.ip(),
            address.port()
        );
        let output = std::env::temp_dir().join(format!("{}.log", namespace.name));
        let launch = Launch {
            program: "/bin/bash".into(),
            arguments: vec!["-c".to_owned(), script],
            output: output.clone(),
            ..Launch::default()
        };
        let process = ServiceProcess::start(namespace.put_in(launch)).unwrap();
        let (mut inside, from) = timeout(WAIT, service.accept()).await.unwrap().unwrap();
        assert_eq!(from.ip().to_string(), network.host(101));
        assert!(talk(&mut inside, WAIT).await);

        namespace.cut().unwrap();
        assert!(!talk(&mut inside, BRIEFLY).await);
        namespace.join().unwrap();
        let mut late = [0; 3];
        timeout(WAIT, inside.read_exact(&mut late)).await.unwrap().unwrap();
        assert!(talk(&mut inside, WAIT).await);

        let bridge = network.bridge.clone();
        drop((process, namespace, network));
        assert!(ip(&["link", "show", &bridge]).is_err(), "the bridge is left behind");
        std::fs::remove_file(output).unwrap();
    }

    async fn talk(stream: &mut TcpStream, wait: Duration) -> bool {
        stream.write_all(b"hi\n").await.unwrap();
        let mut answer = [0; 3];
        timeout(wait, stream.read_exact(&mut answer)).await.is_ok()
    }
}
