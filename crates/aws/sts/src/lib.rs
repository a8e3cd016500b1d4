//! The STS door: who somebody is, and credentials of roles. AWS's query protocol.
//!
//! Credentials grant nothing here, they choose a name space: an access key of twelve digits is an account. So the
//! credentials of a role have the account of the role as their access key, and their token says which role it is. Nothing
//! is kept: whether the role exists is not asked, as IAM is without effect.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_protocol::query::{self, Form};
use aws_protocol::xml::Xml;
use aws_protocol::{Arn, Error, Home, Homes, Request, Response, is_account};
use http::HeaderMap;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The version of the protocol, which no other service has.
pub const VERSION: &str = "2011-06-15";

const SPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Begins the session tokens that are given here.
const TOKEN: &str = "ithaca/";

/// Seconds for which credentials are said to hold, and the least and most that may be asked for.
const DURATION_DEFAULT: u64 = 3600;
const DURATION_MIN: u64 = 900;
const DURATION_MAX: u64 = 129_600;

/// Writes what is in an answer.
type Fill = Box<dyn FnOnce(&mut Xml)>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Sts {
    homes: Homes,
}

impl Sts {
    pub fn new(homes: Homes) -> Sts {
        Sts { homes }
    }

    /// Answers one request. Never fails: every failure is an AWS error.
    pub fn handle(&self, request: &Request) -> Response {
        let (form, headers) = (Form::of(request), request.headers());
        match self.answer(&form, headers) {
            Ok(fill) => query::answer(headers, SPACE, form.action(), fill),
            Err(error) => query::error_answer(headers, SPACE, &error),
        }
    }

    fn answer(&self, form: &Form, headers: &HeaderMap) -> Result<Fill, Error> {
        let home = self.homes.elsewhere(headers).unwrap_or_else(|| self.homes.home.clone());
        match form.action() {
            "GetCallerIdentity" => Ok(Box::new(caller_identity(&home, headers))),
            "AssumeRole" => assume_role(form),
            "GetSessionToken" => {
                let until = until(form, 43_200)?;
                Ok(Box::new(move |xml| credentials(xml, &home.account, "session", &until)))
            }
            other => Err(Error::client(
                "InvalidAction",
                format!(
                    "Ithaca does not serve the action '{other}' of STS. It serves AssumeRole, GetCallerIdentity and GetSessionToken"
                ),
            )),
        }
    }
}

fn caller_identity(home: &Home, headers: &HeaderMap) -> impl FnOnce(&mut Xml) + use<> {
    let token = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok());
    let session = token.and_then(|token| token.strip_prefix(TOKEN)).and_then(|token| token.split_once('/'));
    let account = home.account.clone();
    let (arn, id) = match session {
        Some((role, session)) => {
            let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let (role, session) = (decode(role), decode(session));
            let name = role.rsplit('/').next().unwrap_or_default().to_owned();
            (format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"), format!("{}:{session}", role_id(&role)))
        }
        None => (format!("arn:aws:iam::{account}:root"), account.clone()),
    };
    move |xml| {
        xml.text("Arn", arn).text("UserId", id).text("Account", account);
    }
}

/// Sixteen characters after AWS's prefix of roles; the same role has the same.
fn role_id(role: &str) -> String {
    let hash = role
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("AROA{hash:016X}")
}

