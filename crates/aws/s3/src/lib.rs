//! The S3 door: S3's REST protocol over the folder of objects, by path (`/BUCKET/KEY`) and by host (`BUCKET.s3.localhost`).
//!
//! ```text
//!   socket ── ask: bucket, key, query ──┬─ a body for an object ── body: decoded, checked ── Unfinished ─┐
//!                                       └─ anything else ── whole, bounded ──────────────────────────────┤
//!                                                                    buckets, listing, objects, uploads ─┴─> objects::Folder
//! ```
//!
//! A body goes to the disk as it comes and from the disk as it is taken, so an object may be as large as S3 takes it.
//! What is said of a bucket (its policy, its encryption …) is kept and shown, and has no effect: whoever reaches the
//! port may do everything. There are no versions of objects.
//!
//! The crate knows no sockets and verifies no signatures; an address whose time is over is refused all the same. Where
//! objects are kept at another S3, it says so instead of forwarding: what is signed for this address is not for that one.

mod ask;
mod body;
mod buckets;
mod checksum;
mod error;
mod listing;
mod objects_of;
mod uploads;

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_client::time;
use aws_protocol::Home;
use aws_protocol::query::REQUEST_ID;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use objects::{Address, Folder, ObjectStore};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use ask::Ask;
pub use ask::is_for;
use body::Received;
use error::Error;

/// Bodies that are no object: the largest is a list of ten thousand parts.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(120);

/// Objects that come in at the same time, and those that go out, and documents that come in. Each object holds a thread
/// of the runtime's pool for its file as long as its client takes, and others need one for every operation on a disk.
const TURNS: usize = 128;
/// How long a request waits for its turn. An SDK asks again.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// What is read at once of an object on its way out.
const PIECE_BYTES: usize = 64 << 10;
const PIECES: usize = 4;

const XML: &str = "application/xml";

/// Where the objects are.
#[derive(Clone)]
pub enum Store {
    Folder(Arc<Folder>),
    /// At another S3.
    Elsewhere(String),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    store: Store,
    home: Home,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    documents: Arc<Semaphore>,
}

/// The body of an answer.
pub enum Body {
    Whole(Bytes),
    /// Pieces as they are read; fewer than the head says if the disk fails.
    Pieces(mpsc::Receiver<Bytes>),
}

pub type Response = http::Response<Body>;

/// What an operation answers: a status, headers, a body.
#[derive(Default)]
struct Answer {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    more_headers: Vec<(String, String)>,
    document: Option<(&'static str, String)>,
    /// The bytes of a file from where it stands.
    file: Option<(File, u64)>,
}

impl Answer {
    fn empty(status: StatusCode) -> Answer {
        Answer { status, ..Answer::default() }
    }

