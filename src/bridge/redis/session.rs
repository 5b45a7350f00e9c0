//! Keeps connections open, and publishes what waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use schema::{NodeId, metric};
use tokio::sync::watch;
use tokio::time::Instant;

use super::backoff;
use super::config::RedisConfig;
use super::link::{Link, LinkError};
use super::measure::measured;
use super::packet::Packet;
use super::peers::Peers;
use super::queue::Bounds;
use super::receive;
use super::shared::{Shared, To};

/// What goes out in one round trip.
const BATCH: Bounds = Bounds { items: 256, bytes: 256 * 1024 };

/// Opens connections, works with them until they fail, and begins again: for as long as the bridge
/// lives, once it has an inbox.
pub(super) async fn keep_connected(
    shared: Arc<Shared>,
    config: RedisConfig,
    peers: watch::Receiver<Peers>,
) {
    receive::inbox(&shared).await;
    let mut failures = 0;
    loop {
        let (error, worked) = run(&shared, &config, &peers).await;
        shared.end_session();
        failures = if worked { 1 } else { failures + 1 };
        if failures == 1 {
            tracing::warn!(%error, redis = %config, "no connection to the other nodes; trying again");
        } else {
            tracing::debug!(%error, failures, "still no connection to the other nodes");
        }
        tokio::time::sleep(backoff::delay(failures)).await;
    }
}

/// Runs one session to its end: why it ended, and whether it ever worked.
async fn run(
    shared: &Arc<Shared>,
    config: &RedisConfig,
    peers: &watch::Receiver<Peers>,
) -> (LinkError, bool) {
    let session = shared.begin_session();
    let mut link = match measured("connect", Link::open(config, shared, session)).await {
        Ok(link) => link,
        Err(error) => return (error, false),
    };
    let mut worked = false;
    let mut beat_at = Instant::now();
    let mut frames = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = shared.broken.notified() => return (LinkError::Unsubscribed, worked),
            () = tokio::time::sleep_until(beat_at) => {}
            () = shared.outgoing.filled() => {}
        }
        worked |= shared.is_up();
        let mut packets = Vec::new();
        if Instant::now() >= beat_at {
            // Late when this process slept; what waited in the socket meanwhile shows no age.
            shared.lagged(beat_at.elapsed());
            let Some(number) = shared.beat() else { return (LinkError::Silent, worked) };
            packets.push((shared.node, Packet::Heartbeat(number)));
            beat_at = Instant::now() + shared.beat_every();
        }
        shared.outgoing.take(BATCH, &mut frames);
        address(shared.node, &mut frames, &peers.borrow(), &mut packets);
        if let Err(error) = publish(&mut link, &packets).await {
            return (error, worked);
        }
    }
}

/// One packet for each node that is to get a frame.
fn address(
    node: NodeId,
    frames: &mut Vec<(To, Bytes)>,
    peers: &Peers,
    packets: &mut Vec<(NodeId, Packet)>,
) {
    let mut by_node: BTreeMap<NodeId, Vec<Bytes>> = BTreeMap::new();
    for (to, frame) in frames.drain(..) {
        match to {
            To::One(to) => by_node.entry(to).or_default().push(frame),
            To::Others => {
                let others = peers.others.iter().flat_map(|it| it.iter());
                for other in others.filter(|other| **other != node) {
                    by_node.entry(*other).or_default().push(frame.clone());
                }
            }
        }
    }
    packets.extend(by_node.into_iter().map(|(to, mut frames)| match frames.pop() {
        Some(only) if frames.is_empty() => (to, Packet::Frame(only)),
        last => {
            frames.extend(last);
            (to, Packet::Frames(frames))
        }
    }));
}

async fn publish(link: &mut Link, packets: &[(NodeId, Packet)]) -> Result<(), LinkError> {
    if packets.is_empty() {
        return Ok(());
    }
    let frames: u64 = packets.iter().map(|(_, packet)| packet.frames()).sum();
    match measured("publish", link.publish(packets)).await {
        Ok(published) => {
            metrics::counter!(metric::BRIDGE_FRAMES_SENT).increment(published.frames);
            metrics::counter!(metric::BRIDGE_BYTES_SENT).increment(published.bytes);
            metrics::counter!(metric::BRIDGE_FRAMES_REFUSED).increment(published.failed);
            Ok(())
        }
        Err(error) => {
            metrics::counter!(metric::BRIDGE_FRAMES_REFUSED).increment(frames);
            Err(error)
        }
    }
}
