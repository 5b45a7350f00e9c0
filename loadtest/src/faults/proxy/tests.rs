//! Each mode does what it says, seen from both ends.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::{Direction, Framing, Mode, Proxy, Struck};

const LOOPBACK: &str = "127.0.0.1:0";
/// Longer than anything on loopback takes, shorter than anybody would wait.
const BRIEFLY: Duration = Duration::from_millis(150);
const WAIT: Duration = Duration::from_secs(5);

/// A service that answers each byte with itself, and tells what it received.
struct Echo {
    address: std::net::SocketAddr,
    received: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let seen = seen.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 1_024];
                    while let Ok(count) = stream.read(&mut buffer).await {
                        if count == 0 || stream.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                        let _ = seen.send(buffer[..count].to_vec());
                    }
                });
            }
        });
        Self { address, received }
    }

    async fn next(&mut self) -> Option<Vec<u8>> {
        timeout(WAIT, self.received.recv()).await.ok()?
    }

    async fn hears_nothing(&mut self) -> bool {
        timeout(BRIEFLY, self.received.recv()).await.is_err()
    }
}

async fn proxied() -> (Echo, Proxy, TcpStream) {
    let echo = Echo::start().await;
    let proxy =
        Proxy::start(LOOPBACK.parse().unwrap(), echo.address, Framing::Opaque).await.unwrap();
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    (echo, proxy, client)
}

async fn say(client: &mut TcpStream, text: &[u8]) {
    client.write_all(text).await.unwrap();
}

/// What comes back, or how the connection ended.
async fn hear(client: &mut TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut buffer = [0; 1_024];
    match timeout(WAIT, client.read(&mut buffer)).await {
        Ok(Ok(count)) => Ok(buffer[..count].to_vec()),
        Ok(Err(error)) => Err(error.kind()),
        Err(_) => Err(ErrorKind::TimedOut),
    }
}

async fn hears_nothing(client: &mut TcpStream) -> bool {
    timeout(BRIEFLY, hear(client)).await.is_err()
}

async fn talk(client: &mut TcpStream) {
    say(client, b"ping").await;
    assert_eq!(hear(client).await.unwrap(), b"ping");
}

#[tokio::test]
async fn passing_changes_nothing_and_ends_are_passed_on() {
    let (_echo, proxy, mut client) = proxied().await;
    talk(&mut client).await;
    say(&mut client, b"last words").await;
    client.shutdown().await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), b"last words");
    assert_eq!(hear(&mut client).await.unwrap(), b"");
    assert_eq!(proxy.struck(), Struck { connections: 1, ..Struck::default() });
}

