//! Previews of links, made by the real program of pages that run here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{Server, get};

const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\
    connection: close\r\n\r\n<html><head><title>Plain title</title>\
    <meta property=\"og:title\" content=\"Bread &amp; butter\">\
    <meta property=\"og:description\" content=\"How both are made.\">\
    <meta property=\"og:image\" content=\"/bread.png\"></head><body>…</body></html>";

/// A server of pages: `/away?to=URL` sends on, everything else is the page. Counts its visits.
async fn pages(address: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let (at, visits) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = visits.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut request = vec![0; 4_096];
            let count = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let to = request.split_once("/away?to=").and_then(|(_, it)| it.split(' ').next());
            let answer = match to {
                Some(to) => format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\n\r\n"),
                None => PAGE.to_owned(),
            };
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (at, visits)
}

async fn preview(server: &Server, token: &str, url: &str) -> (u16, Value) {
    let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    get(server, &format!("/v1/link-preview?url={url}"), token).await
}

#[tokio::test]
async fn a_page_is_shown_where_the_operator_lets_it_and_nothing_beside_it_is_asked() {
    let (outside, visits) = pages("127.0.0.1").await;
    let (inside, inner_visits) = pages("127.0.0.2").await;
    let server = Server::with(&[
        ("SWITCHBOARD_LINK_PREVIEWS__ENABLED", "true"),
        ("SWITCHBOARD_LINK_PREVIEWS__ALLOWED_NETWORKS", "127.0.0.1,10.99.0.0/16"),
    ])
    .await;
    let person = server.people(1).await.remove(0);
    let token = person.access_token.as_str();
    let url = format!("http://{outside}/bread");
    let (status, shown) = preview(&server, token, &url).await;
    assert_eq!(status, 200, "{shown}");
    let image = format!("http://{outside}/bread.png");
    assert_eq!(
        (&shown["title"], &shown["description"], &shown["image_url"], &shown["url"]),
        (&json!("Bread & butter"), &json!("How both are made."), &json!(image), &json!(url))
    );
    assert_eq!(preview(&server, token, &url).await, (200, shown), "remembered");
    assert_eq!(visits.load(Ordering::Relaxed), 1);
    // The other host is nobody's business: neither named nor sent on to.
    let inner = format!("http://{inside}/secret");
    let away = format!("http://{outside}/away?to={inner}");
    for refused in [&inner, &away, &format!("http://localhost:{}/", outside.port())] {
        let (status, answer) = preview(&server, token, refused).await;
        assert!([404, 422].contains(&status), "{refused}: {answer}");
        assert!(!answer.to_string().contains("butter"), "{answer}");
    }
    assert_eq!((visits.load(Ordering::Relaxed), inner_visits.load(Ordering::Relaxed)), (2, 0));
}

#[tokio::test]
async fn no_page_of_this_machine_is_asked_unless_the_operator_says_so() {
    let (page, visits) = pages("127.0.0.1").await;
    for settings in [&[][..], &[("SWITCHBOARD_LINK_PREVIEWS__ENABLED", "true")]] {
        let server = Server::with(settings).await;
        let person = server.people(1).await.remove(0);
        let token = person.access_token.as_str();
        for url in [format!("http://{page}/"), "http://127.0.0.1/".to_owned()] {
            let (status, answer) = preview(&server, token, &url).await;
            assert!([404, 422].contains(&status), "{answer}");
        }
    }
    assert_eq!(visits.load(Ordering::Relaxed), 0);
}
