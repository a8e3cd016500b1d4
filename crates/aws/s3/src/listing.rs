//! Lists of buckets and of objects.

use aws_client::time;
use aws_protocol::Home;
use aws_protocol::xml::Xml;
use objects::{Entry, Folder, Listing, ObjectStore};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ask::Ask;
use crate::error::Error;
use crate::{Answer, DOCUMENT_BYTES_MAX};

pub const SPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A page, S3's own limit.
const KEYS_MAX: usize = 1000;

/// What `encoding-type=url` leaves as it is.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'*');

/// Beyond every other character: what follows a prefix comes after all keys that begin with it.
const LAST: char = '\u{10ffff}';

pub fn buckets(folder: &Folder, home: &Home) -> Result<Answer, Error> {
    let buckets = folder.buckets()?;
    let document = Xml::document("ListAllMyBucketsResult", Some(SPACE), |xml| {
        owner(xml, "Owner", home);
        xml.element("Buckets", |xml| {
            for bucket in &buckets {
                xml.element("Bucket", |xml| {
                    xml.text("Name", &bucket.name).text("CreationDate", time::iso(bucket.created_ms));
                });
            }
        });
    });
    Ok(Answer::xml(document.finish()))
}

pub fn owner(xml: &mut Xml, name: &str, home: &Home) {
    xml.element(name, |xml| {
        xml.text("ID", &home.account).text("DisplayName", &home.account);
    });
}

/// What a list shows: an object, or the prefix that many have in common.
enum Shown {
    Object(Entry),
    Common(String),
}

impl Shown {
    /// Where the next page begins.
    fn last(&self) -> String {
        match self {
            Shown::Object(entry) => entry.key.clone(),
            Shown::Common(prefix) => format!("{prefix}{LAST}"),
        }
    }
}

struct Page {
    shown: Vec<Shown>,
    most: usize,
    /// The last key, if there are more.
    next: Option<String>,
}

fn page(folder: &Folder, ask: &Ask, after: &str) -> Result<Page, Error> {
    let most = ask.number("max-keys")?.map_or(KEYS_MAX, |most| usize::try_from(most).unwrap_or(KEYS_MAX).min(KEYS_MAX));
    let prefix = ask.get("prefix").unwrap_or_default();
    let delimiter = ask.get("delimiter").filter(|text| !text.is_empty());
    let from = |start_after: &str| {
        let listing = Listing {
            bucket: ask.bucket.clone(),
            prefix: prefix.to_owned(),
            start_after: start_after.to_owned(),
            expected_bucket_owner: None,
        };
        folder.list(&listing)
    };
    let mut shown: Vec<Shown> = Vec::new();
    let mut entries = from(after)?;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if shown.len() == most {
            let next = shown.last().map(Shown::last);
            return Ok(Page { shown, most, next });
        }
        let rest = &entry.key[prefix.len()..];
        match delimiter.and_then(|text| rest.find(text).map(|at| at + text.len())) {
            Some(end) => {
                let common = entry.key[..prefix.len() + end].to_owned();
                entries = from(&format!("{common}{LAST}"))?;
                shown.push(Shown::Common(common));
            }
            None => shown.push(Shown::Object(entry)),
        }
    }
    Ok(Page { shown, most, next: None })
}

/// The text of a key, as the client wants it.
fn written(ask: &Ask, text: &str) -> String {
    match ask.get("encoding-type") {
        Some("url") => utf8_percent_encode(text, ESCAPED).to_string(),
        _ => text.to_owned(),
    }
}

