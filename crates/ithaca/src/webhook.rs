//! A connection to a receiver of ours, such as a webhook or a collector: one POST after another, kept open between.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A receiver that takes longer to answer has not got it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What a receiver answers is not looked at, and not kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
    pub uri: Uri,
}

impl Address {
    /// An `http://` URL, as the option of this name has it.
    pub fn parse(option: &str, text: &str) -> Result<Address, String> {
        let uri: Uri = text.parse().map_err(|error| format!("{option} {text}: {error}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("{option} {text}: it is to be an http:// URL; a proxy can add TLS"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| format!("{option} {text}: no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Address { host, port: uri.port_u16().unwrap_or(80), uri })
    }
}

pub struct Webhook {
    address: Address,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Webhook {
    pub fn new(address: Address) -> Webhook {
        Webhook { address, connection: None }
    }

    /// Sends JSON once; the error is why it was not taken.
    pub async fn send(&mut self, body: Bytes) -> Result<(), String> {
        let why = match timeout(ANSWER_WITHIN, self.post(body)).await {
            Ok(Ok(status)) if status.is_success() => return Ok(()),
            Ok(Ok(status)) => format!("the answer was {status}"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {ANSWER_WITHIN:?}"),
        };
        self.connection = None;
        Err(why)
    }

    async fn post(&mut self, body: Bytes) -> Result<StatusCode, Failure> {
        let Address { host, port, uri } = &self.address;
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => connect(host, *port).await?,
        };
        connection.ready().await?;
        let request = http::Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, uri.authority().map_or(host.as_str(), |authority| authority.as_str()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?;
        self.connection = Some(connection);
        Ok(status)
    }
}

async fn connect(host: &str, port: u16) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = handshake(TokioIo::new(stream)).await?;
    // Its errors reach the request that is under way.
    tokio::spawn(driver);
    Ok(connection)
}
