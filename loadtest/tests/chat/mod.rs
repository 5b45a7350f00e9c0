//! A small chat to replay.

use std::path::PathBuf;

/// A chat of 120 lines by seven people, some with replies, as a file.
pub fn chat_file(name: &str) -> PathBuf {
    let lines: Vec<String> = (0..120)
        .map(|n| {
            let (from, text) = (n * n % 7, format!("line {n} {}", "äöü🙂".repeat(n % 5)));
            let reply =
                if n % 9 == 8 { format!(",\"reply_to\":[{}]", n - 3) } else { String::new() };
            let kind = if n % 20 == 7 { "action" } else { "message" };
            format!(
                "{{\"n\":{n},\"kind\":\"{kind}\",\"from\":\"p{from}\",\"text\":\"{text}\"{reply}}}"
            )
        })
        .collect();
    let path = std::env::temp_dir().join(format!("{name}-{}.jsonl", std::process::id()));
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}