/// ListObjects, ListObjectsV2.
pub fn objects(folder: &Folder, home: &Home, ask: &Ask) -> Result<Answer, Error> {
    let is_second = ask.get("list-type") == Some("2");
    let token = ask.get("continuation-token");
    let after = match token {
        Some(token) => token_text(token)
            .ok_or_else(|| Error::because("InvalidArgument", "The continuation token provided is incorrect"))?,
        None => ask.get(if is_second { "start-after" } else { "marker" }).unwrap_or_default().to_owned(),
    };
    let page = page(folder, ask, &after)?;
    let text = |text: &str| written(ask, text);
    let shows_owner = !is_second || ask.get("fetch-owner") == Some("true");
    let document = Xml::document("ListBucketResult", Some(SPACE), |xml| {
        xml.text("Name", &ask.bucket).text("Prefix", text(ask.get("prefix").unwrap_or_default()));
        xml.optional("Delimiter", ask.get("delimiter").map(&text)).text("MaxKeys", page.most);
        xml.optional("EncodingType", ask.get("encoding-type")).text("IsTruncated", page.next.is_some());
        if is_second {
            xml.text("KeyCount", page.shown.len()).optional("ContinuationToken", token);
            xml.optional("StartAfter", ask.get("start-after").map(&text));
            xml.optional("NextContinuationToken", page.next.as_deref().map(token_of));
        } else {
            xml.text("Marker", text(&after));
            xml.optional("NextMarker", page.next.as_deref().map(&text));
        }
        contents(xml, &page.shown, &text, &|xml| {
            if shows_owner {
                owner(xml, "Owner", home);
            }
        });
    });
    Ok(Answer::xml(document.finish()))
}

fn contents(xml: &mut Xml, shown: &[Shown], text: &dyn Fn(&str) -> String, more: &dyn Fn(&mut Xml)) {
    for shown in shown {
        match shown {
            Shown::Object(entry) => {
                xml.element("Contents", |xml| {
                    xml.text("Key", text(&entry.key)).text("LastModified", time::iso(entry.last_modified * 1000));
                    xml.text("ETag", &entry.etag).text("Size", entry.size);
                    xml.text("StorageClass", &entry.storage_class);
                    more(xml);
                });
            }
            Shown::Common(prefix) => {
                xml.element("CommonPrefixes", |xml| {
                    xml.text("Prefix", text(prefix));
                });
            }
        }
    }
}

/// ListObjectVersions: of each object the one there is.
pub fn versions(folder: &Folder, home: &Home, ask: &Ask) -> Result<Answer, Error> {
    let after = ask.get("key-marker").unwrap_or_default().to_owned();
    let page = page(folder, ask, &after)?;
    let text = |text: &str| written(ask, text);
    let document = Xml::document("ListVersionsResult", Some(SPACE), |xml| {
        xml.text("Name", &ask.bucket).text("Prefix", text(ask.get("prefix").unwrap_or_default()));
        xml.text("KeyMarker", text(&after)).text("VersionIdMarker", "").text("MaxKeys", page.most);
        xml.optional("Delimiter", ask.get("delimiter").map(&text)).optional("EncodingType", ask.get("encoding-type"));
        xml.text("IsTruncated", page.next.is_some());
        if let Some(next) = &page.next {
            xml.text("NextKeyMarker", text(next)).text("NextVersionIdMarker", "null");
        }
        for shown in &page.shown {
            match shown {
                Shown::Object(entry) => {
                    xml.element("Version", |xml| {
                        xml.text("Key", text(&entry.key)).text("VersionId", "null").text("IsLatest", true);
                        xml.text("LastModified", time::iso(entry.last_modified * 1000)).text("ETag", &entry.etag);
                        xml.text("Size", entry.size).text("StorageClass", &entry.storage_class);
                        owner(xml, "Owner", home);
                    });
                }
                Shown::Common(_) => contents(xml, std::slice::from_ref(shown), &text, &|_| {}),
            }
        }
    });
    Ok(Answer::xml(document.finish()))
}

/// A token is the last key in hexadecimal digits: plain in every address.
fn token_of(key: &str) -> String {
    aws_client::sigv4::hex(key.as_bytes())
}

fn token_text(token: &str) -> Option<String> {
    if !token.is_ascii() || token.len() % 2 == 1 || token.len() > DOCUMENT_BYTES_MAX {
        return None;
    }
    let bytes = (0..token.len()).step_by(2).map(|at| u8::from_str_radix(&token[at..at + 2], 16).ok());
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}
