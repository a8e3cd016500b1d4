//! The S3 client against a small server that checks what it is asked and answers as S3 does.

use std::convert::Infallible;
use std::io::Read;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use objects::{Address, Credentials, Endpoint, EndpointOptions, Error, Listing, ObjectStore};

type Answer = Result<(&'static str, Bytes), StatusCode>;

/// What was asked: method, target, headers, body.
#[derive(Clone, Debug, Default)]
struct Asked {
    method: String,
    target: String,
    authorization: String,
    sha256: String,
    owner: String,
    body: String,
}

/// A server on a port of its own, in a thread of its own, until the test ends.
fn serve(answer: fn(&Asked) -> Answer) -> (Endpoint, Arc<Mutex<Vec<Asked>>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let shared = log.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let log = shared.clone();
                let service = hyper::service::service_fn(move |request| respond(request, log.clone(), answer));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
    });
    let credentials =
        Credentials { access_key_id: "AK".into(), secret_access_key: "SK".into(), session_token: Some("token".into()) };
    let options = EndpointOptions {
        url: format!("http://127.0.0.1:{port}"),
        region: "eu-central-1".into(),
        credentials: Some(credentials),
    };
    (Endpoint::new(options).unwrap(), log)
}

async fn respond(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<Asked>>>,
    answer: fn(&Asked) -> Answer,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let mut asked = Asked {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        authorization: header("authorization"),
        sha256: header("x-amz-content-sha256"),
        owner: header("x-amz-expected-bucket-owner"),
        body: String::new(),
    };
    asked.body = String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().into()).unwrap();
    log.lock().unwrap().push(asked.clone());
    Ok(match answer(&asked) {
        Ok((encoding, body)) => {
            let builder = Response::builder();
            let builder = if encoding.is_empty() { builder } else { builder.header("content-encoding", encoding) };
            builder.body(Full::new(body)).unwrap()
        }
        Err(status) => {
            let body = match status {
                StatusCode::NOT_FOUND => {
                    "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not \
                     exist.</Message><Key>k</Key><RequestId>R1</RequestId></Error>"
                }
                _ => "",
            };
            Response::builder().status(status).body(Full::new(body.into())).unwrap()
        }
    })
}

