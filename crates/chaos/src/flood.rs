//! Many connections at once, from few threads: keep-alive HTTP as far as a flood needs it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a request was answered with.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// The server ends the connection after this.
    pub is_last: bool,
}

impl Answer {
    /// Does the body name this error?
    pub fn names(&self, error: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(error)
    }
}

/// A connection that is used again.
pub struct Connection {
    address: String,
    stream: Option<TcpStream>,
}

impl Connection {
    pub fn new(address: &str) -> Connection {
        Connection { address: address.to_owned(), stream: None }
    }

    /// Sends a whole request and reads the whole answer. After an error the next call connects again.
    pub async fn call(&mut self, request: &[u8]) -> io::Result<Answer> {
        let exchange = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        let answer = exchange.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if answer.as_ref().map_or(true, |answer| answer.is_last) {
            self.stream = None;
        }
        answer
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        if self.stream.is_none() {
            self.stream = Some(TcpStream::connect(&self.address).await?);
        }
        let stream = self.stream.as_mut().expect("it was just made");
        stream.write_all(request).await?;
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = parse(&bytes)? {
                return Ok(answer);
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// None until it is whole.
fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let body = &bytes[end + 4..];
    let is_last = header("connection") == Some("close");
    Ok((body.len() >= length).then(|| Answer { status, body: body[..length].to_vec(), is_last }))
}

/// A request of an AWS JSON operation of Step Functions.
pub fn request(operation: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: AWSStepFunctions.{operation}\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}
