//! HTTP on one worker thread. An upgraded socket leaves HTTP and its buffers behind.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::{ConnectionType, HttpMessage as _, HttpService, Request, h1};
use actix_rt::net::TcpStream;
use actix_service::IntoServiceFactory as _;
use actix_service::{
    Service as _, ServiceFactory as _, ServiceFactoryExt as _, apply_fn_factory, fn_service,
    map_config,
};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::{App, Error};
use actors::connection::{self, ConnectionContext, Link};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::admission::{Admission, Turned};
use super::arrival::Arrival;
use super::handshake::{self, Refused};
use super::listener::Routes;
use super::stream::ClientStream;
use super::transport::{FrameReader, Transport};
use super::watchdog::Watchdog;
use crate::api::Readiness;
use crate::api::address::{address_behind, limited_as};
use crate::config::AddressRange;

/// A request's head must come within this time; an idle kept-alive connection ends after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A refusal is written within this time, or not at all.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// What upgrades need.
pub struct GatewayContext {
    pub connections: Arc<ConnectionContext>,
    pub admission: Arc<Admission>,
    pub allowed_origins: Vec<String>,
    pub trusted_proxies: Vec<AddressRange>,
}

/// What a listener serves. Cheap to clone, one clone a worker.
#[derive(Clone)]
pub struct Service {
    pub routes: Routes,
    pub readiness: Arc<Readiness>,
    /// `None` on a listener without sockets.
    pub gateway: Option<Arc<GatewayContext>>,
    /// `None` where everyone begins with HTTP.
    pub arrival: Option<Arc<Arrival>>,
}

/// Serves sockets as they come over `sockets`, on this thread, until the channel closes.
pub async fn serve(mut sockets: mpsc::Receiver<std::net::TcpStream>, service: Service) {
    let watchdog = Watchdog::start();
    let Service { routes, readiness, gateway, arrival } = service;
    if gateway.is_some() {
        actix_rt::spawn(connection::flush_all());
    }
    let app = App::new().configure(move |config| routes(config)).into_factory();
    let counting = readiness.clone();
    let app = apply_fn_factory(app, move |request: Request, app| {
        let readiness = counting.clone();
        let counted = readiness.answering();
        let answer = app.call(request);
        async move {
            let mut answer: ServiceResponse<_> = answer.await?;
            if readiness.is_draining() {
                // The client's next request goes to another node.
                answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            drop(counted);
            Ok::<_, Error>(answer)
        }
    });
    let app = app.map_err(|error: Error| error.error_response());
    let upgrade = move |(request, framed): (Request, Framed<ClientStream, h1::Codec>)| {
        let (gateway, watchdog, readiness) = (gateway.clone(), watchdog.clone(), readiness.clone());
        async move {
            // In a task of its own: the HTTP dispatcher's memory is free once this returns.
            actix_rt::spawn(upgrade(request, framed, gateway, watchdog, readiness));
            Ok::<(), Error>(())
        }
    };
    let service = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(Duration::from_secs(1))
        .upgrade(fn_service(upgrade))
        .h1(map_config(app, |()| AppConfig::default()));
    let Ok(service) = service.new_service(()).await else {
        tracing::error!("the HTTP service could not be built");
        return;
    };
    let service = Rc::new(service);
    while let Some(socket) = sockets.recv().await {
        let Ok(socket) = TcpStream::from_std(socket) else { continue };
        let _ = socket.set_nodelay(true);
        let (service, arrival) = (service.clone(), arrival.clone());
        actix_rt::spawn(async move {
            let peer = socket.peer_addr().ok();
            let begun = match &arrival {
                None => Some((ClientStream::Plain(socket), peer)),
                Some(arrival) => arrival.begin(socket, peer).await,
            };
            let Some(begun) = begun else { return };
            if let Err(error) = service.call(begun).await {
                tracing::debug!(%error, "an HTTP connection ended");
            }
        });
    }
}

async fn upgrade(
    request: Request,
    framed: Framed<ClientStream, h1::Codec>,
    gateway: Option<Arc<GatewayContext>>,
    watchdog: Rc<Watchdog>,
    readiness: Arc<Readiness>,
) {
    let parts = framed.into_parts();
    let Some(gateway) = gateway else {
        return refuse(parts.io, Refused::WrongPath).await;
    };
    let checked = handshake::check(request.head(), &gateway.allowed_origins);
    let admitted = checked.and_then(|encoding| {
        if readiness.is_draining() {
            return Err(Refused::Draining);
        }
        let trusted = &gateway.trusted_proxies;
        let address = limited_as(address_behind(request.peer_addr(), request.headers(), trusted));
        let permit = gateway.admission.admit(address).map_err(|turned| match turned {
            Turned::NodeFull => Refused::NodeFull,
            Turned::AddressFull | Turned::TooManySilent => Refused::AddressFull,
        })?;
        Ok((encoding, permit))
    });
    let (encoding, permit) = match admitted {
        Ok(admitted) => admitted,
        Err(refused) => return refuse(parts.io, refused).await,
    };
    let (socket, link) = (Rc::new(parts.io), Rc::new(Link::default()));
    link.send_raw(handshake::accept(request.head(), encoding));
    drop(request);
    watchdog.watch(&link);
    let reader = FrameReader::new(socket.clone(), link.clone(), watchdog.clone(), &parts.read_buf);
    let actor = connection::open(gateway.connections.clone(), encoding, link.clone(), reader);
    // One more task, so that what this one needed for the upgrade is not held for life.
    actix_rt::spawn(Transport::new(socket, link, watchdog, Box::pin(actor), permit));
}

async fn refuse(mut socket: ClientStream, refused: Refused) {
    let write = async {
        socket.write_all(&refused.response()).await?;
        socket.shutdown().await
    };
    let _ = actix_rt::time::timeout(REFUSAL_TIMEOUT, write).await;
}