#[tokio::test]
async fn latency_is_added_both_ways_and_keeps_the_order() {
    let (_echo, proxy, mut client) = proxied().await;
    talk(&mut client).await;
    let (delay, jitter) = (Duration::from_millis(60), Duration::from_millis(20));
    proxy.set_mode(Mode::Latency { delay, jitter });
    let begun = Instant::now();
    talk(&mut client).await;
    assert!((80..700).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    // Ten at once take as long as one.
    let begun = Instant::now();
    for number in 0..10_u8 {
        say(&mut client, &[number]).await;
        sleep(Duration::from_millis(1)).await;
    }
    let mut answers = Vec::new();
    while answers.len() < 10 {
        answers.extend(hear(&mut client).await.unwrap());
    }
    assert_eq!(answers, (0..10).collect::<Vec<u8>>());
    assert!(begun.elapsed() < Duration::from_millis(1000), "{:?}", begun.elapsed());
    assert!(proxy.struck().delayed >= 4);
}

#[tokio::test]
async fn a_blackhole_holds_everything_back_and_lets_it_go() {
    let (mut echo, proxy, mut client) = proxied().await;
    talk(&mut client).await;
    echo.next().await.unwrap();
    proxy.set_mode(Mode::Blackhole);
    say(&mut client, b"anyone?").await;
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    say(&mut new, b"hello?").await;
    assert!(hears_nothing(&mut client).await && hears_nothing(&mut new).await);
    assert!(echo.hears_nothing().await);
    assert!(proxy.struck().held >= 2);
    proxy.set_mode(Mode::Pass);
    assert_eq!(hear(&mut client).await.unwrap(), b"anyone?");
    assert_eq!(hear(&mut new).await.unwrap(), b"hello?");
}

#[tokio::test]
async fn one_direction_alone_is_cut() {
    let (mut echo, proxy, mut client) = proxied().await;
    proxy.set_mode(Mode::Cut(Direction::Answers));
    say(&mut client, b"one").await;
    assert_eq!(echo.next().await.unwrap(), b"one");
    assert!(hears_nothing(&mut client).await);
    proxy.set_mode(Mode::Pass);
    assert_eq!(hear(&mut client).await.unwrap(), b"one");

    proxy.set_mode(Mode::Cut(Direction::Requests));
    say(&mut client, b"two").await;
    assert!(echo.hears_nothing().await);
    proxy.set_mode(Mode::Pass);
    assert_eq!(hear(&mut client).await.unwrap(), b"two");
}

#[tokio::test]
async fn a_reset_is_seen_as_one_and_new_connections_are_welcome() {
    let (_echo, proxy, mut client) = proxied().await;
    talk(&mut client).await;
    proxy.reset_all();
    assert_eq!(hear(&mut client).await, Err(ErrorKind::ConnectionReset));
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    talk(&mut client).await;
    assert_eq!(proxy.struck().resets, 1);

    proxy.set_mode(Mode::Reset);
    assert_eq!(hear(&mut client).await, Err(ErrorKind::ConnectionReset));
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(hear(&mut client).await, Err(ErrorKind::ConnectionReset));
    proxy.set_mode(Mode::Pass);
    talk(&mut TcpStream::connect(proxy.address()).await.unwrap()).await;
}

#[tokio::test]
async fn a_refusing_proxy_does_not_listen_and_comes_back_on_the_same_port() {
    let (_echo, proxy, mut client) = proxied().await;
    talk(&mut client).await;
    proxy.set_mode(Mode::Refuse);
    assert_eq!(hear(&mut client).await, Err(ErrorKind::ConnectionReset));
    let refused = async {
        loop {
            match TcpStream::connect(proxy.address()).await {
                Err(error) => return error.kind(),
                Ok(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    assert_eq!(timeout(WAIT, refused).await.unwrap(), ErrorKind::ConnectionRefused);
    proxy.set_mode(Mode::Pass);
    let back = async {
        loop {
            if let Ok(client) = TcpStream::connect(proxy.address()).await {
                return client;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    talk(&mut timeout(WAIT, back).await.unwrap()).await;
}

#[tokio::test]
async fn swallowed_answers_leave_the_request_done_and_end_in_a_reset() {
    let (mut echo, proxy, mut client) = proxied().await;
    talk(&mut client).await;
    echo.next().await.unwrap();
    let reset_after = Duration::from_millis(100);
    proxy.set_mode(Mode::SwallowAnswers { reset_after });
    let begun = Instant::now();
    say(&mut client, b"pay").await;
    assert_eq!(echo.next().await.unwrap(), b"pay");
    assert_eq!(hear(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert!(begun.elapsed() >= reset_after);
    let struck = proxy.struck();
    assert_eq!((struck.swallowed, struck.resets), (1, 1));

    // The end of the fault does not bring a lost answer back: the connection still ends.
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set_mode(Mode::SwallowAnswers { reset_after: WAIT * 2 });
    say(&mut client, b"pay").await;
    assert_eq!(echo.next().await.unwrap(), b"pay");
    sleep(BRIEFLY).await;
    proxy.set_mode(Mode::Pass);
    assert_eq!(hear(&mut client).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn only_frames_that_can_be_missed_are_dropped() {
    let echo = Echo::start().await;
    let proxy =
        Proxy::start(LOOPBACK.parse().unwrap(), echo.address, Framing::Redis).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set_mode(Mode::DropFrames { per_mille: 1_000 });
    say(&mut client, b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n+PONG\r\n").await;
    assert_eq!(hear(&mut client).await.unwrap(), b"+PONG\r\n");
    assert_eq!(proxy.struck().frames_dropped, 1);
    proxy.set_mode(Mode::DropFrames { per_mille: 200 });
    for _ in 0..500 {
        say(&mut client, b"*2\r\n$7\r\nmessage\r\n$1\r\na\r\n").await;
    }
    say(&mut client, b"+END\r\n").await;
    let mut answers = Vec::new();
    while !answers.ends_with(b"+END\r\n") {
        answers.extend(hear(&mut client).await.unwrap());
    }
    let dropped = proxy.struck().frames_dropped - 1;
    assert!((50..170).contains(&dropped), "{dropped} of 500");
}

#[tokio::test]
async fn an_absent_service_looks_absent() {
    let absent = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let proxy = Proxy::start(LOOPBACK.parse().unwrap(), absent, Framing::Opaque).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(hear(&mut client).await, Err(ErrorKind::ConnectionReset));
}
