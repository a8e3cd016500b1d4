//! Objects behind S3's REST protocol: AWS itself, or anything that speaks it. Buckets are in the path
//! (`http://host/BUCKET/KEY`), which every implementation serves.
//!
//! Each request has its own connection and its own small runtime, which go with the answer's body: whoever reads a body
//! drives its connection, and nothing runs that nobody waits for. That costs a connection per object, which beside
//! reading its items is little.
//!
//! It follows no redirects and does not retry: what S3 answers is what the caller gets.

use std::io::{self, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_client::sigv4::{self, Credentials, Scope, Unsigned, sha256_hex};
use aws_client::{Origin, time, xml};
use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::limits::{SILENCE_MAX, XML_BYTES_MAX};
use crate::{Address, Entries, Entry, Error, Listing, Object, ObjectStore};

/// What Signature Version 4 leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED.remove(b'/');

#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// `http://HOST[:PORT]`, or `https://` if this was built with the feature `tls`.
    pub url: String,
    pub region: String,
    /// Without them requests are not signed, as for public buckets.
    pub credentials: Option<Credentials>,
}

#[derive(Clone)]
pub struct Endpoint {
    url: String,
    origin: Origin,
    region: String,
    credentials: Option<Credentials>,
}

impl Endpoint {
    pub fn new(options: EndpointOptions) -> Result<Endpoint, Error> {
        let EndpointOptions { url, region, credentials } = options;
        let refuse = |reason: &str| {
            Error::configuration(format!(
                "the S3 endpoint `{url}` is not usable: {reason}. Write it as http://HOST:PORT, for instance \
                 http://localhost:9000"
            ))
        };
        let (origin, path) = Origin::parse(&url).map_err(refuse)?;
        match path.as_str() {
            "/" => Ok(Endpoint { origin, url: url.clone(), region, credentials }),
            _ => Err(refuse("it has a path")),
        }
    }

    /// Sends a request and waits for the head of its answer.
    fn send(&self, call: Call<'_>) -> Result<(Driver, Response<Incoming>), Error> {
        let request = self.request(call)?;
        let driver = Driver::new().map_err(|error| self.fail(error))?;
        let answer = driver.block_on(async {
            let mut connection = self.origin.connect().await.map_err(|reason| self.fail(reason))?;
            connection.send(request).await.map_err(|reason| self.fail(reason))
        })?;
        if answer.status().is_success() {
            return Ok((driver, answer));
        }
        Err(self.refusal(&driver, answer))
    }

