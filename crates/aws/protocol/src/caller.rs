//! Whom a request comes from: what its signature says of itself. Nothing is verified: the access key and the region
//! choose a name space, and grant nothing.
//!
//! ```text
//! Authorization: AWS4-HMAC-SHA256 Credential=ACCESS_KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=…, Signature=…
//! ```
//!
//! Source: "Elements of an AWS API request signature", AWS Identity and Access Management User Guide.

use http::{HeaderMap, header};

use crate::Home;

/// What the signature of a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    pub access_key: &'a str,
    pub region: &'a str,
    pub service: &'a str,
}

impl<'a> Scope<'a> {
    /// None: the request is not signed, or not in the form of Signature Version 4.
    pub fn of(headers: &'a HeaderMap) -> Option<Scope<'a>> {
        let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (_, credential) = authorization.split_once("Credential=")?;
        Scope::parse(credential.split([',', ' ']).next()?)
    }

    /// `ACCESS_KEY/DATE/REGION/SERVICE/aws4_request`, which a presigned address has as its `X-Amz-Credential`.
    pub fn parse(credential: &'a str) -> Option<Scope<'a>> {
        let mut parts = credential.rsplit('/');
        let end = parts.next()?;
        let (service, region, _date) = (parts.next()?, parts.next()?, parts.next()?);
        let access_key = parts.next()?;
        (end == "aws4_request").then_some(Scope { access_key, region, service })
    }
}

/// Whose names a request means.
#[derive(Clone, Debug, Default)]
pub struct Homes {
    /// Of requests that are not signed, and of what is deployed.
    pub home: Home,
    /// Everybody has the account of `home`, whatever the access key.
    pub account_is_fixed: bool,
}

impl Homes {
    /// The home that a request is signed for, if it is another than ours. An access key of twelve digits is an account;
    /// any other has the account of our home.
    pub fn elsewhere(&self, headers: &HeaderMap) -> Option<Home> {
        let scope = Scope::of(headers)?;
        let account = match is_account(scope.access_key) && !self.account_is_fixed {
            true => scope.access_key,
            false => &self.home.account,
        };
        let region = if is_region(scope.region) { scope.region } else { &self.home.region };
        let is_ours = (region, account) == (self.home.region.as_str(), self.home.account.as_str());
        (!is_ours).then(|| Home { region: region.to_owned(), account: account.to_owned() })
    }
}

/// Accounts have twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The longest name of a region has 14 characters today; ARNs with more would only be noise.
const REGION_CHARS_MAX: usize = 32;

fn is_region(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=REGION_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(credential: &str) -> HeaderMap {
        let text = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0");
        HeaderMap::from_iter([(header::AUTHORIZATION, text.parse().unwrap())])
    }

    #[test]
    fn scopes() {
        let check = |credential: &str, expect: Option<(&str, &str, &str)>| {
            let headers = signed(credential);
            let found = Scope::of(&headers).map(|scope| (scope.access_key, scope.region, scope.service));
            assert_eq!(found, expect, "{credential}");
        };
        check("test/20260101/us-east-1/states/aws4_request", Some(("test", "us-east-1", "states")));
        check("a/b/20260101/eu-west-1/lambda/aws4_request", Some(("b", "eu-west-1", "lambda")));
        check("test/20260101/states/aws4_request", None);
        check("test/20260101/us-east-1/states/other", None);
        check("", None);
        assert_eq!(Scope::of(&HeaderMap::new()), None);
        assert_eq!(Scope::of(&HeaderMap::from_iter([(header::AUTHORIZATION, "Bearer x".parse().unwrap())])), None);
    }

    #[test]
    fn homes() {
        let check = |credential: &str, account_is_fixed: bool, expect: Option<(&str, &str)>| {
            let homes = Homes { home: Home::default(), account_is_fixed };
            let found = homes.elsewhere(&signed(credential));
            let found = found.as_ref().map(|home| (home.region.as_str(), home.account.as_str()));
            assert_eq!(found, expect, "{credential}");
        };
        let of = |key: &str, region: &str| format!("{key}/20260101/{region}/states/aws4_request");
        check(&of("test", "us-east-1"), false, None);
        check(&of("000000000000", "us-east-1"), false, None);
        check(&of("test", "eu-west-1"), false, Some(("eu-west-1", "000000000000")));
        check(&of("111122223333", "eu-west-1"), false, Some(("eu-west-1", "111122223333")));
        check(&of("111122223333", "us-east-1"), true, None);
        check(&of("111122223333", "eu-west-1"), true, Some(("eu-west-1", "000000000000")));
        check(&of("ASIAQAAAAAAAKOUEFQEM", "us-east-1"), false, None);
        check(&of("1111222233334", "us-east-1"), false, None);
        check(&of("test", "EU West:1"), false, None);
        check(&of("test", &"r".repeat(33)), false, None);
        check("nonsense", false, None);
    }
}