    fn xml(document: String) -> Answer {
        Answer { document: Some((XML, document)), ..Answer::default() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

/// Held as long as something comes in or goes out.
type Turn = OwnedSemaphorePermit;

/// What an operation is given of a body.
enum Given {
    Document(Bytes),
    Object(Received),
}

impl S3 {
    pub fn new(store: Store, home: Home) -> S3 {
        let turns = || Arc::new(Semaphore::new(TURNS));
        S3 { store, home, uploads: turns(), downloads: turns(), documents: turns() }
    }

    /// Is a request without any signature for an object here? Whoever may read at all may read everything.
    pub fn has_bucket_of(&self, path: &str) -> bool {
        let bucket = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        matches!(&self.store, Store::Folder(folder) if !bucket.is_empty() && folder.has_bucket(bucket))
    }

    /// Deletes a bucket without objects; one that is not there is deleted already. Blocks; the error is text for a person.
    pub fn delete_bucket(&self, name: &str) -> Result<(), String> {
        let folder = match &self.store {
            Store::Folder(folder) => folder,
            Store::Elsewhere(url) => return Err(format!("objects are kept at {url}: delete the bucket there")),
        };
        match folder.delete_bucket(name) {
            Err(error) if error.code() == Some("NoSuchBucket") => Ok(()),
            done => done.map_err(|error| error.to_string()),
        }
    }

    pub fn has_bucket(&self, name: &str) -> bool {
        matches!(&self.store, Store::Folder(folder) if folder.has_bucket(name))
    }

    /// The file of an object, where there is one. Blocks.
    pub fn file_of(&self, bucket: &str, key: &str) -> Option<std::path::PathBuf> {
        match &self.store {
            Store::Folder(folder) => folder.file_of(&Address::new(bucket, key)).ok(),
            Store::Elsewhere(_) => None,
        }
    }

    /// Answers one request. Never fails: every failure is an S3 error.
    pub async fn handle<B>(&self, request: http::Request<B>) -> Response
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let request_id = parts.headers.get(REQUEST_ID).cloned();
        let is_head = parts.method == Method::HEAD;
        let answered = match Ask::of(&parts) {
            Ok(ask) => self.answer(ask, body).await,
            Err(error) => Err(error),
        };
        let answered = match answered {
            Ok(answer) => self.may_go_out(answer, is_head).await,
            Err(error) => Err(error),
        };
        let mut response = answered.map_or_else(
            |error| {
                let id = request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
                refused(&error, parts.uri.path(), id, is_head)
            },
            |(answer, turn)| sent(answer, turn),
        );
        if let Some(id) = request_id {
            response.headers_mut().insert("x-amz-request-id", id.clone());
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    /// An answer, with the turn of the object that goes out with it.
    async fn may_go_out(&self, answer: Answer, is_head: bool) -> Result<(Answer, Option<Turn>), Error> {
        let turn = match &answer.file {
            Some(_) if !is_head => Some(turn(&self.downloads).await?),
            _ => None,
        };
        Ok((answer, turn))
    }

    async fn answer<B>(&self, ask: Ask, body: B) -> Result<Answer, Error>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let folder = match &self.store {
            Store::Folder(folder) => folder.clone(),
            Store::Elsewhere(url) => {
                return Err(Error::not_served(&format!(
                    "S3 itself here, because --s3-endpoint keeps objects at {url}: point S3's clients there, for instance with AWS_ENDPOINT_URL_S3={url}"
                )));
            }
        };
        check_time(&ask)?;
        self.make_staging_bucket(&folder, &ask.bucket).await?;
        let given = if is_object_body(&ask) {
            objects_of::check_put(&folder, &ask)?;
            let _turn = turn(&self.uploads).await?;
            Given::Object(body::receive(folder.clone(), &ask, body).await?)
        } else {
            let _turn = if body.is_end_stream() { None } else { Some(turn(&self.documents).await?) };
            let whole = tokio::time::timeout(DOCUMENT_TIMEOUT, Limited::new(body, DOCUMENT_BYTES_MAX).collect()).await;
            let whole = whole.map_err(|_| Error::of("RequestTimeout"))?;
            Given::Document(whole.map_err(|_| Error::of("MaxMessageLengthExceeded"))?.to_bytes())
        };
        let home = self.home.clone();
        let done = tokio::task::spawn_blocking(move || operate(&folder, &home, &ask, given)).await;
        done.map_err(|error| Error::internal(format!("the request was given up: {error}")))?
    }

    /// The bucket of `cdk bootstrap` is there when it is first asked for, so that `cdk deploy` needs nothing before it.
    async fn make_staging_bucket(&self, folder: &Arc<Folder>, bucket: &str) -> Result<(), Error> {
        if !is_staging_bucket(bucket) || folder.has_bucket(bucket) {
            return Ok(());
        }
        let (folder, bucket) = (folder.clone(), bucket.to_owned());
        let made = tokio::task::spawn_blocking(move || folder.create_bucket(&bucket)).await;
        made.map_err(|error| Error::internal(error.to_string()))?.map_err(Error::from)
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<Turn, Error> {
    let turn = tokio::time::timeout(TURN_TIMEOUT, turns.clone().acquire_owned()).await;
    turn.map_err(|_| Error::of("SlowDown"))?.map_err(|error| Error::internal(error.to_string()))
}

/// Bucket and key of an address, by path or by host, of this S3 or of AWS's.
pub fn place_of(url: &str) -> Option<(String, String)> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.authority()?.as_str().to_owned();
    let (parts, ()) = http::Request::get(uri).header(header::HOST, host).body(()).ok()?.into_parts();
    let ask = Ask::of(&parts).ok()?;
    (!ask.bucket.is_empty() && !ask.key.is_empty()).then_some((ask.bucket, ask.key))
}

/// `cdk-QUALIFIER-assets-ACCOUNT-REGION`
pub fn is_staging_bucket(name: &str) -> bool {
    let parts = name.strip_prefix("cdk-").and_then(|rest| rest.split_once("-assets-"));
    parts.is_some_and(|(qualifier, place)| {
        let account = place.split('-').next().unwrap_or_default();
        (1..=10).contains(&qualifier.len())
            && qualifier.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && aws_protocol::is_account(account)
            && place.len() > account.len() + 1
            && place.len() < 64
    })
}

fn is_object_body(ask: &Ask) -> bool {
    let is_about = ["tagging", "acl", "retention", "legal-hold"].iter().any(|name| ask.has(name));
    ask.method == Method::PUT && !ask.key.is_empty() && !is_about && ask.header("x-amz-copy-source").is_none()
}

fn operate(folder: &Folder, home: &Home, ask: &Ask, given: Given) -> Result<Answer, Error> {
    let document = match given {
        Given::Object(received) if ask.has("partNumber") => return uploads::put_part(folder, ask, received),
        Given::Object(received) => return objects_of::put(folder, ask, received),
        Given::Document(document) => document,
    };
    let document = || std::str::from_utf8(&document).map_err(|_| Error::of("MalformedXML"));
    match (&ask.method, ask.bucket.is_empty(), ask.key.is_empty()) {
        (&Method::GET, true, _) => listing::buckets(folder, home),
        (_, true, _) => Err(Error::of("MethodNotAllowed")),
        (_, _, true) => buckets::operate(folder, home, ask, document()?),
        _ if ask.has("uploads") || ask.has("uploadId") => uploads::operate(folder, ask, document()?),
        _ => objects_of::operate(folder, ask, document()?),
    }
}

/// An address that was signed beforehand holds for as long as it says.
fn check_time(ask: &Ask) -> Result<(), Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs() as i64);
    let until = match (ask.get("X-Amz-Date"), ask.get("X-Amz-Expires"), ask.get("Expires")) {
        (Some(date), Some(seconds), _) => {
            parse_basic(date).zip(seconds.parse::<i64>().ok()).map(|(at, s)| at.saturating_add(s))
        }
        (_, _, Some(until)) if ask.has("Signature") => until.parse().ok(),
        _ => return Ok(()),
    };
    match until {
        Some(until) if now <= until => Ok(()),
        Some(_) => Err(Error::of("AccessDenied")),
        None => Err(Error::because("AccessDenied", "the time for which this address was signed cannot be read")),
    }
}

/// `20130524T000000Z`
fn parse_basic(text: &str) -> Option<i64> {
    let part = |from: usize, to: usize| text.get(from..to);
    let (date, clock) = ((part(0, 4)?, part(4, 6)?, part(6, 8)?), (part(9, 11)?, part(11, 13)?, part(13, 15)?));
    time::parse_iso(&format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, clock.0, clock.1, clock.2))
}

fn refused(error: &Error, resource: &str, request_id: &str, is_head: bool) -> Response {
    let has_body = !is_head && error.status != StatusCode::NOT_MODIFIED;
    let document = if has_body { error.document(resource, request_id) } else { String::new() };
    let mut response = http::Response::new(Body::Whole(document.into()));
    *response.status_mut() = error.status;
    if has_body {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(XML));
    }
    response
}

/// Without a turn only the head of an object is sent.
fn sent(answer: Answer, turn: Option<Turn>) -> Response {
    let mut response = http::Response::new(Body::Whole(Bytes::new()));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    let named = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
    for (name, value) in named.chain(answer.more_headers) {
        // What was said of an object came in as headers, or in a document that may hold what no header can.
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    if let Some((content_type, document)) = answer.document {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        *response.body_mut() = Body::Whole(document.into());
    } else if let Some((file, bytes)) = answer.file {
        headers.insert(header::CONTENT_LENGTH, bytes.into());
        if let Some(turn) = turn {
            *response.body_mut() = pieces(file, bytes, turn);
        }
    }
    response
}

/// A small object at once, a larger one as it is taken.
fn pieces(file: File, bytes: u64, turn: Turn) -> Body {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut file = file.take(bytes);
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES.min(usize::try_from(file.limit()).unwrap_or(PIECE_BYTES)));
            match file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece) {
                Ok(0) | Err(_) => return,
                // A reader that has gone ends it.
                Ok(_) => {
                    if sender.blocking_send(piece.into()).is_err() {
                        return;
                    }
                }
            }
        }
    });
    Body::Pieces(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staging_buckets() {
        let check = |name: &str, expect: bool| assert_eq!(is_staging_bucket(name), expect, "{name}");
        check("cdk-hnb659fds-assets-000000000000-us-east-1", true);
        check("cdk-mine-assets-111122223333-eu-west-1", true);
        check("cdk-hnb659fds-assets-000000000000-", false);
        check("cdk-hnb659fds-assets-1-us-east-1", false);
        check("cdk--assets-000000000000-us-east-1", false);
        check("assets", false);
    }

    #[test]
    fn places_of_addresses() {
        let check = |url: &str, expect: Option<(&str, &str)>| {
            let found = place_of(url);
            assert_eq!(found.as_ref().map(|(bucket, key)| (bucket.as_str(), key.as_str())), expect, "{url}");
        };
        check("http://127.0.0.1:4566/b/k/l?versionId=1", Some(("b", "k/l")));
        check("https://b.s3.us-east-1.amazonaws.com/k%20l", Some(("b", "k l")));
        check("https://s3.us-east-1.amazonaws.com/b/k", Some(("b", "k")));
        check("https://b.s3.amazonaws.com/", None);
        check("template.yaml", None);
    }

    #[test]
    fn times_of_addresses() {
        let check = |query: &str, expect: bool| {
            let (parts, ()) = http::Request::get(format!("/b/k?{query}")).body(()).unwrap().into_parts();
            assert_eq!(check_time(&Ask::of(&parts).unwrap()).is_ok(), expect, "{query}");
        };
        check("", true);
        check("X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400", false);
        check("X-Amz-Date=29990524T000000Z&X-Amz-Expires=86400", true);
        check("X-Amz-Date=never&X-Amz-Expires=86400", false);
        check("Signature=x&Expires=1", false);
        check("Signature=x&Expires=32503680000", true);
    }

    /// A body that does not come.
    struct Never;

    impl hyper::body::Body for Never {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    /// However many uploads stand still: others find a thread for what they want of the disk.
    #[tokio::test]
    async fn uploads_that_stand_still() {
        let root = std::env::temp_dir().join(format!("ithaca-s3-still-{}", std::process::id()));
        std::fs::create_dir_all(root.join("b")).unwrap();
        let s3 = S3::new(Store::Folder(Arc::new(Folder::open(&root).unwrap())), Home::default());
        let stuck: Vec<_> = (0..600)
            .map(|number| {
                let (s3, request) = (s3.clone(), http::Request::put(format!("/b/{number}")).body(Never).unwrap());
                tokio::spawn(async move { s3.handle(request).await })
            })
            .collect();
        while s3.uploads.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let list = http::Request::get("/b").body(http_body_util::Empty::new()).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), s3.handle(list)).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        stuck.iter().for_each(tokio::task::JoinHandle::abort);
        drop(stuck);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
