//! What the environment says: how an AWS client is set up, and the settings that `template.yaml` makes.
//!
//! These few lines stand for the crate `aws-config`, which also looks in profiles, containers and instance metadata: a
//! Lambda function needs none of it, and would compile it before its first start.

use std::env;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::Failure;

/// A variable that must be set.
pub fn setting(name: &str) -> Result<String, Failure> {
    optional(name).ok_or_else(|| invalid(format!("the environment variable {name} is not set")))
}

fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub fn invalid(why: String) -> Failure {
    Failure::new("InvalidConfiguration", why)
}

/// The configuration of a client; `service` is the service's name as `AWS_ENDPOINT_URL_<service>` spells it.
pub fn config(service: &str) -> Result<SdkConfig, Failure> {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(setting("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials()?))
        .http_client(http_client());
    config.set_endpoint_url(endpoint(service)?);
    Ok(config.build())
}

fn credentials() -> Result<Credentials, Failure> {
    let (id, secret) = (setting("AWS_ACCESS_KEY_ID")?, setting("AWS_SECRET_ACCESS_KEY")?);
    let never_expire = None; // Lambda replaces the process before its credentials run out.
    Ok(Credentials::new(id, secret, optional("AWS_SESSION_TOKEN"), never_expire, "environment"))
}

/// The service's own endpoint if it has one, else the one for all, else AWS's.
fn endpoint(service: &str) -> Result<Option<String>, Failure> {
    let url = optional(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| optional("AWS_ENDPOINT_URL"));
    match url.as_deref() {
        Some(plain) if plain.starts_with("http://") => Ok(url),
        _ if cfg!(feature = "aws") => Ok(url),
        other => Err(invalid(format!(
            "the endpoint of {service} is {}, and this build speaks plain http only: set AWS_ENDPOINT_URL to an http:// \
             address, or build with `--features aws`",
            other.unwrap_or("AWS's own")
        ))),
    }
}

#[cfg(feature = "aws")]
fn http_client() -> SharedHttpClient {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

#[cfg(not(feature = "aws"))]
fn http_client() -> SharedHttpClient {
    Builder::new().build_http()
}