    fn request(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs() as i64);
        let path = utf8_percent_encode(&format!("/{}/{}", call.bucket, call.key), ESCAPED_IN_PATH).to_string();
        let path = if call.key.is_empty() { path.trim_end_matches('/').to_owned() } else { path };
        let escape = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let query: Vec<(String, String)> =
            call.query.iter().map(|(name, value)| (escape(name), escape(value))).collect();
        let body_sha256 = sha256_hex(&call.body);
        let mut headers = vec![
            ("host", self.origin.authority().to_owned()),
            ("x-amz-content-sha256", body_sha256.clone()),
            ("x-amz-date", time::basic(now)),
        ];
        headers.extend(call.headers);
        if let Some(token) = self.credentials.as_ref().and_then(|credentials| credentials.session_token.clone()) {
            headers.push(("x-amz-security-token", token));
        }
        let unsigned = Unsigned {
            method: call.method.as_str(),
            path: &path,
            query: &query,
            headers: &headers,
            body_sha256: &body_sha256,
        };
        let scope = Scope { region: &self.region, service: "s3", at: now };
        let authorization = self.credentials.as_ref().map(|who| sigv4::authorization(&unsigned, &scope, who));
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let target = if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) };
        let mut request = Request::builder().method(call.method).uri(target);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(http::header::AUTHORIZATION, authorization);
        }
        request
            .body(Full::new(call.body))
            .map_err(|error| Error::configuration(format!("this cannot be asked of an S3 endpoint: {error}")))
    }

    /// What an answer that is no success says.
    fn refusal(&self, driver: &Driver, answer: Response<Incoming>) -> Error {
        let status = answer.status();
        let header = text_of(answer.headers(), "x-amz-request-id").unwrap_or_default();
        let body = match self.whole(driver, answer) {
            Ok(body) => body,
            Err(error) => return error,
        };
        let found = xml::records(&body, "Error", ["Code", "Message", "RequestId"]).ok().and_then(|mut all| all.pop());
        let [code, message, request_id] = found.unwrap_or_default();
        Error::Refused {
            code: code.unwrap_or_else(|| status.as_u16().to_string()),
            status: status.as_u16(),
            message: message.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").to_owned()),
            request_id: request_id.unwrap_or(header),
        }
    }

    /// A body that is a text of bounded size.
    fn whole(&self, driver: &Driver, answer: Response<Incoming>) -> Result<String, Error> {
        let body = driver
            .block_on(async { timeout(SILENCE_MAX, Limited::new(answer.into_body(), XML_BYTES_MAX).collect()).await });
        let bytes = match body {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Err(self.fail(error)),
            Err(_) => return Err(self.fail(format!("its answer took longer than {} s", SILENCE_MAX.as_secs()))),
        };
        String::from_utf8(bytes.into()).map_err(|_| self.fail("its answer is not UTF-8"))
    }

    fn page(&self, listing: &Listing, token: Option<&str>) -> Result<Page, Error> {
        let mut query = vec![("list-type", "2"), ("encoding-type", "url")];
        let members = [("prefix", listing.prefix.as_str()), ("start-after", listing.start_after.as_str())];
        query.extend(members.iter().filter(|(_, value)| !value.is_empty()));
        query.extend(token.map(|token| ("continuation-token", token)));
        let (driver, answer) = self.send(Call {
            method: Method::GET,
            bucket: &listing.bucket,
            key: "",
            query,
            headers: owner(listing.expected_bucket_owner.as_ref()),
            body: Bytes::new(),
        })?;
        let text = self.whole(&driver, answer)?;
        Page::parse(&text).map_err(|reason| self.fail(format!("of its listing, {reason}")))
    }

    fn fail(&self, reason: impl ToString) -> Error {
        Error::Endpoint { endpoint: self.url.clone(), reason: reason.to_string() }
    }
}

/// The runtime that drives one connection.
struct Driver(Option<Runtime>);

impl Driver {
    fn new() -> io::Result<Driver> {
        Ok(Driver(Some(tokio::runtime::Builder::new_current_thread().enable_all().build()?)))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.as_ref().expect("the runtime is there until it is dropped").block_on(future)
    }
}

/// Without waiting, so that a body may be dropped anywhere, by an async worker too.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A request before it is signed.
struct Call<'a> {
    method: Method,
    bucket: &'a str,
    key: &'a str,
    query: Vec<(&'a str, &'a str)>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