fn assume_role(form: &Form) -> Result<Fill, Error> {
    let arn_text = form.required("RoleArn")?.to_owned();
    let session = form.required("RoleSessionName")?.to_owned();
    let arn = Arn::parse(&arn_text).filter(|arn| arn.service == "iam" && is_account(arn.account));
    let role = arn.and_then(|arn| arn.resource.strip_prefix("role/")).filter(|role| !role.is_empty());
    let (Some(arn), Some(role)) = (arn, role) else {
        return Err(Error::client("ValidationError", format!("{arn_text} is invalid")));
    };
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(is_allowed) {
        let message = format!(
            "1 validation error detected: Value '{session}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        );
        return Err(Error::client("ValidationError", message));
    }
    let until = until(form, DURATION_DEFAULT)?;
    let account = arn.account.to_owned();
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let token = format!("{}/{}", escape(role), escape(&session));
    let name = role.rsplit('/').next().unwrap_or_default();
    let assumed = format!("arn:aws:sts::{account}:assumed-role/{name}/{session}");
    let id = format!("{}:{session}", role_id(role));
    Ok(Box::new(move |xml| {
        credentials(xml, &account, &token, &until);
        xml.element("AssumedRoleUser", |xml| {
            xml.text("AssumedRoleId", id).text("Arn", assumed);
        });
    }))
}

fn credentials(xml: &mut Xml, account: &str, token: &str, until: &str) {
    xml.element("Credentials", |xml| {
        xml.text("AccessKeyId", account).text("SecretAccessKey", "ithaca");
        xml.text("SessionToken", format!("{TOKEN}{token}")).text("Expiration", until);
    });
}

/// When credentials are over that are asked for now.
fn until(form: &Form, default: u64) -> Result<String, Error> {
    let seconds = match form.get("DurationSeconds") {
        None => default,
        Some(text) => text.parse().ok().filter(|it| (DURATION_MIN..=DURATION_MAX).contains(it)).ok_or_else(|| {
            let message = format!(
                "1 validation error detected: Value '{text}' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to {DURATION_MIN}"
            );
            Error::client("ValidationError", message)
        })?,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    Ok(aws_protocol::time::iso_seconds(now + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let sts = Sts::new(Homes::default());
        let check = |body: &str, key: &str, token: Option<&str>, expect: &[&str]| {
            let credential =
                format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sts/aws4_request, Signature=0");
            let mut request = http::Request::post("/").header("authorization", credential);
            if let Some(token) = token {
                request = request.header("x-amz-security-token", token);
            }
            let answer = sts.handle(&request.body(body.to_owned().into()).unwrap());
            let said = String::from_utf8(answer.body().to_vec()).unwrap();
            for expect in expect {
                assert!(said.contains(expect), "{body}: {expect} is not in {said}");
            }
        };
        let me = "Action=GetCallerIdentity&Version=2011-06-15";
        check(me, "test", None, &["<Account>000000000000</Account>", "<Arn>arn:aws:iam::000000000000:root</Arn>"]);
        check(me, "111122223333", None, &["<Account>111122223333</Account>"]);
        let assume = |arn: &str, session: &str| format!("Action=AssumeRole&RoleArn={arn}&RoleSessionName={session}");
        let role = "arn:aws:iam::444455556666:role/path/deploy";
        check(
            &assume(role, "me"),
            "test",
            None,
            &[
                "<AccessKeyId>444455556666</AccessKeyId>",
                "<SessionToken>ithaca/path%2Fdeploy/me</SessionToken>",
                "<Arn>arn:aws:sts::444455556666:assumed-role/deploy/me</Arn>",
            ],
        );
        let token = Some("ithaca/path%2Fdeploy/me");
        check(me, "444455556666", token, &["<Arn>arn:aws:sts::444455556666:assumed-role/deploy/me</Arn>"]);
        check(&assume("deploy", "me"), "test", None, &["<Code>ValidationError</Code>"]);
        check(&assume(role, "a b"), "test", None, &["<Code>ValidationError</Code>"]);
        check("Action=AssumeRole", "test", None, &["<Code>ValidationError</Code>", "roleArn"]);
        check("Action=GetSessionToken&DurationSeconds=1", "test", None, &["durationSeconds"]);
        check("Action=GetSessionToken", "test", None, &["<SessionToken>ithaca/session</SessionToken>"]);
        check("Action=Other", "test", None, &["<Code>InvalidAction</Code>", "does not serve the action 'Other'"]);
    }
}
