//! The little of the CQL protocol (version 4) that it takes to ask a node whether it is there.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const VERSION: u8 = 4;
const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;
const ANSWER_BYTES_MAX: u32 = 16 << 20;
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How many replicas must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Consistency {
    One = 1,
    Quorum = 4,
    All = 5,
}

/// A connection to one node, one statement at a time.
#[derive(Debug)]
pub struct CqlProbe {
    stream: TcpStream,
}

impl CqlProbe {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// When nobody answers there in 10 s, or not in CQL.
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        let connecting = timeout(ANSWER_WAIT, TcpStream::connect(address)).await;
        let stream = connecting.context("no connection in 10 s")??;
        let mut probe = Self { stream };
        let mut body = 1_u16.to_be_bytes().to_vec();
        for text in ["CQL_VERSION", "3.0.0"] {
            body.extend((text.len() as u16).to_be_bytes());
            body.extend(text.as_bytes());
        }
        match probe.exchange(STARTUP, &body).await? {
            (READY, _) => Ok(probe),
            (opcode, _) => bail!("a node answered STARTUP by {opcode:#x}"),
        }
    }

    /// Runs a statement and returns its result as it is on the wire, to be compared.
    ///
    /// # Errors
    /// What the node says is wrong with it.
    pub async fn run(
        &mut self,
        statement: &str,
        consistency: Consistency,
    ) -> anyhow::Result<Vec<u8>> {
        let mut body = (statement.len() as u32).to_be_bytes().to_vec();
        body.extend(statement.as_bytes());
        body.extend((consistency as u16).to_be_bytes());
        // No values, no paging.
        body.push(0);
        match self.exchange(QUERY, &body).await? {
            (RESULT, body) => Ok(body),
            (ERROR, body) => bail!("{}", error_text(&body)),
            (opcode, _) => bail!("a node answered QUERY by {opcode:#x}"),
        }
    }

    async fn exchange(&mut self, opcode: u8, body: &[u8]) -> anyhow::Result<(u8, Vec<u8>)> {
        // Version, flags, stream (two bytes), opcode.
        let mut frame = vec![VERSION, 0, 0, 0, opcode];
        frame.extend((body.len() as u32).to_be_bytes());
        frame.extend(body);
        let answer = async {
            self.stream.write_all(&frame).await?;
            let mut header = [0; 9];
            self.stream.read_exact(&mut header).await?;
            let [_, _, _, _, opcode, length @ ..] = header;
            let length = u32::from_be_bytes(length);
            anyhow::ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body).await?;
            Ok((opcode, body))
        };
        timeout(ANSWER_WAIT, answer).await.context("no answer in 10 s")?
    }
}

/// A code of four bytes, then a text with its length in two.
fn error_text(body: &[u8]) -> String {
    let text = body.get(6..).unwrap_or_default();
    String::from_utf8_lossy(text).chars().take(300).collect()
}