fn owner(account: Option<&String>) -> Vec<(&'static str, String)> {
    account.map(|account| ("x-amz-expected-bucket-owner", account.clone())).into_iter().collect()
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

impl ObjectStore for Endpoint {
    fn get(&self, address: &Address) -> Result<Object, Error> {
        let (driver, answer) = self.send(Call {
            method: Method::GET,
            bucket: &address.bucket,
            key: &address.key,
            query: address.version_id.iter().map(|version| ("versionId", version.as_str())).collect(),
            headers: owner(address.expected_bucket_owner.as_ref()),
            body: Bytes::new(),
        })?;
        let size = text_of(answer.headers(), "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let encoding = text_of(answer.headers(), "content-encoding");
        let body = Body { driver, frames: answer.into_body(), chunk: Bytes::new() };
        Ok(Object { size, encoding, body: Box::new(body) })
    }

    fn list(&self, listing: &Listing) -> Result<Entries, Error> {
        // The first page now, so that a missing bucket is an error of this call.
        let page = self.page(listing, None)?;
        Ok(Box::new(Pages {
            endpoint: self.clone(),
            listing: listing.clone(),
            entries: page.entries.into_iter(),
            token: page.token,
        }))
    }

    fn put(&self, address: &Address, body: Bytes, content_type: &str) -> Result<(), Error> {
        let mut headers = owner(address.expected_bucket_owner.as_ref());
        headers.push(("content-type", content_type.to_owned()));
        let call =
            Call { method: Method::PUT, bucket: &address.bucket, key: &address.key, query: vec![], headers, body };
        self.send(call).map(drop)
    }

    fn create_bucket(&self, name: &str) -> Result<(), Error> {
        let (method, body) = (Method::PUT, Bytes::new());
        let made = self.send(Call { method, bucket: name, key: "", query: vec![], headers: vec![], body }).map(drop);
        match &made {
            Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
            _ => made,
        }
    }

    fn delete(&self, address: &Address) -> Result<(), Error> {
        let call = Call {
            method: Method::DELETE,
            bucket: &address.bucket,
            key: &address.key,
            query: address.version_id.iter().map(|version| ("versionId", version.as_str())).collect(),
            headers: owner(address.expected_bucket_owner.as_ref()),
            body: Bytes::new(),
        };
        self.send(call).map(drop)
    }
}

/// An object's body as it arrives.
struct Body {
    driver: Driver,
    frames: Incoming,
    chunk: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let frames = &mut self.frames;
            let frame = self.driver.block_on(async { timeout(SILENCE_MAX, frames.frame()).await });
            match frame {
                Ok(None) => return Ok(0),
                // What is not data is a trailer, which says nothing here.
                Ok(Some(Ok(frame))) => self.chunk = frame.into_data().unwrap_or_default(),
                Ok(Some(Err(error))) => return Err(io::Error::other(error)),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

struct Page {
    entries: Vec<Entry>,
    token: Option<String>,
}

impl Page {
    fn parse(text: &str) -> Result<Page, String> {
        let mut about = xml::records(text, "ListBucketResult", ["IsTruncated", "NextContinuationToken"])?;
        let [truncated, token] = about.pop().ok_or("the XML is not a ListBucketResult")?;
        let members = ["Key", "ETag", "Size", "LastModified", "StorageClass"];
        let entries = xml::records(text, "Contents", members)?.into_iter().map(entry).collect::<Result<_, _>>()?;
        match (truncated.as_deref() == Some("true"), token) {
            (true, None) => Err("the next page has no token".into()),
            (true, token) => Ok(Page { entries, token }),
            (false, _) => Ok(Page { entries, token: None }),
        }
    }
}

fn entry([key, etag, size, modified, class]: [Option<String>; 5]) -> Result<Entry, String> {
    let key = key.ok_or("an object has no Key")?;
    // `encoding-type=url` writes a space as a plus sign.
    let spaced = key.replace('+', " ");
    let key = percent_decode_str(&spaced).decode_utf8().map_err(|_| format!("the key {spaced} is not UTF-8"))?;
    let size = size.and_then(|size| size.parse().ok()).ok_or_else(|| format!("the size of {key} is no number"))?;
    let last_modified = modified
        .and_then(|text| time::parse_iso(&text))
        .ok_or_else(|| format!("the LastModified of {key} is no time"))?;
    Ok(Entry {
        key: key.into_owned(),
        etag: etag.unwrap_or_default(),
        size,
        last_modified,
        storage_class: class.unwrap_or_else(|| "STANDARD".into()),
    })
}

/// A listing, page by page.
struct Pages {
    endpoint: Endpoint,
    listing: Listing,
    entries: std::vec::IntoIter<Entry>,
    token: Option<String>,
}

impl Iterator for Pages {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Result<Entry, Error>> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(Ok(entry));
            }
            let token = self.token.take()?;
            match self.endpoint.page(&self.listing, Some(&token)) {
                Ok(page) if page.token.as_ref() == Some(&token) => {
                    return Some(Err(self.endpoint.fail("its listing goes round in a circle")));
                }
                Ok(page) => (self.entries, self.token) = (page.entries.into_iter(), page.token),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
