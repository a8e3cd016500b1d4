//! Passing requests on, unchanged, to another DynamoDB endpoint, and its answers back.
//!
//! Method, path, headers (the signature and the `Host` it covers included) and body stay as the client sent them;
//! only what belongs to a connection is left out. Connections are kept and reused. Plain HTTP only: TLS would double
//! what this binary links, for a use that a local proxy covers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_protocol::{Request, Response};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Error, wire};

/// Waiting longer than the SDKs do (60 s by default) would help nobody.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// A machine that is there accepts a connection at once.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Unused connections kept. More would only be more than the upstream keeps.
const IDLE_MAX: usize = 64;
/// DynamoDB's answers end at 16 MB (BatchGetItem); twice that leaves room for their JSON.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Headers about a connection, which end where the connection ends (RFC 9110, 7.6.1).
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

type Sender = SendRequest<Full<Bytes>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

pub struct Upstream {
    /// As the user wrote it, for messages.
    url: String,
    host: String,
    port: u16,
    idle: Mutex<Vec<Sender>>,
}

impl Upstream {
    pub fn parse(url: &str) -> Result<Upstream, Error> {
        let refuse = |reason| Error::Endpoint { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| refuse("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(refuse(
                    "https is not spoken here, so put a proxy that speaks TLS between (for instance stunnel or nginx)",
                ));
            }
            _ => return Err(refuse("it does not begin with http://")),
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err(refuse("it has a path, but DynamoDB is served at /"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse("it has no host"))?;
        Ok(Upstream {
            url: url.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// The upstream's answer, or a 503 that says what is wrong with it.
    pub async fn forward(&self, request: Request) -> Response {
        let reason = match timeout(ANSWER_MAX, self.exchange(self.outgoing(request))).await {
            Ok(Ok(response)) => return response,
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => format!("no answer within {} s", ANSWER_MAX.as_secs()),
        };
        wire::refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "com.amazon.coral.availability#ServiceUnavailableException",
            &format!("The DynamoDB endpoint {} does not answer: {reason}. Is it running?", self.url),
        )
    }

    fn outgoing(&self, request: Request) -> http::Request<Full<Bytes>> {
        let (mut parts, body) = request.into_parts();
        parts.uri = parts.uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
        parts.version = http::Version::HTTP_11;
        parts.extensions.clear();
        drop_hop_by_hop(&mut parts.headers);
        if !parts.headers.contains_key(HOST) {
            let host = self.url.trim_start_matches("http://").trim_end_matches('/');
            parts.headers.insert(HOST, host.parse().expect("the host of a parsed URL is a valid header"));
        }
        http::Request::from_parts(parts, Full::new(body))
    }

    /// Sends over a kept connection if one is left, else over a new one. A kept connection that the upstream has
    /// closed meanwhile gives the request back unsent, so it is sent again; nothing is ever sent twice.
    async fn exchange(&self, mut request: http::Request<Full<Bytes>>) -> Result<Response, Failure> {
        loop {
            let (mut sender, kept) = match self.kept().await {
                Some(sender) => (sender, true),
                None => (self.connect().await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let response = collect(response).await?;
                    self.keep(sender);
                    return Ok(response);
                }
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) if kept => request = unsent,
                    _ => return Err(refused.into_error().into()),
                },
            }
        }
    }

    async fn kept(&self) -> Option<Sender> {
        loop {
            let mut sender = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !sender.is_closed() {
            idle.push(sender);
        }
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let stream = timeout(CONNECT_MAX, TcpStream::connect((self.host.as_str(), self.port)))
            .await
            .map_err(|_| format!("no connection within {} s", CONNECT_MAX.as_secs()))??;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors reach the request that is under way.
        tokio::spawn(connection);
        Ok(sender)
    }
}

async fn collect(response: http::Response<hyper::body::Incoming>) -> Result<Response, Failure> {
    let (mut parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
    drop_hop_by_hop(&mut parts.headers);
    Ok(http::Response::from_parts(parts, body))
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}
