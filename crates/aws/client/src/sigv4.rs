//! AWS Signature Version 4, the signing side: who sends a request, and that it was not changed on its way.
//!
//! ```text
//!   request ─> canonical request ─ SHA-256 ─> string to sign ─┐
//!   secret ── day ── region ── service ── "aws4_request" ─────┴─ HMAC ─> signature
//! ```
//!
//! Pure: time is an argument. It knows no S3 but for one thing: S3 paths are escaped once, not twice.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::time;

/// Who signs.
#[derive(Clone)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Of temporary credentials.
    pub session_token: Option<String>,
}

/// The secret stays out of logs.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// What is signed. Path and query are escaped as they go over the wire; the query's pairs need no order.
pub struct Unsigned<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Name and value, both escaped.
    pub query: &'a [(String, String)],
    /// Lower-case names, `host` and `x-amz-date` among them.
    pub headers: &'a [(&'a str, String)],
    /// Of the body, in hexadecimal.
    pub body_sha256: &'a str,
}

pub struct Scope<'a> {
    pub region: &'a str,
    pub service: &'a str,
    /// Seconds since 1970.
    pub at: i64,
}

/// The `Authorization` header.
pub fn authorization(request: &Unsigned<'_>, scope: &Scope<'_>, credentials: &Credentials) -> String {
    let moment = time::basic(scope.at);
    let day = &moment[..8];
    let scope_text = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let (canonical, signed_headers) = canonical_request(request);
    let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{scope_text}\n{}", sha256_hex(canonical.as_bytes()));
    let secret = format!("AWS4{}", credentials.secret_access_key);
    let key = [day, scope.region, scope.service, "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part.as_bytes()));
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope_text},SignedHeaders={signed_headers},Signature={signature}",
        credentials.access_key_id
    )
}

fn canonical_request(request: &Unsigned<'_>) -> (String, String) {
    let mut query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    query.sort();
    let mut headers: Vec<(&str, &str)> = request.headers.iter().map(|(name, value)| (*name, value.trim())).collect();
    headers.sort();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let Unsigned { method, path, body_sha256, .. } = request;
    (format!("{method}\n{path}\n{}\n{lines}\n{names}\n{body_sha256}", query.join("&")), names)
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The examples of the S3 API reference ("Signature Calculations for the Authorization Header") and the vector
    /// `get-vanilla` of AWS's test suite.
    #[test]
    fn published_signatures() {
        let check = |service: &str, request: Unsigned<'_>, signature: &str| {
            let (id, secret, at) = match service {
                "s3" => ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 1_369_353_600),
                _ => ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 1_440_938_160),
            };
            let credentials =
                Credentials { access_key_id: id.into(), secret_access_key: secret.into(), session_token: None };
            let header = authorization(&request, &Scope { region: "us-east-1", service, at }, &credentials);
            assert_eq!(header.rsplit('=').next(), Some(signature), "{header}");
        };
        let host = ("host", "examplebucket.s3.amazonaws.com".to_owned());
        let date = ("x-amz-date", "20130524T000000Z".to_owned());
        let hash = |of: &str| ("x-amz-content-sha256", of.to_owned());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        check(
            "s3",
            Unsigned {
                method: "GET",
                path: "/test.txt",
                query: &[],
                headers: &[host.clone(), ("range", "bytes=0-9".into()), hash(EMPTY), date.clone()],
                body_sha256: EMPTY,
            },
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
        let body = sha256_hex(b"Welcome to Amazon S3.");
        check(
            "s3",
            Unsigned {
                method: "PUT",
                path: "/test%24file.text",
                query: &[],
                headers: &[
                    ("date", "Fri, 24 May 2013 00:00:00 GMT".into()),
                    host.clone(),
                    date.clone(),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY".into()),
                    hash(&body),
                ],
                body_sha256: &body,
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        );
        check(
            "s3",
            Unsigned {
                method: "GET",
                path: "/",
                query: &[pair("prefix", "J"), pair("max-keys", "2")],
                headers: &[hash(EMPTY), date, host],
                body_sha256: EMPTY,
            },
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
        check(
            "service",
            Unsigned {
                method: "GET",
                path: "/",
                query: &[],
                headers: &[("host", "example.amazonaws.com".into()), ("x-amz-date", "20150830T123600Z".into())],
                body_sha256: EMPTY,
            },
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
    }

    #[test]
    fn the_secret_is_not_printed() {
        let credentials = Credentials {
            access_key_id: "AK".into(),
            secret_access_key: "hush".into(),
            session_token: Some("hush".into()),
        };
        assert!(!format!("{credentials:?}").contains("hush"));
    }
}