#[test]
fn objects_come_and_go() {
    let (endpoint, log) = serve(|asked| match asked.target.as_str() {
        "/b/a%20b/%C3%A9" => Ok(("gzip", Bytes::from(vec![7; 300_000]))),
        "/b/k?versionId=v%2F1" => Ok(("", "old".into())),
        "/b/denied" => Err(StatusCode::FORBIDDEN),
        "/b/put%2Bme" => Ok(("", "".into())),
        _ => Err(StatusCode::NOT_FOUND),
    });
    let object = endpoint.get(&Address::new("b", "a b/\u{e9}")).unwrap();
    assert_eq!((object.size, object.encoding.as_deref()), (300_000, Some("gzip")));
    let mut body = Vec::new();
    { object.body }.read_to_end(&mut body).unwrap();
    assert_eq!(body, vec![7; 300_000]);

    let old = Address {
        version_id: Some("v/1".into()),
        expected_bucket_owner: Some("111111111111".into()),
        ..Address::new("b", "k")
    };
    let mut text = String::new();
    endpoint.get(&old).unwrap().body.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    assert_eq!(log.lock().unwrap().last().unwrap().owner, "111111111111");

    endpoint.put(&Address::new("b", "put+me"), "content".into(), "text/plain").unwrap();
    let put = log.lock().unwrap().last().unwrap().clone();
    assert_eq!((put.method.as_str(), put.body.as_str()), ("PUT", "content"));
    assert_eq!(put.sha256, "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
    let signed = "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token,Signature=";
    assert!(put.authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/"), "{}", put.authorization);
    assert!(put.authorization.contains("/eu-central-1/s3/aws4_request,"), "{}", put.authorization);
    assert!(put.authorization.contains(signed), "{}", put.authorization);

    let missing = endpoint.get(&Address::new("b", "none")).map(drop).unwrap_err();
    assert_eq!(missing.code(), Some("NoSuchKey"));
    assert_eq!(
        missing.to_string(),
        "The specified key does not exist. (Service: S3, Status Code: 404, Request ID: R1)"
    );
    let denied = endpoint.get(&Address::new("b", "denied")).map(drop).unwrap_err();
    assert_eq!(denied.to_string(), "Forbidden (Service: S3, Status Code: 403, Request ID: )");
}

#[test]
fn listings_go_over_pages() {
    let (endpoint, log) = serve(|asked| {
        let entry = |key: &str| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2022-11-17T15:44:41.000Z</LastModified>\
                 <ETag>&quot;e&quot;</ETag><Size>3</Size><Owner><ID>x</ID></Owner>\
                 <StorageClass>GLACIER</StorageClass></Contents>"
            )
        };
        let page = |truncated: &str, entries: String| {
            Ok((
                "",
                format!("<ListBucketResult xmlns=\"x\"><Name>b</Name>{truncated}{entries}</ListBucketResult>").into(),
            ))
        };
        match asked.target.as_str() {
            "/b?list-type=2&encoding-type=url&prefix=p%2F&start-after=p%2F0" => page(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>t/1</NextContinuationToken>",
                entry("p/a+b%26") + &entry("p/c"),
            ),
            "/b?list-type=2&encoding-type=url&prefix=p%2F&start-after=p%2F0&continuation-token=t%2F1" => {
                page("<IsTruncated>false</IsTruncated>", entry("p/d"))
            }
            "/loop?list-type=2&encoding-type=url" | "/loop?list-type=2&encoding-type=url&continuation-token=t" => {
                page("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>", String::new())
            }
            "/odd?list-type=2&encoding-type=url" => Ok(("", "<html>".into())),
            _ => Err(StatusCode::NOT_FOUND),
        }
    });
    let listing = Listing { bucket: "b".into(), prefix: "p/".into(), start_after: "p/0".into(), ..Listing::default() };
    let entries: Vec<_> = endpoint.list(&listing).unwrap().map(Result::unwrap).collect();
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["p/a b&", "p/c", "p/d"]);
    assert_eq!((entries[0].etag.as_str(), entries[0].size), ("\"e\"", 3));
    assert_eq!((entries[0].last_modified, entries[0].storage_class.as_str()), (1_668_699_881, "GLACIER"));
    assert_eq!(log.lock().unwrap().len(), 2);

    let of = |bucket: &str| endpoint.list(&Listing { bucket: bucket.into(), ..Listing::default() });
    assert_eq!(of("none").map(drop).unwrap_err().code(), Some("NoSuchKey"));
    assert!(of("odd").map(drop).unwrap_err().to_string().contains("its XML ends within an element"));
    let circle = of("loop").unwrap().next().unwrap().unwrap_err();
    assert!(circle.to_string().ends_with("its listing goes round in a circle"), "{circle}");
}

#[test]
fn endpoints_that_cannot_be_used() {
    let check = |url: &str, reason: &str| {
        let options = EndpointOptions { url: url.into(), region: "us-east-1".into(), credentials: None };
        match Endpoint::new(options).map(drop) {
            Err(Error::Configuration(text)) => assert!(text.contains(reason), "{text}"),
            other => panic!("{url}: {other:?}"),
        }
    };
    check("localhost:9000", "it does not begin with http://");
    check("http://localhost:9000/minio", "it has a path");
    check("http://u:p@localhost", "credentials do not belong into it");
    check("ftp://localhost", "it does not begin with http://");
    check("", "it is not a URL");
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options =
        EndpointOptions { url: format!("http://127.0.0.1:{port}"), region: "us-east-1".into(), credentials: None };
    let error = Endpoint::new(options).unwrap().get(&Address::new("b", "k")).map(drop).unwrap_err();
    assert!(error.to_string().starts_with(&format!("the object store at http://127.0.0.1:{port} does not answer")));
}
