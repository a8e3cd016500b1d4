//! A call that is signed and answered whole.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::timeout;

use crate::sigv4::{self, Credentials, Scope, Unsigned, sha256_hex};
use crate::{ANSWER_BYTES_MAX, Failure, Origin, SILENCE_MAX, time};

/// Who asks which service, for the signature.
#[derive(Clone, Debug)]
pub struct Service<'a> {
    pub origin: &'a Origin,
    pub region: &'a str,
    /// The name that AWS signs it with, for instance `sqs`.
    pub name: &'a str,
    pub credentials: &'a Credentials,
}

impl Service<'_> {
    /// Signs and sends a request whose path and query are escaped already.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        // Of all services only S3 wants the hash of the body, and has the path escaped once.
        if self.name == "s3" {
            headers.insert(
                "x-amz-content-sha256",
                HeaderValue::from_str(&sha256_hex(&body)).map_err(|error| error.to_string())?,
            );
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs() as i64);
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
        headers.insert(header::HOST, value(self.origin.authority())?);
        headers.insert("x-amz-date", value(&time::basic(now))?);
        if let Some(token) = &self.credentials.session_token {
            headers.insert("x-amz-security-token", value(token)?);
        }
        let authorization = self.authorization(method, target, &headers, &body, now);
        headers.insert(header::AUTHORIZATION, value(&authorization)?);
        let mut request = Request::builder().method(method).uri(target).body(Full::new(body));
        if let Ok(request) = &mut request {
            *request.headers_mut() = headers;
        }
        send(self.origin, request.map_err(|error| error.to_string())?).await
    }

    fn authorization(&self, method: &str, target: &str, headers: &HeaderMap, body: &[u8], at: i64) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query: Vec<(String, String)> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<(&str, String)> = headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        let body_sha256 = sha256_hex(body);
        let path = if self.name == "s3" { path.to_owned() } else { path.replace('%', "%25") };
        let unsigned = Unsigned { method, path: &path, query: &query, headers: &headers, body_sha256: &body_sha256 };
        let scope = Scope { region: self.region, service: self.name, at };
        sigv4::authorization(&unsigned, &scope, self.credentials)
    }

    /// The form of AWS's JSON and query protocols.
    pub async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Response<Bytes>, Failure> {
        self.send("POST", "/", headers, body).await
    }
}

/// Sends a request over a connection of its own, and reads the whole answer.
pub async fn send(origin: &Origin, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failure> {
    let answer = origin.connect().await?.send(request).await?;
    let (parts, body) = answer.into_parts();
    let body = match timeout(SILENCE_MAX, Limited::new(body, ANSWER_BYTES_MAX).collect()).await {
        Ok(body) => body.map_err(|error| error.to_string())?.to_bytes(),
        Err(_) => return Err(format!("its answer took longer than {} s", SILENCE_MAX.as_secs())),
    };
    Ok(Response::from_parts(parts, body))
}
