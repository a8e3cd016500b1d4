//! A worker's lane on the main port: an upgraded connection, read and written at the same time.
//!
//! ```text
//!  GET /ithaca/worker, Upgrade: ithaca-worker/1  ──>  101  ──>  lines both ways
//!
//!  read ──> whole lines ──> Lane::read          Lane::write ──> write
//!    ^           └─ a longer one ends it              └─ all that is ready
//!    └─ waits while too much is unacknowledged
//! ```
//!
//! Both halves are one loop, so that what an answer brings is written by the thread that has read it. What the lines mean
//! is for [`aws_states::lane`].

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_protocol::respond;
use aws_states::lane::{LINE_BYTES_MAX, Lane};
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::front::Front;

pub const PATH: &str = "/ithaca/worker";

/// The protocol and its version, as `Upgrade` names it.
const PROTOCOL: &str = "ithaca-worker/1";

/// Lanes at the same time: as many as may wait for one activity.
const LANES_MAX: usize = 1000;

/// What is read at once, unless a line is longer.
const READ_BYTES: usize = 64 * 1024;

/// An empty line is sent when nothing else was for so long.
const PULSE: Duration = Duration::from_secs(15);

/// A worker that was not heard for so long, or has not taken what it was sent, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

static LANES: Semaphore = Semaphore::const_new(LANES_MAX);

type Answer = http::Response<BoxBody<Bytes, Infallible>>;

/// How many there are.
pub fn open_lanes() -> usize {
    LANES_MAX - LANES.available_permits()
}

/// Answers the request that opens a lane, which goes on by itself.
pub fn open(front: &Arc<Front>, mut request: http::Request<Incoming>) -> Answer {
    if let Err((status, why)) = check(request.method(), request.headers()) {
        return refused(status, why);
    }
    let Ok(place) = LANES.try_acquire() else {
        return refused(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("There are {LANES_MAX} workers with a lane already.\n"),
        );
    };
    let (upgrade, front) = (hyper::upgrade::on(&mut request), front.clone());
    tokio::spawn(async move {
        let _place = place;
        // A connection that breaks, before or after, is the worker's affair.
        let _ = serve(upgrade, &front).await;
    });
    http::Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, PROTOCOL)
        .body(Empty::new().boxed())
        .expect("fixed headers make a valid answer")
}

fn check(method: &Method, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let says = |name: header::HeaderName, word: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
    };
    if method != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "A worker's lane is opened with GET.\n"));
    }
    if !says(header::CONNECTION, "upgrade") || !says(header::UPGRADE, PROTOCOL) {
        let why = "This is where workers open a lane: send Connection: Upgrade and Upgrade: ithaca-worker/1.\n";
        return Err((StatusCode::UPGRADE_REQUIRED, why));
    }
    Ok(())
}

fn refused(status: StatusCode, why: &str) -> Answer {
    let mut answer = respond(status, "text/plain; charset=utf-8", why.to_owned());
    if status == StatusCode::UPGRADE_REQUIRED {
        answer.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static(PROTOCOL));
    }
    answer.map(|body| Full::new(body).boxed())
}

async fn serve(upgrade: OnUpgrade, front: &Front) -> io::Result<()> {
    let upgraded = tokio::time::timeout(SILENCE_MAX, upgrade).await.map_err(|_| io::ErrorKind::TimedOut)?;
    let (from, to) = tokio::io::split(TokioIo::new(upgraded.map_err(io::Error::other)?));
    let lane = front.states.open_lane();
    let mut reading = std::pin::pin!(read(&lane, from));
    tokio::select! {
        done = &mut reading => done,
        done = write(&lane, to) => match done {
            // All is said. What still comes is read, or the reset of the connection would overtake our last words.
            Ok(()) => reading.await,
            broken => broken,
        },
    }
}

async fn read(lane: &Lane, mut from: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    // Up to here no line ends.
    let mut searched = 0;
    loop {
        if let Some(end) = bytes[searched..].iter().rposition(|byte| *byte == b'\n') {
            let end = searched + end + 1;
            lane.read(&bytes[..end]);
            bytes.advance(end);
        }
        searched = bytes.len();
        if searched > LINE_BYTES_MAX {
            lane.refuse_long_line();
            return discard(from).await;
        }
        // A worker that takes nothing of what it is told is closed as one that says nothing.
        if tokio::time::timeout(SILENCE_MAX, lane.has_room()).await.is_err() {
            return Ok(());
        }
        bytes.reserve(READ_BYTES);
        match tokio::time::timeout(SILENCE_MAX, from.read_buf(&mut bytes)).await {
            Ok(Ok(0)) | Err(_) => return Ok(()),
            Ok(read) => drop(read?),
        }
    }
}

/// Reads over what is left, for a while.
async fn discard(mut from: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut bytes = vec![0; READ_BYTES];
    let discarding = async {
        while from.read(&mut bytes).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(PULSE, discarding).await.unwrap_or(Ok(()))
}

async fn write(lane: &Lane, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut out = Vec::new();
    loop {
        out.clear();
        if tokio::time::timeout(PULSE, lane.write(&mut out)).await.is_err() {
            out.push(b'\n');
        }
        to.write_all(&out).await?;
        if lane.is_over() {
            return to.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let check = |connection: &'static str, upgrade: &'static str, expect: Option<u16>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONNECTION, header::HeaderValue::from_static(connection));
            headers.insert(header::UPGRADE, header::HeaderValue::from_static(upgrade));
            let refused = super::check(&Method::GET, &headers).err().map(|(status, _)| status.as_u16());
            assert_eq!(refused, expect, "{connection} {upgrade}");
        };
        check("Upgrade", "ithaca-worker/1", None);
        check("keep-alive, upgrade", "h2c, Ithaca-Worker/1", None);
        check("close", "ithaca-worker/1", Some(426));
        check("Upgrade", "ithaca-worker/2", Some(426));
        check("Upgrade", "websocket", Some(426));
    }
}
