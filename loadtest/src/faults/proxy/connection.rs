//! One connection through the proxy, from accept to its end.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use super::mode::Direction;
use super::pump::{Ending, Pump};
use super::{Orders, Shared, dial};

/// Serves one client until either side is done or the proxy resets it.
pub(super) async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let mut orders = shared.orders.subscribe();
    let resets_before = orders.borrow().resets;
    let _ = client.set_nodelay(true);
    let Some(mut service) = connect(&mut orders, resets_before, &shared).await else {
        reset([Some(&client), None], &shared);
        return;
    };
    let ending = {
        let (client_reader, client_writer) = client.split();
        let (service_reader, service_writer) = service.split();
        let enough = Notify::new();
        let pump = |direction| Pump::new(direction, &shared, &enough);
        let requests = pump(Direction::Requests).run(client_reader, service_writer);
        let answers = pump(Direction::Answers).run(service_reader, client_writer);
        let both = async {
            // An end of one direction leaves the other one open; an error ends both.
            match tokio::try_join!(requests, answers) {
                Ok(_) => Ending::Closed,
                Err(ending) => ending,
            }
        };
        tokio::select! {
            ending = both => ending,
            () = reset_ordered(&mut orders, resets_before) => Ending::Reset,
            () = enough.notified() => Ending::Reset,
        }
    };
    match ending {
        Ending::Closed => {}
        // As the one side went away, so the other one sees it.
        Ending::Broken => {
            let _ = client.set_zero_linger();
            let _ = service.set_zero_linger();
        }
        Ending::Reset => reset([Some(&client), Some(&service)], &shared),
    }
}

/// Connects with the service; `None` when it cannot be reached or the proxy resets.
async fn connect(
    orders: &mut watch::Receiver<Orders>,
    resets_before: u64,
    shared: &Shared,
) -> Option<TcpStream> {
    let dialling = async {
        // A cut network has no way to the service either.
        let mut orders = shared.orders.subscribe();
        let is_open = |orders: &Orders| !orders.mode.holds(Direction::Requests);
        if !is_open(&orders.borrow_and_update()) {
            shared.counters.held.add(1);
            orders.wait_for(is_open).await.ok()?;
        }
        dial(shared.upstream).await.ok()
    };
    tokio::select! {
        stream = dialling => stream,
        () = reset_ordered(orders, resets_before) => None,
    }
}

/// Waits until the connection is to be reset.
async fn reset_ordered(orders: &mut watch::Receiver<Orders>, resets_before: u64) {
    let is_ordered = |orders: &Orders| orders.mode.resets() || orders.resets > resets_before;
    if orders.wait_for(is_ordered).await.is_err() {
        // The proxy is gone, and with it this task.
        std::future::pending::<()>().await;
    }
}

fn reset(streams: [Option<&TcpStream>; 2], shared: &Shared) {
    shared.counters.resets.add(1);
    for stream in streams.into_iter().flatten() {
        // A failure to set the option only makes the end polite.
        let _ = stream.set_zero_linger();
    }
}
