//! One connection: opened, upgraded to a lane, read line by line. Knows no task.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::Error;

/// Ithaca sends an empty line every 15 s: who says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A host that does not answer in time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest line that is heard: an input of 256 KiB with every byte escaped.
const LINE_BYTES_MAX: u64 = 2 << 20;

/// The longest head of an answer.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// `HOST:PORT` of an endpoint.
pub fn authority(endpoint: &str) -> Result<String, Error> {
    let rest = endpoint.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    match rest.filter(|rest| !rest.is_empty() && !rest.contains(['/', '@', ' '])) {
        Some(rest) if rest.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) => Ok(rest.to_owned()),
        Some(rest) if !rest.contains(':') => Ok(format!("{rest}:80")),
        _ => Err(Error::Endpoint(endpoint.to_owned())),
    }
}

pub struct Link {
    reader: BufReader<TcpStream>,
}

impl Link {
    /// Opens a lane. Gives the stream to write to as well.
    pub fn open(authority: &str) -> Result<(Link, TcpStream), Error> {
        let endpoint = || format!("http://{authority}");
        let broken = |cause| Error::Connect { endpoint: endpoint(), cause };
        let mut writer = connect(authority).map_err(broken)?;
        let reader = writer.try_clone().map_err(broken)?;
        let request = format!(
            "GET /ithaca/worker HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: ithaca-worker/1\r\n\r\n"
        );
        writer.write_all(request.as_bytes()).map_err(broken)?;
        let mut link = Link { reader: BufReader::with_capacity(64 * 1024, reader) };
        let status = link.head().map_err(broken)?;
        match status.split(' ').nth(1) {
            Some("101") => Ok((link, writer)),
            _ => Err(Error::NoLane { endpoint: endpoint(), answer: status }),
        }
    }

    /// Reads the head of the answer; its first line.
    fn head(&mut self) -> io::Result<String> {
        let mut lines = (&mut self.reader).take(HEAD_BYTES_MAX);
        let (mut first, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim_end();
            match (first.is_empty(), text.is_empty()) {
                (_, true) => return Ok(first),
                (true, false) => text.clone_into(&mut first),
                (false, false) => {}
            }
        }
    }

    /// The next line. False at the end.
    pub fn line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        (&mut self.reader).take(LINE_BYTES_MAX).read_until(b'\n', line)?;
        Ok(line.ends_with(b"\n"))
    }

    /// Is another line there already, so that reading it does not wait?
    pub fn has_line(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }
}

fn connect(authority: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SILENCE_MAX))?;
                stream.set_write_timeout(Some(SILENCE_MAX))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let check = |endpoint: &str, expect: Option<&str>| {
            assert_eq!(authority(endpoint).ok().as_deref(), expect, "{endpoint}");
        };
        check("http://127.0.0.1:4566", Some("127.0.0.1:4566"));
        check("http://localhost:4566/", Some("localhost:4566"));
        check("http://[::1]:4566", Some("[::1]:4566"));
        check("http://ithaca", Some("ithaca:80"));
        check("https://ithaca", None);
        check("http://", None);
        check("http://a:b", None);
        check("http://a:1/path", None);
        check("127.0.0.1:4566", None);
    }
}
