//! Operations on buckets, and what is said of them.

use aws_client::xml;
use aws_protocol::Home;
use aws_protocol::xml::Xml;
use http::{Method, StatusCode};
use objects::{Address, Folder, ObjectStore};

use crate::ask::Ask;
use crate::error::Error;
use crate::listing::{self, SPACE};
use crate::{Answer, objects_of, uploads};

/// S3's own limit of an account.
const BUCKETS_MAX: usize = 10_000;

/// A policy has 20 KB at most, and nothing else that is said of a bucket much more than its rules.
const SETTING_BYTES_MAX: usize = 256 << 10;

/// Keys of one DeleteObjects.
const DELETED_MAX: usize = 1000;

/// What may be said of a bucket.
struct Setting {
    /// The member of the query that means it.
    name: &'static str,
    /// Is it kept when it is said? What is not would have an effect here that it has not.
    is_kept: bool,
    /// What is answered while nothing was said.
    unset: Unset,
}

enum Unset {
    Missing(&'static str),
    /// A document with this root and nothing, or this, in it.
    Document(&'static str, &'static str),
}

use Unset::{Document, Missing};

const SETTINGS: &[Setting] = &[
    Setting { name: "accelerate", is_kept: false, unset: Document("AccelerateConfiguration", "") },
    Setting { name: "cors", is_kept: true, unset: Missing("NoSuchCORSConfiguration") },
    Setting { name: "encryption", is_kept: true, unset: Missing("ServerSideEncryptionConfigurationNotFoundError") },
    Setting { name: "lifecycle", is_kept: true, unset: Missing("NoSuchLifecycleConfiguration") },
    Setting { name: "logging", is_kept: false, unset: Document("BucketLoggingStatus", "") },
    Setting { name: "notification", is_kept: false, unset: Document("NotificationConfiguration", "") },
    Setting { name: "object-lock", is_kept: false, unset: Missing("ObjectLockConfigurationNotFoundError") },
    Setting { name: "ownershipControls", is_kept: true, unset: Missing("OwnershipControlsNotFoundError") },
    Setting { name: "policy", is_kept: true, unset: Missing("NoSuchBucketPolicy") },
    Setting { name: "publicAccessBlock", is_kept: true, unset: Missing("NoSuchPublicAccessBlockConfiguration") },
    Setting { name: "replication", is_kept: false, unset: Missing("ReplicationConfigurationNotFoundError") },
    Setting {
        name: "requestPayment",
        is_kept: false,
        unset: Document("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
    },
    Setting { name: "tagging", is_kept: true, unset: Missing("NoSuchTagSet") },
    Setting { name: "versioning", is_kept: false, unset: Document("VersioningConfiguration", "") },
    Setting { name: "website", is_kept: false, unset: Missing("NoSuchWebsiteConfiguration") },
];

pub fn operate(folder: &Folder, home: &Home, ask: &Ask, document: &str) -> Result<Answer, Error> {
    if let Some(setting) = SETTINGS.iter().find(|setting| ask.has(setting.name)) {
        return set(folder, ask, setting, document);
    }
    let is = |method: &Method, member: &str| ask.method == *method && ask.has(member);
    match ask.method {
        _ if is(&Method::GET, "location") => location(folder, home, ask),
        _ if is(&Method::GET, "acl") => acl(folder, home, ask),
        _ if is(&Method::PUT, "acl") => exists(folder, ask),
        _ if is(&Method::GET, "versions") => listing::versions(folder, home, ask),
        _ if is(&Method::GET, "uploads") => uploads::list(folder, ask),
        _ if is(&Method::POST, "delete") => delete_objects(folder, ask, document),
        Method::POST => Err(Error::not_served("the upload of an object by a form")),
        _ if unknown(ask).is_some() => {
            let what = unknown(ask).unwrap_or_default();
            Err(Error::not_served(&format!("{} with `{what}` on buckets", ask.method)))
        }
        Method::GET => listing::objects(folder, home, ask),
        Method::HEAD => exists(folder, ask).map(|answer| answer.with("x-amz-bucket-region", &home.region)),
        Method::PUT => create(folder, home, ask, document),
        Method::DELETE => {
            folder.delete_bucket(&ask.bucket)?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Error::of("MethodNotAllowed")),
    }
}

/// A member of the query that asks for something else than it would without it.
fn unknown(ask: &Ask) -> Option<&str> {
    const OTHERS: [&str; 7] =
        ["analytics", "inventory", "intelligent-tiering", "metrics", "policyStatus", "session", "metadataTable"];
    ask.query.iter().map(|(name, _)| name.as_str()).find(|name| OTHERS.contains(name))
}

fn exists(folder: &Folder, ask: &Ask) -> Result<Answer, Error> {
    folder.settings(&ask.bucket)?;
    Ok(Answer::empty(StatusCode::OK))
}

fn create(folder: &Folder, home: &Home, ask: &Ask, document: &str) -> Result<Answer, Error> {
    check_name(&ask.bucket)?;
    // Well formed if it is there at all; the region that it names is ours whatever it says.
    xml::records(document, "CreateBucketConfiguration", ["LocationConstraint"])
        .map_err(|_| Error::of("MalformedXML"))?;
    if folder.has_bucket(&ask.bucket) {
        // So S3 has it, for the sake of programs of its first years.
        return match home.region.as_str() {
            "us-east-1" => Ok(Answer::empty(StatusCode::OK).with("location", format!("/{}", ask.bucket))),
            _ => Err(Error::of("BucketAlreadyOwnedByYou")),
        };
    }
    if folder.buckets()?.len() >= BUCKETS_MAX {
        return Err(Error::of("TooManyBuckets"));
    }
    folder.create_bucket(&ask.bucket)?;
    Ok(Answer::empty(StatusCode::OK).with("location", format!("/{}", ask.bucket)))
}

/// Source: "General purpose bucket naming rules", Amazon S3 User Guide.
fn check_name(name: &str) -> Result<(), Error> {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_good = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| is_end(*byte) || matches!(byte, b'-' | b'.'))
        && is_end(bytes[0])
        && is_end(bytes[bytes.len() - 1])
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("xn--");
    if is_good { Ok(()) } else { Err(Error::of("InvalidBucketName")) }
}

fn location(folder: &Folder, home: &Home, ask: &Ask) -> Result<Answer, Error> {
    exists(folder, ask)?;
    let region = if home.region == "us-east-1" { "" } else { &home.region };
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"{SPACE}\">{region}</LocationConstraint>"
    );
    Ok(Answer::xml(document))
}

