//! What a request is about: its bucket and key, out of path or host, and the members of its query.

use aws_protocol::Scope;
use http::request::Parts;
use http::{HeaderMap, Method, Uri, header};
use percent_encoding::percent_decode_str;

use crate::error::Error;

/// A request without its body.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    /// Empty: of all buckets.
    pub bucket: String,
    /// Empty: of the bucket.
    pub key: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
}

impl Ask {
    pub fn of(parts: &Parts) -> Result<Ask, Error> {
        let path = percent_decode_str(parts.uri.path()).decode_utf8();
        let path = path.map_err(|_| Error::because("InvalidArgument", "a key is text in UTF-8"))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = match bucket_of_host(host(&parts.headers, &parts.uri)) {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').map_or((path.to_owned(), ""), |(bucket, key)| (bucket.to_owned(), key)),
        };
        Ok(Ask {
            method: parts.method.clone(),
            bucket,
            key: key.to_owned(),
            query: pairs(parts.uri.query().unwrap_or_default()),
            headers: parts.headers.clone(),
        })
    }

    /// A member of the query.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A number of the query.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let wrong =
            |_| Error::because("InvalidArgument", format!("Provided {name} not an integer or within integer range"));
        self.get(name).map(|text| text.parse::<u64>().map_err(wrong)).transpose()
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> &'a str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| uri.host()).unwrap_or_default()
}

/// Is a request signed for S3, in its headers or in its address, or does it call us by S3's name?
pub fn is_for(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(scope) = Scope::of(headers) {
        return scope.service == "s3";
    }
    let query = uri.query().unwrap_or_default();
    if !query.is_empty() {
        let query = pairs(query);
        let get = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if let Some(credential) = get("X-Amz-Credential") {
            return Scope::parse(credential).is_some_and(|scope| scope.service == "s3");
        }
        // The second version of signatures, with which boto3 still signs addresses.
        if get("AWSAccessKeyId").is_some() && get("Signature").is_some() {
            return true;
        }
    }
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    authorization.is_some_and(|value| value.starts_with("AWS ")) || is_s3_host(host(headers, uri))
}

/// The part of a host's name that is not a base which leads here, and whether buckets may stand alone before it.
fn below_base(host: &str) -> Option<(String, bool)> {
    const BASES: [(&str, bool); 4] = [
        (".localhost", true),
        (".localhost.localstack.cloud", false),
        (".amazonaws.com", false),
        (".docker.internal", false),
    ];
    let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    BASES.iter().find_map(|(base, alone)| Some((name.strip_suffix(base)?.to_owned(), *alone)))
}

/// Where `s3`, alone or with a region (`s3.us-east-1`, `s3-us-east-1`), begins in the name of a host.
fn service_at(name: &str) -> Option<usize> {
    let is_service =
        |rest: &str| rest.strip_prefix("s3").is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']));
    let starts = std::iter::once(0).chain(name.match_indices('.').map(|(at, _)| at + 1));
    starts.filter(|at| is_service(&name[*at..])).max()
}

fn is_s3_host(host: &str) -> bool {
    below_base(host).is_some_and(|(name, _)| service_at(&name).is_some())
}

/// The bucket in the name of a host: `BUCKET.s3.localhost`, `BUCKET.localhost`, `BUCKET.s3.us-east-1.amazonaws.com`.
fn bucket_of_host(host: &str) -> Option<String> {
    let (name, may_stand_alone) = below_base(host)?;
    match service_at(&name) {
        Some(0) => None,
        Some(at) => Some(name[..at - 1].to_owned()),
        None => (may_stand_alone && !name.is_empty()).then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_in_hosts() {
        let check = |host: &str, expect: Option<&str>| assert_eq!(bucket_of_host(host).as_deref(), expect, "{host}");
        check("localhost:4566", None);
        check("127.0.0.1:4566", None);
        check("[::1]:4566", None);
        check("s3.localhost:4566", None);
        check("s3.us-east-1.amazonaws.com", None);
        check("my.bucket.localhost:4566", Some("my.bucket"));
        check("b.s3.localhost", Some("b"));
        check("b.s3.localhost.localstack.cloud:4566", Some("b"));
        check("b.s3-eu-west-1.amazonaws.com", Some("b"));
        check("b.s3.eu-west-1.amazonaws.com", Some("b"));
        check("host.docker.internal", None);
        check("sqs.localhost.localstack.cloud", None);
    }

    #[test]
    fn requests_for_s3() {
        let check = |request: http::request::Builder, expect: bool| {
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(is_for(&parts.headers, &parts.uri), expect, "{parts:?}");
        };
        let get = |path: &str| http::Request::get(path).header("host", "127.0.0.1:4566");
        let signed = |service: &str| {
            format!("AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/{service}/aws4_request, Signature=0")
        };
        check(get("/b/k"), false);
        check(get("/b/k").header("authorization", signed("s3")), true);
        check(get("/b/k").header("authorization", signed("lambda")), false);
        check(get("/b/k?X-Amz-Credential=k%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"), true);
        check(get("/b/k?X-Amz-Credential=k%2F20260101%2Fus-east-1%2Fstates%2Faws4_request"), false);
        check(get("/b/k?AWSAccessKeyId=a&Signature=b&Expires=1"), true);
        check(http::Request::get("/k").header("host", "b.s3.localhost:4566"), true);
        check(http::Request::get("/k").header("host", "b.localhost:4566"), false);
    }
}
