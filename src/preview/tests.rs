//! Pages of a server of one's own, and names that lead where they should not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::fetch::{Failure, Fetcher, Limits, LookUp};
use super::guard::Guard;
use super::{LinkPreviewConfig, LinkPreviews, PreviewError};

/// Stands for the internet.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Stands for what nobody may reach.
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

type Answer = fn(TcpStream, u16) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server that answers everyone alike, and how many came.
async fn serve(address: IpAddr, port: u16, answer: Answer) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(SocketAddr::new(address, port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = visits.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            tokio::spawn(answer(stream, port));
        }
    });
    (port, visits)
}

macro_rules! answer {
    (|$stream:ident, $port:ident| $work:block) => {
        |mut $stream, $port| {
            Box::pin(async move {
                let _ = $port;
                $work
                let _ = $stream.shutdown().await;
            })
        }
    };
}

async fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes()).await;
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\
                    connection: close\r\n\r\n";

/// Names and the addresses they have, one look-up after the other; the last stays.
fn names(known: &[(&str, &[IpAddr])]) -> (LookUp, Arc<AtomicUsize>) {
    let known: BTreeMap<String, Vec<IpAddr>> =
        known.iter().map(|(name, addresses)| ((*name).to_owned(), addresses.to_vec())).collect();
    let (known, count) = (Mutex::new(known), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    let look_up: LookUp = Arc::new(move |name| {
        counted.fetch_add(1, Ordering::Relaxed);
        let mut known = known.lock().unwrap();
        let addresses = known
            .get_mut(&name)
            .map(|addresses| if addresses.len() > 1 { addresses.remove(0) } else { addresses[0] });
        let found = addresses.map(|it| vec![SocketAddr::new(it, 0)]);
        Box::pin(async move { found.ok_or_else(|| std::io::Error::other("no such name")) })
    });
    (look_up, count)
}

/// The internet is on any port here.
fn guard() -> Guard {
    let outside = OUTSIDE.to_string().parse().unwrap();
    let mut guard = Guard::with(vec![outside]);
    guard.any_port = true;
    guard
}

fn fetcher(look_up: LookUp) -> Fetcher {
    let limits = Limits { time_max: Duration::from_secs(2), bytes_max: 64 * 1024 };
    Fetcher::new(guard(), look_up, limits).unwrap()
}

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<String, Failure> {
    let url = fetcher.read_url(url).unwrap();
    fetcher.fetch(&url).await.map(|preview| preview.title)
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_asked_where_it_was_checked() {
    let page: Answer = answer!(|stream, port| {
        say(&mut stream, &format!("{HEAD}<title>outside</title>")).await;
    });
    let (port, _) = serve(OUTSIDE, 0, page).await;
    let (_, inner_visits) = serve(INSIDE, port, page).await;
    // The second look-up of a rebinding name leads inside.
    let (look_up, count) =
        names(&[("rebind.example", &[OUTSIDE, INSIDE]), ("inner.example", &[INSIDE])]);
    let fetcher = fetcher(look_up);
    let url = format!("http://rebind.example:{port}/");
    assert_eq!(fetch(&fetcher, &url).await.as_deref(), Ok("outside"));
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(fetch(&fetcher, &url).await, Err(Failure::Refused));
    let url = format!("http://inner.example:{port}/");
    assert_eq!(fetch(&fetcher, &url).await, Err(Failure::Refused));
    let url = format!("http://127.0.0.3:{port}/");
    assert_eq!(fetch(&fetcher, &url).await, Err(Failure::Refused));
    assert_eq!(inner_visits.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn redirects_are_checked_each_and_are_few() {
    let inside: Answer = answer!(|stream, port| {
        let location = format!("http://127.0.0.3:{port}/");
        say(&mut stream, &format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\n\r\n")).await;
    });
    let by_name: Answer = answer!(|stream, port| {
        let location = format!("http://inner.example:{port}/");
        say(&mut stream, &format!("HTTP/1.1 307 Found\r\nlocation: {location}\r\n\r\n")).await;
    });
    let round: Answer = answer!(|stream, port| {
        say(&mut stream, "HTTP/1.1 301 Found\r\nlocation: /again\r\n\r\n").await;
    });
    let file: Answer = answer!(|stream, port| {
        say(&mut stream, "HTTP/1.1 301 Found\r\nlocation: file:///etc/passwd\r\n\r\n").await;
    });
    let page: Answer = answer!(|stream, port| {
        say(&mut stream, &format!("{HEAD}<title>secret</title>")).await;
    });
    let (look_up, _) = names(&[("a.example", &[OUTSIDE]), ("inner.example", &[INSIDE])]);
    let fetcher = fetcher(look_up);
    for (answer, expected, visits) in [
        (inside, Failure::Refused, 1),
        (by_name, Failure::Refused, 1),
        (file, Failure::Refused, 1),
        (round, Failure::TooManyRedirects, 4),
    ] {
        let (port, came) = serve(OUTSIDE, 0, answer).await;
        let (_, inner_visits) = serve(INSIDE, port, page).await;
        let url = format!("http://a.example:{port}/");
        assert_eq!(fetch(&fetcher, &url).await, Err(expected));
        assert_eq!(came.load(Ordering::Relaxed), visits);
        assert_eq!(inner_visits.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn large_slow_and_other_answers_are_bounded() {
    let endless: Answer = answer!(|stream, port| {
        say(&mut stream, &format!("{HEAD}<title>large</title>")).await;
        let part = "x".repeat(64 * 1024);
        for _ in 0..1_000 {
            if stream.write_all(part.as_bytes()).await.is_err() {
                break;
            }
        }
    });
    let slow: Answer = answer!(|stream, port| {
        say(&mut stream, HEAD).await;
        for _ in 0..200 {
            say(&mut stream, " ").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let silent: Answer = answer!(|stream, port| {
        tokio::time::sleep(Duration::from_secs(10)).await;
        say(&mut stream, HEAD).await;
    });
    let picture: Answer = answer!(|stream, port| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\nconnection: close\r\n\r\n";
        say(&mut stream, &format!("{head}<title>no</title>")).await;
    });
    let packed: Answer = answer!(|stream, port| {
        let head = HEAD.replace("connection", "content-encoding: gzip\r\nconnection");
        say(&mut stream, &format!("{head}<title>no</title>")).await;
    });
    let deep: Answer = answer!(|stream, port| {
        let page = "<div>".repeat(10_000);
        say(&mut stream, &format!("{HEAD}{page}<title>deep</title>")).await;
    });
    let (look_up, _) = names(&[("a.example", &[OUTSIDE])]);
    let fetcher = fetcher(look_up);
    let begun = tokio::time::Instant::now();
    for (answer, expected) in [
        (endless, Ok("large".to_owned())),
        (slow, Err(Failure::Unanswered)),
        (silent, Err(Failure::Unanswered)),
        (picture, Err(Failure::NotAPage)),
        (packed, Err(Failure::NotAPage)),
        (deep, Ok("deep".to_owned())),
    ] {
        let (port, _) = serve(OUTSIDE, 0, answer).await;
        assert_eq!(fetch(&fetcher, &format!("http://a.example:{port}/")).await, expected);
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn previews_are_remembered_and_say_nothing_of_why_there_is_none() {
    let page: Answer = answer!(|stream, port| {
        say(&mut stream, &format!("{HEAD}<title>once</title>")).await;
    });
    let (port, visits) = serve(OUTSIDE, 0, page).await;
    let (look_up, _) = names(&[("a.example", &[OUTSIDE]), ("inner.example", &[INSIDE])]);
    let config = LinkPreviewConfig { enabled: true, ..LinkPreviewConfig::default() };
    let previews = LinkPreviews::with(fetcher(look_up), &config);
    let url = format!("http://a.example:{port}/page#part");
    for _ in 0..3 {
        assert_eq!(previews.preview(&url).await.unwrap().title, "once");
    }
    assert_eq!(visits.load(Ordering::Relaxed), 1);
    for url in ["http://inner.example/", "http://127.0.0.1/", "http://unknown.example/"] {
        assert_eq!(previews.preview(url).await, Err(PreviewError::Nothing), "{url}");
    }
    assert!(matches!(previews.preview("gopher://a").await, Err(PreviewError::BadUrl(_))));
    assert!(LinkPreviews::new(&LinkPreviewConfig::default()).unwrap().is_none(), "off by default");
}
