//! Where a server is, and a connection to it.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{CONNECT_MAX, Failure, SILENCE_MAX};

/// Scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    host: String,
    port: u16,
    /// As the `Host` header has it.
    authority: String,
    tls: bool,
}

impl Origin {
    /// The origin of a URL, and the path and query that follow it. The error says why the URL cannot be used.
    pub fn parse(url: &str) -> Result<(Origin, String), &'static str> {
        let uri: Uri = url.parse().map_err(|_| "it is not a URL")?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") if cfg!(feature = "tls") => true,
            Some("https") => return Err("this program was built without the feature `tls`, which https needs"),
            _ => return Err("it does not begin with http:// or https://"),
        };
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default().to_owned();
        if authority.contains('@') {
            return Err("credentials do not belong into it");
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("it has no host")?;
        let origin = Origin {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority,
            tls,
        };
        Ok((origin, uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned())))
    }

    /// As the `Host` header has it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub async fn connect(&self) -> Result<Connection, Failure> {
        let stream = timeout(CONNECT_MAX, TcpStream::connect((self.host.as_str(), self.port)))
            .await
            .map_err(|_| format!("no connection within {} s", CONNECT_MAX.as_secs()))?
            .map_err(|error| error.to_string())?;
        // Without it small requests only wait longer.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        if self.tls {
            #[cfg(feature = "tls")]
            return start(tls::wrap(&self.host, stream).await?).await;
        }
        start(stream).await
    }
}

async fn start<S>(stream: S) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Its errors reach the request or the body that is under way.
    tokio::spawn(connection);
    Ok(Connection(sender))
}

/// Good for one request after the other.
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Sends a request and waits for the head of its answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        match timeout(SILENCE_MAX, self.0.send_request(request)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", SILENCE_MAX.as_secs())),
        }
    }
}

#[cfg(feature = "tls")]
mod tls {
    use std::sync::{Arc, OnceLock};

    use tokio::net::TcpStream;
    use tokio::time::timeout;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};

    use crate::{CONNECT_MAX, Failure};

    pub async fn wrap(host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        /// The machine has a hundred certificates and more, which are read once.
        static CONFIG: OnceLock<Result<Arc<ClientConfig>, Failure>> = OnceLock::new();
        let config = CONFIG.get_or_init(config).clone()?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        match timeout(CONNECT_MAX, tokio_rustls::TlsConnector::from(config).connect(name, stream)).await {
            Ok(stream) => stream.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no TLS handshake within {} s", CONNECT_MAX.as_secs())),
        }
    }

    fn config() -> Result<Arc<ClientConfig>, Failure> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            return Err("this machine has no certificates to check its own with; set SSL_CERT_FILE".to_owned());
        }
        // Certificates in forms that are not understood are passed over: one of them must not shut all others out.
        roots.add_parsable_certificates(found.certs);
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |url: &str, expect: Result<(&str, u16, &str, &str), &str>| {
            let found = Origin::parse(url);
            let found = found.as_ref().map(|(at, path)| (&*at.host, at.port, &*at.authority, &**path));
            assert_eq!(found.map_err(|why| *why), expect, "{url}");
        };
        check("http://localhost:9000", Ok(("localhost", 9000, "localhost:9000", "/")));
        check("http://host/a/b?c=d", Ok(("host", 80, "host", "/a/b?c=d")));
        check("http://[::1]:80/", Ok(("::1", 80, "[::1]:80", "/")));
        check("host:80", Err("it does not begin with http:// or https://"));
        check("http://user:secret@host", Err("credentials do not belong into it"));
        check("not a url", Err("it is not a URL"));
        if cfg!(not(feature = "tls")) {
            let why = "this program was built without the feature `tls`, which https needs";
            check("https://host", Err(why));
        }
    }
}
