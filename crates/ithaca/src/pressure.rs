//! Memory under pressure: what requests and answers hold is counted, and those who hold it longest pay.
//!
//! ```text
//!   body comes in ──> Counted ── more than its share while all is taken ──> refused, as AWS throttles
//!   answer goes out ─> Held ─── counted until it is sent ─┐
//!   large answer asked ─> turn ── waits while all is taken │
//!   socket ──────────> Patient ── takes nothing for long,  <┘ or for a moment while all is taken ──> closed
//! ```
//!
//! A request of a few KiB is always taken in, so a flood of large ones does not keep an ordinary client out. The
//! bound on connections bounds those.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Sleep;

/// Of all requests that are not answered and all answers that are not sent. Seven of the largest requests, which upload
/// the code of a function, or thousands of executions of the largest input.
const HELD_BYTES_MAX: usize = 512 << 20;

/// What every request may hold, whatever the others hold.
const SHARE_BYTES: usize = 16 << 10;

/// Answers of several MiB that are made at the same time, for each processor: more would only wait for each other.
const LARGE_READS_PER_PROCESSOR: usize = 2;

/// How long such a read waits for its turn. An SDK asks again.
const TURN_MAX: Duration = Duration::from_secs(5);

/// A client that takes nothing of its answer for so long is gone.
const STALL_MAX: Duration = Duration::from_secs(30);

/// And for so long, while others are refused because of what it holds.
const STALL_UNDER_PRESSURE: Duration = Duration::from_secs(1);

static HELD: AtomicUsize = AtomicUsize::new(0);

static LARGE_READS: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new(LARGE_READS_PER_PROCESSOR * processors)
});

/// The turn of a read whose answer may be large: it holds until the answer is counted. None if it did not come in time.
pub async fn turn() -> Option<SemaphorePermit<'static>> {
    const PAUSE: Duration = Duration::from_millis(50);
    let turn = async {
        let turn = LARGE_READS.acquire().await.expect("the semaphore is never closed");
        while is_full() {
            tokio::time::sleep(PAUSE).await;
        }
        turn
    };
    tokio::time::timeout(TURN_MAX, turn).await.ok()
}

/// The whole body in one piece. Pieces are copied, because each holds the buffer that it was read into, however small
/// it is; a body that came at once, as almost all do, is not.
pub async fn collect<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<Bytes, B::Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers mean nothing to any door.
        let Ok(piece) = frame?.into_data() else { continue };
        if first.is_empty() && rest.is_empty() {
            first = piece;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&piece);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn is_full() -> bool {
    HELD.load(Ordering::Relaxed) >= HELD_BYTES_MAX
}

/// Bytes that count until this is dropped.
#[derive(Debug, Default)]
pub struct Share(usize);

/// There is no room for so much more.
#[derive(Debug)]
pub struct NoRoom;

impl std::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "requests and answers hold {HELD_BYTES_MAX} bytes already")
    }
}

impl std::error::Error for NoRoom {}

impl Share {
    fn of(bytes: usize) -> Share {
        HELD.fetch_add(bytes, Ordering::Relaxed);
        Share(bytes)
    }

    fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        if self.0 + bytes > SHARE_BYTES && is_full() {
            return Err(NoRoom);
        }
        HELD.fetch_add(bytes, Ordering::Relaxed);
        self.0 += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// A body that is counted as it comes in.
pub struct Counted<'s, B> {
    pub body: B,
    pub share: &'s mut Share,
}

impl<B> Body for Counted<'_, B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { return Poll::Ready(None) };
        let counted = frame.map_err(Into::into).and_then(|frame| {
            self.share.grow(frame.data_ref().map_or(0, Buf::remaining))?;
            Ok(frame)
        });
        Poll::Ready(Some(counted))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose bytes count until it is sent.
pub struct Held<B> {
    body: B,
    _share: Share,
}

impl<B> Held<B> {
    pub fn new(body: B, bytes: usize) -> Held<B> {
        Held { body, _share: Share::of(bytes) }
    }
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that gives up a peer that takes nothing.
pub struct Patient<S> {
    socket: S,
    /// Since a write had to wait.
    stalled: Option<Stall>,
}

struct Stall {
    pause: Pin<Box<Sleep>>,
    lasted: Duration,
}

impl<S> Patient<S> {
    pub fn new(socket: S) -> Patient<S> {
        Patient { socket, stalled: None }
    }

    /// A write went through, or has to wait once more.
    fn judge<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let new = || Stall { pause: Box::pin(tokio::time::sleep(STALL_UNDER_PRESSURE)), lasted: Duration::ZERO };
        let stall = self.stalled.get_or_insert_with(new);
        while stall.pause.as_mut().poll(cx).is_ready() {
            stall.lasted += STALL_UNDER_PRESSURE;
            if stall.lasted >= STALL_MAX || is_full() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stall.pause = Box::pin(tokio::time::sleep(STALL_UNDER_PRESSURE));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_body_in_pieces_is_one_piece() {
        let check = async |pieces: &[&'static str]| {
            let frames = pieces.iter().map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(*piece))));
            assert_eq!(collect(Pieces(frames.collect())).await.unwrap(), pieces.concat());
        };
        check(&[]).await;
        check(&["whole"]).await;
        check(&["a", "", "bc", "d"]).await;
        check(&["", "a"]).await;
    }

    struct Pieces(VecDeque<Result<Frame<Bytes>, std::convert::Infallible>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    /// One test, because what is held is counted for the whole process.
    #[tokio::test]
    async fn under_pressure_small_requests_have_room_and_stalled_answers_go() {
        let all = Share::of(HELD_BYTES_MAX);
        let mut share = Share::default();
        share.grow(SHARE_BYTES).unwrap();
        share.grow(1).unwrap_err();
        let (near, far) = tokio::io::duplex(10);
        let error = Patient::new(near).write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop((all, far));
        share.grow(1 << 20).unwrap();

        // Without pressure it is waited for.
        let (near, mut far) = tokio::io::duplex(10);
        let writing = tokio::spawn(async move { Patient::new(near).write_all(&[7; 100]).await });
        tokio::time::sleep(2 * STALL_UNDER_PRESSURE).await;
        let mut taken = [0; 100];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut taken).await.unwrap();
        writing.await.unwrap().unwrap();
    }
}
