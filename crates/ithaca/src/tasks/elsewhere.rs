//! Services that are not served here: where their endpoints are, and who signs the requests to them.
//!
//! An endpoint is named by the standard variable of AWS's SDKs, `AWS_ENDPOINT_URL_SQS` and its like, or by
//! `--aws-endpoint` for all. The variable `AWS_ENDPOINT_URL` does not count: where AWS clients are to find Ithaca, it
//! names Ithaca.

use std::collections::BTreeMap;

use aws_client::{Credentials, Origin, Service};
use aws_models::Sent;
use aws_protocol::Response;
use http::Request;
use http::header::HOST;
use http_body_util::Full;

use super::service;

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

    /// Has the user named a place for the service of this variable, of its own?
    pub fn names(&self, variable: &str) -> bool {
        self.endpoints.contains_key(variable)
    }

    /// Or is there one for all?
    pub fn knows(&self, variable: &str) -> bool {
        self.endpoint.is_some() || self.names(variable)
    }

    /// Sends a request to the service that has this variable, signed under this name. The outer error is the user's: the
    /// endpoint cannot be one. The inner one is why there is no answer.
    pub async fn send(
        &self,
        variable: &str,
        signed_as: Option<&str>,
        sent: Sent,
    ) -> Result<Result<Response, String>, String> {
        let origin = self.origin(variable)?;
        let headers = service::headers(&sent)?;
        let Some(name) = signed_as else {
            let mut request = Request::builder().method(sent.method).uri(&sent.target).body(Full::new(sent.body));
            if let Ok(request) = &mut request {
                *request.headers_mut() = headers;
                request.headers_mut().insert(HOST, origin.authority().parse().map_err(|_| "it is no host")?);
            }
            return Ok(aws_client::send(&origin, request.map_err(|error| error.to_string())?).await);
        };
        let signer = Service { origin: &origin, region: &self.region, name, credentials: &self.credentials };
        Ok(signer.send(sent.method, &sent.target, headers, sent.body).await)
    }

    fn origin(&self, variable: &str) -> Result<Origin, String> {
        let name = format!("{VARIABLE}{variable}");
        match (self.endpoints.get(variable), &self.endpoint) {
            (Some(url), _) => origin(&name, url),
            (None, Some(url)) => origin("--aws-endpoint", url),
            (None, None) => Err(self.unknown(variable)),
        }
    }

    /// What to do about a service that has no place.
    pub fn unknown(&self, variable: &str) -> String {
        format!(
            "Ithaca knows no endpoint for this service. Start it with {VARIABLE}{variable}=http://HOST:PORT in its \
             environment, or with --aws-endpoint URL."
        )
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
