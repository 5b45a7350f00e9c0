//! Figures, not promises: run by hand with `--ignored --nocapture`.

use actors::ports::BridgeError;
use loadtest::services::{Redis, RedisSpec};

use super::*;

const FRAMES: usize = 300_000;

#[tokio::test]
#[ignore = "a measurement"]
async fn frames_a_second_from_one_node_to_another() {
    let redis = Redis::start(RedisSpec::default()).await.unwrap();
    for size in [200, 2000] {
        let nodes = connected(&redis.url(), 2, BridgeLimits::default()).await;
        let frame = Bytes::from(vec![7; size]);
        let (begun, cpu) = (Instant::now(), cpu_ms());
        let mut sent = 0;
        while sent < FRAMES {
            match nodes[0].bridge.send(nodes[1].node, frame.clone()) {
                Ok(()) => sent += 1,
                Err(BridgeError::Full) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error) => panic!("{error}"),
            }
        }
        until("all there", || nodes[1].inbox.count() >= FRAMES).await;
        let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_ms() - cpu);
        #[expect(clippy::cast_precision_loss, reason = "a figure to read")]
        let count = FRAMES as f64;
        println!(
            "{size} bytes: {:.0} frames/s, {:.1} µs of CPU a frame for both nodes, {:.2} s",
            count / seconds,
            cpu * 1000.0 / count,
            seconds,
        );
    }
}

/// CPU that this process has used, milliseconds.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) * 10.0
}
