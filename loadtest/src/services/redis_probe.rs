//! One command to a Redis, for whoever starts and breaks it.

use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_WAIT: Duration = Duration::from_secs(5);
const BULK_BYTES_MAX: usize = 1 << 20;

/// Sends one command on a connection of its own and returns a simple, integer or bulk answer as
/// text.
///
/// # Errors
/// When nobody answers in 5 s, or with an error, or with a list.
pub async fn redis_command(address: &str, words: &[&str]) -> anyhow::Result<String> {
    timeout(ANSWER_WAIT, exchange(address, words))
        .await
        .context("no answer in 5 s")
        .and_then(|answer| answer)
        .with_context(|| format!("{words:?} to {address}"))
}

async fn exchange(address: &str, words: &[&str]) -> anyhow::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+" | ":", text)) => Ok(text.to_owned()),
        Some(("-", text)) => anyhow::bail!("{text}"),
        Some(("$", length)) => {
            let length: usize = length.parse().context("a missing value")?;
            anyhow::ensure!(length <= BULK_BYTES_MAX, "an answer of {length} bytes");
            let mut text = vec![0; length];
            stream.read_exact(&mut text).await?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        _ => anyhow::bail!("the answer was {line:?}"),
    }
}
