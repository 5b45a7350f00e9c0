//! Bytes of one direction of one connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::frames::Frames;
use super::mode::{Direction, Mode};
use super::{Orders, Shared};

const READ_BYTES: usize = 16_384;
/// Portions under way. A service with more to say waits, as it would for a full window.
const UNDER_WAY_MAX: usize = 1_024;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Closed,
    /// One side broke it.
    Broken,
    /// The proxy reset it.
    Reset,
}

/// A portion, and when it arrives.
type Due = (Instant, Bytes);

/// One direction.
pub(super) struct Pump<'a> {
    direction: Direction,
    shared: &'a Arc<Shared>,
    orders: watch::Receiver<Orders>,
    frames: Frames,
    /// To be told when answers have been swallowed for long enough.
    enough: &'a Notify,
    first_swallowed: Option<Instant>,
    last_due: Instant,
}

impl<'a> Pump<'a> {
    pub fn new(direction: Direction, shared: &'a Arc<Shared>, enough: &'a Notify) -> Self {
        Self {
            direction,
            shared,
            orders: shared.orders.subscribe(),
            frames: Frames::new(shared.framing),
            enough,
            first_swallowed: None,
            last_due: Instant::now(),
        }
    }

    /// Carries bytes until the reader's side ends them.
    ///
    /// # Errors
    /// When either side is broken.
    pub async fn run(self, reader: ReadHalf<'_>, writer: WriteHalf<'_>) -> Result<(), Ending> {
        let (under_way, arriving) = mpsc::channel(UNDER_WAY_MAX);
        let (direction, orders) = (self.direction, self.shared.orders.subscribe());
        let reading = self.read(reader, under_way);
        let writing = write(direction, orders, arriving, writer);
        tokio::try_join!(reading, writing).map(drop)
    }

    async fn read(
        mut self,
        mut reader: ReadHalf<'_>,
        under_way: mpsc::Sender<Due>,
    ) -> Result<(), Ending> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.wait_open(&reader).await?;
            let deadline = self.deadline();
            tokio::select! {
                count = reader.read(&mut buffer) => match count {
                    Ok(0) => break,
                    Ok(count) => self.take(&buffer[..count], &under_way).await?,
                    Err(_) => return Err(Ending::Broken),
                },
                _ = self.orders.changed() => {}
                () = swallowed_enough(deadline) => {
                    self.enough.notify_one();
                    self.first_swallowed = None;
                }
            }
        }
        let rest = self.frames.rest();
        if !rest.is_empty() {
            self.forward(rest, &under_way).await?;
        }
        Ok(())
    }

    /// While this direction is held nothing is read: whoever sends comes to a full window.
    async fn wait_open(&mut self, reader: &ReadHalf<'_>) -> Result<(), Ending> {
        let direction = self.direction;
        if !self.orders.borrow_and_update().mode.holds(direction) {
            return Ok(());
        }
        let counting = async {
            if reader.readable().await.is_ok() {
                self.shared.counters.held.add(1);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = counting => Ok(()),
            open = self.orders.wait_for(|orders| !orders.mode.holds(direction)) => {
                open.map(drop).map_err(|_| Ending::Closed)
            }
        }
    }

    async fn take(&mut self, bytes: &[u8], under_way: &mpsc::Sender<Due>) -> Result<(), Ending> {
        if self.direction == Direction::Requests {
            return self.forward(Bytes::copy_from_slice(bytes), under_way).await;
        }
        match self.mode() {
            Mode::SwallowAnswers { .. } => {
                self.shared.counters.swallowed.add(1);
                self.first_swallowed.get_or_insert_with(Instant::now);
                return Ok(());
            }
            // Frames are cut out at all times: the fault may begin in the middle of one.
            mode => {
                self.frames.push(bytes);
                while let Some(frame) = self.frames.next() {
                    if frame.can_be_missed && is_hit(mode) {
                        self.shared.counters.frames_dropped.add(1);
                    } else {
                        self.forward(frame.bytes, under_way).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn forward(&mut self, bytes: Bytes, under_way: &mpsc::Sender<Due>) -> Result<(), Ending> {
        let mut due = Instant::now();
        if let Mode::Latency { delay, jitter } = self.mode() {
            self.shared.counters.delayed.add(1);
            due += within(delay, jitter);
        }
        // Never before what went ahead.
        self.last_due = self.last_due.max(due);
        under_way.send((self.last_due, bytes)).await.map_err(|_| Ending::Broken)
    }

    fn mode(&self) -> Mode {
        self.shared.orders.borrow().mode
    }

    /// When swallowing is to end in a reset. A connection that lost answers is reset even when the
    /// fault itself is over: its client would wait for ever, or take a later answer for them.
    fn deadline(&self) -> Option<Instant> {
        let since = self.first_swallowed?;
        match self.mode() {
            Mode::SwallowAnswers { reset_after } => Some(since + reset_after),
            _ => Some(since),
        }
    }
}

async fn write(
    direction: Direction,
    mut orders: watch::Receiver<Orders>,
    mut arriving: mpsc::Receiver<Due>,
    mut writer: WriteHalf<'_>,
) -> Result<(), Ending> {
    while let Some((due, bytes)) = arriving.recv().await {
        sleep_until(due).await;
        let open = orders.wait_for(|orders| !orders.mode.holds(direction)).await;
        open.map(drop).map_err(|_| Ending::Closed)?;
        writer.write_all(&bytes).await.map_err(|_| Ending::Broken)?;
    }
    // The other side may have been the first to go.
    let _ = writer.shutdown().await;
    Ok(())
}

async fn swallowed_enough(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => sleep(Duration::MAX).await,
    }
}

fn is_hit(mode: Mode) -> bool {
    let Mode::DropFrames { per_mille } = mode else { return false };
    rand::rng().random_ratio(u32::from(per_mille.min(1_000)), 1_000)
}

/// `delay`, more or less `jitter`.
fn within(delay: Duration, jitter: Duration) -> Duration {
    let spread = jitter.min(delay);
    (delay - spread) + (spread * 2).mul_f64(rand::rng().random::<f64>())
}
