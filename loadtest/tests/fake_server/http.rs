//! The REST routes, one request a connection.

use schema::rest::CreateConversationRequest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Shared;

pub async fn serve(mut stream: TcpStream, state: &Shared) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head_end + length {
        stream.read_buf(&mut bytes).await?;
    }
    let (status, answer) = route(&head, &bytes[head_end..], state);
    let answer = answer.to_string();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{answer}",
        answer.len()
    );
    stream.write_all(answer.as_bytes()).await
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn route(head: &str, body: &[u8], state: &Shared) -> (u16, Value) {
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let token = header(head, "authorization").unwrap_or_default().trim_start_matches("Bearer ");
    let mut state = state.lock().unwrap();
    match (method, path) {
        ("POST", "/v1/provision") if token == admin_token() => {
            let wanted: Value = serde_json::from_slice(body).unwrap();
            let users: Vec<Value> =
                (0..wanted["count"].as_u64().unwrap()).map(|_| state.new_user()).collect();
            (201, json!({ "users": users }))
        }
        ("POST", "/v1/conversations") => {
            let request: CreateConversationRequest = serde_json::from_slice(body).unwrap();
            (201, serde_json::to_value(state.new_conversation(token, &request)).unwrap())
        }
        ("GET", path) if path.contains("/messages") => {
            (200, serde_json::to_value(state.page(path)).unwrap())
        }
        ("GET", "/readyz") => (200, json!("ok")),
        _ => (404, json!({"code": "not_found"})),
    }
}

/// As the real one is told it.
fn admin_token() -> String {
    std::env::var("SWITCHBOARD_AUTH__ADMIN_TOKEN").unwrap_or_else(|_| "admin".to_owned())
}