fn acl(folder: &Folder, home: &Home, ask: &Ask) -> Result<Answer, Error> {
    exists(folder, ask)?;
    Ok(Answer::xml(acl_document(home)))
}

/// Everything belongs to the account.
pub fn acl_document(home: &Home) -> String {
    let fill = |xml: &mut Xml| {
        listing::owner(xml, "Owner", home);
        xml.element("AccessControlList", |xml| {
            xml.element("Grant", |xml| {
                xml.raw("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
                xml.text("ID", &home.account).text("DisplayName", &home.account).raw("</Grantee>");
                xml.text("Permission", "FULL_CONTROL");
            });
        });
    };
    Xml::document("AccessControlPolicy", Some(SPACE), fill).finish()
}

fn set(folder: &Folder, ask: &Ask, setting: &Setting, document: &str) -> Result<Answer, Error> {
    let said = folder.settings(&ask.bucket)?;
    let done = Answer::empty(StatusCode::NO_CONTENT);
    match ask.method {
        Method::GET => match (said.get(setting.name), &setting.unset) {
            (Some(text), _) if setting.name == "policy" => {
                Ok(Answer { document: Some(("application/json", text.clone())), ..Answer::default() })
            }
            (Some(text), _) => Ok(Answer::xml(text.clone())),
            (None, Missing(code)) => Err(Error::of(code)),
            (None, Document(root, inside)) => {
                let fill = |xml: &mut Xml| {
                    xml.raw(inside);
                };
                Ok(Answer::xml(Xml::document(root, Some(SPACE), fill).finish()))
            }
        },
        Method::PUT if document.len() > SETTING_BYTES_MAX => Err(Error::of("MaxMessageLengthExceeded")),
        Method::PUT if setting.is_kept => {
            match setting.name {
                "policy" => {
                    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(document).map_err(|error| {
                        Error::because("MalformedXML", format!("This policy contains invalid Json: {error}"))
                    })?;
                }
                _ => drop(xml::records(document, "", [""]).map_err(|_| Error::of("MalformedXML"))?),
            }
            folder.set(&ask.bucket, setting.name, Some(document.to_owned()))?;
            Ok(if setting.name == "policy" { done } else { Answer::empty(StatusCode::OK) })
        }
        Method::PUT if asks_for_nothing(setting.name, document) => Ok(Answer::empty(StatusCode::OK)),
        Method::PUT => Err(Error::not_served(&format!(
            "`{}` of buckets: {}",
            setting.name,
            if setting.name == "versioning" {
                "it keeps one version of each object"
            } else {
                "it would have no effect"
            }
        ))),
        Method::DELETE => {
            folder.set(&ask.bucket, setting.name, None)?;
            Ok(done)
        }
        _ => Err(Error::of("MethodNotAllowed")),
    }
}

/// A setting that is not served may be turned off.
fn asks_for_nothing(name: &str, document: &str) -> bool {
    let has = |parent: &str, member: &str, value: &str| {
        let records = xml::records(document, parent, [member]).unwrap_or_default();
        records.iter().any(|[found]| found.as_deref() == Some(value))
    };
    match name {
        "versioning" => has("VersioningConfiguration", "Status", "Suspended"),
        "accelerate" => has("AccelerateConfiguration", "Status", "Suspended"),
        "requestPayment" => has("RequestPaymentConfiguration", "Payer", "BucketOwner"),
        "notification" => !document.contains("Configuration>") || !document.contains("<Event>"),
        "logging" => !document.contains("LoggingEnabled"),
        _ => false,
    }
}

fn delete_objects(folder: &Folder, ask: &Ask, document: &str) -> Result<Answer, Error> {
    folder.settings(&ask.bucket)?;
    let named = xml::records(document, "Object", ["Key", "VersionId"]).map_err(|_| Error::of("MalformedXML"))?;
    if named.is_empty() || named.len() > DELETED_MAX {
        return Err(Error::of("MalformedXML"));
    }
    let is_quiet = xml::records(document, "Delete", ["Quiet"])
        .is_ok_and(|said| said.iter().any(|[quiet]| quiet.as_deref() == Some("true")));
    let fill = |xml: &mut Xml| {
        for [key, version] in &named {
            let key = key.as_deref().unwrap_or_default();
            match objects_of::delete(folder, &Address::new(&ask.bucket, key), version.as_deref()) {
                Ok(()) if is_quiet => {}
                Ok(()) => {
                    xml.element("Deleted", |xml| {
                        xml.text("Key", key).optional("VersionId", version.as_deref());
                    });
                }
                Err(error) => {
                    xml.element("Error", |xml| {
                        xml.text("Key", key).text("Code", &error.code).text("Message", &error.message);
                    });
                }
            }
        }
    };
    Ok(Answer::xml(Xml::document("DeleteResult", Some(SPACE), fill).finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expect: bool| assert_eq!(check_name(name).is_ok(), expect, "{name}");
        check("a-bucket.of-1", true);
        check(&"b".repeat(63), true);
        for name in
            ["ab", &"b".repeat(64), "Upper", "under_score", "-a-", "a..b", "192.168.0.1", "xn--a", ".ithaca", "a/b"]
        {
            check(name, false);
        }
    }
}
