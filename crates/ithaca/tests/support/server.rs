//! A server of HTTP that a test answers for: services elsewhere, as a task finds them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Status, content type and body.
pub type Reply = (u16, &'static str, String);

/// Serves until the test program ends; returns `HOST:PORT`.
pub fn serve(answer: impl Fn(&Asked) -> Reply + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            thread::spawn(move || exchange(&mut stream.unwrap(), answer));
        }
    });
    address
}

/// The same by https, with a certificate for `localhost` of the authority in `fixtures/tls`.
pub fn serve_tls(answer: impl Fn(&Asked) -> Reply + Clone + Send + 'static) -> String {
    let read = |name: &str| std::fs::read(format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let certificate = CertificateDer::from_pem_slice(&read("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&read("localhost.key")).unwrap();
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, config) = (answer.clone(), config.clone());
            thread::spawn(move || {
                let connection = ServerConnection::new(config).unwrap();
                exchange(&mut StreamOwned::new(connection, stream.unwrap()), answer);
            });
        }
    });
    address
}

fn exchange(stream: &mut (impl Read + Write), answer: impl Fn(&Asked) -> Reply) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let mut asked = Asked {
        method: first.next().unwrap_or_default(),
        path: first.next().unwrap_or_default(),
        headers: lines.filter_map(header).collect(),
        body: String::new(),
    };
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    asked.body = String::from_utf8(body).unwrap();
    let (status, content_type, body) = answer(&asked);
    let length = body.len();
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status} It\r\nContent-Type: {content_type}\r\nx-amzn-RequestId: REQUEST\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
}
