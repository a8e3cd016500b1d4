//! Services that are not served here: where their endpoints are, and who signs the requests to them.
//!
//! An endpoint is named by the standard variable of AWS's SDKs, `AWS_ENDPOINT_URL_SQS` and its like, or by
//! `--aws-endpoint` for all. The variable `AWS_ENDPOINT_URL` does not count: where AWS clients are to find Ithaca, it
//! names Ithaca.

use std::collections::BTreeMap;

use aws_client::{Credentials, Origin, Service};
use aws_protocol::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use interpreter::Failure;

use super::refused;
use super::sdk::Sdk;

const VARIABLE: &str = "AWS_ENDPOINT_URL_";

#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// URLs by the end of the variable's name, `SQS`. They are looked at when they are needed: the environment may hold
    /// more than concerns us.
    endpoints: BTreeMap<String, String>,
    /// For those that have none of their own.
    endpoint: Option<String>,
    credentials: Credentials,
    region: String,
}

impl Elsewhere {
    /// From the environment and `--aws-endpoint`. The error is text for a person.
    pub fn new(
        environment: impl Iterator<Item = (String, String)>,
        endpoint: Option<&str>,
        region: &str,
    ) -> Result<Elsewhere, String> {
        // Emulators take any credentials but want some; AWS takes none that are not its own.
        let mut credentials =
            Credentials { access_key_id: "test".into(), secret_access_key: "test".into(), session_token: None };
        let mut endpoints = BTreeMap::new();
        for (name, value) in environment.filter(|(_, value)| !value.is_empty()) {
            match (name.as_str(), name.strip_prefix(VARIABLE)) {
                (_, Some(service)) => drop(endpoints.insert(service.to_owned(), value)),
                ("AWS_ACCESS_KEY_ID", _) => credentials.access_key_id = value,
                ("AWS_SECRET_ACCESS_KEY", _) => credentials.secret_access_key = value,
                ("AWS_SESSION_TOKEN", _) => credentials.session_token = Some(value),
                _ => {}
            }
        }
        if let Some(url) = endpoint {
            origin("--aws-endpoint", url)?;
        }
        Ok(Elsewhere { endpoints, endpoint: endpoint.map(str::to_owned), credentials, region: region.to_owned() })
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// Has the user named a place for the service of this variable?
    pub fn knows(&self, variable: &str) -> bool {
        self.endpoint.is_some() || self.endpoints.contains_key(variable)
    }

    /// Sends a signed POST to the service that has this variable.
    pub async fn post(
        &self,
        variable: &str,
        signed_as: &str,
        sdk: Sdk,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Response, Failure> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|error| sdk.unreachable(&error.to_string()))?;
            all.insert(HeaderName::from_static(name), value);
        }
        let origin = self.origin(variable).map_err(refused)?;
        let service =
            Service { origin: &origin, region: &self.region, name: signed_as, credentials: &self.credentials };
        service.post(all, body).await.map_err(|why| sdk.unreachable(&why))
    }

    fn origin(&self, variable: &str) -> Result<Origin, String> {
        let variable = format!("{VARIABLE}{variable}");
        let own = self.endpoints.get(variable.trim_start_matches(VARIABLE));
        match (own, &self.endpoint) {
            (Some(url), _) => origin(&variable, url),
            (None, Some(url)) => origin("--aws-endpoint", url),
            (None, None) => Err(format!(
                "Ithaca knows no endpoint for this service. Start it with {variable}=http://HOST:PORT in its \
                 environment, or with --aws-endpoint URL."
            )),
        }
    }
}

fn origin(name: &str, url: &str) -> Result<Origin, String> {
    match Origin::parse(url) {
        Ok((origin, path)) if path == "/" => Ok(origin),
        Ok(_) => Err(format!("{name} {url}: an endpoint has no path")),
        Err(why) => Err(format!("{name} {url}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_the_environment() {
        let check = |environment: &[(&str, &str)], endpoint: Option<&str>, expect: Result<&str, &str>| {
            let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let found = Elsewhere::new(environment, endpoint, "eu-west-1").and_then(|it| it.origin("SQS"));
            assert_eq!(found.as_ref().map(Origin::authority).map_err(String::as_str), expect);
        };
        let none = "Ithaca knows no endpoint for this service. Start it with AWS_ENDPOINT_URL_SQS=http://HOST:PORT in \
                    its environment, or with --aws-endpoint URL.";
        check(&[], None, Err(none));
        check(&[("AWS_ENDPOINT_URL", "http://here"), ("AWS_ENDPOINT_URL_SQS", "")], None, Err(none));
        check(&[("AWS_ENDPOINT_URL_SQS", "http://q:1")], Some("http://all:2"), Ok("q:1"));
        check(&[("AWS_ENDPOINT_URL_SNS", "http://q:1")], Some("http://all:2"), Ok("all:2"));
        check(
            &[("AWS_ENDPOINT_URL_SQS", "q:1")],
            None,
            Err("AWS_ENDPOINT_URL_SQS q:1: it does not begin with http:// or https://"),
        );
        check(&[], Some("http://all/path"), Err("--aws-endpoint http://all/path: an endpoint has no path"));
    }
}
