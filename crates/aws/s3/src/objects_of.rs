//! Operations on one object.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_client::{time, xml};
use aws_protocol::Home;
use aws_protocol::xml::Xml;
use http::{Method, StatusCode};
use objects::{About, Address, Folder, ObjectStore, Said};
use percent_encoding::percent_decode_str;

use crate::ask::Ask;
use crate::body::{OBJECT_BYTES_MAX, Received};
use crate::error::Error;
use crate::listing::SPACE;
use crate::{Answer, PIECE_BYTES, buckets};

/// Headers of a request that are kept and given back.
const KEPT: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];

/// User metadata: names and values together.
const METADATA_BYTES_MAX: usize = 2048;

const TAGS_MAX: usize = 10;

pub fn address(ask: &Ask) -> Result<Address, Error> {
    check_version(ask.get("versionId"))?;
    Ok(Address::new(&ask.bucket, &ask.key))
}

/// The only version there is has no name.
fn check_version(version: Option<&str>) -> Result<(), Error> {
    if version.is_none_or(|version| version == "null") { Ok(()) } else { Err(Error::of("NoSuchVersion")) }
}

pub fn operate(folder: &Folder, ask: &Ask, document: &str) -> Result<Answer, Error> {
    const OTHERS: [&str; 7] = ["attributes", "legal-hold", "restore", "retention", "select", "torrent", "renameObject"];
    if let Some((what, _)) = ask.query.iter().find(|(name, _)| OTHERS.contains(&name.as_str())) {
        return Err(Error::not_served(&format!("{} with `{what}` on objects", ask.method)));
    }
    match ask.method {
        _ if ask.has("tagging") => tagging(folder, ask, document),
        Method::GET if ask.has("acl") => {
            folder.read(&address(ask)?)?;
            Ok(Answer::xml(buckets::acl_document(&Home::default())))
        }
        Method::PUT if ask.has("acl") => {
            folder.read(&address(ask)?)?;
            Ok(Answer::empty(StatusCode::OK))
        }
        Method::GET | Method::HEAD => get(folder, ask),
        Method::PUT => copy(folder, ask),
        Method::DELETE => {
            delete(folder, &Address::new(&ask.bucket, &ask.key), ask.get("versionId"))?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Error::of("MethodNotAllowed")),
    }
}

pub fn delete(folder: &Folder, address: &Address, version: Option<&str>) -> Result<(), Error> {
    check_version(version)?;
    Ok(folder.delete(address)?)
}

/// What can be refused before a body comes.
pub fn check_put(folder: &Folder, ask: &Ask) -> Result<(), Error> {
    folder.check(&address(ask)?)?;
    said(ask)?;
    let bytes = ask.header("content-length").and_then(|text| text.parse::<u64>().ok());
    if bytes.is_some_and(|bytes| bytes > OBJECT_BYTES_MAX + (OBJECT_BYTES_MAX >> 6)) {
        return Err(Error::of("EntityTooLarge"));
    }
    Ok(())
}

pub fn put(folder: &Folder, ask: &Ask, received: Received) -> Result<Answer, Error> {
    let said = Said { checksums: received.checksums, ..said(ask)? };
    let only_if_new = check_overwriting(folder, ask)?;
    let about = folder.finish(&address(ask)?, received.object, None, said, only_if_new)?;
    let mut answer = Answer::empty(StatusCode::OK).with("etag", about.etag);
    if !about.said.checksums.is_empty() {
        answer = answer.with("x-amz-checksum-type", "FULL_OBJECT");
    }
    answer.more_headers.extend(about.said.checksums);
    Ok(answer)
}

/// `If-None-Match: *` and `If-Match` of who writes. True: only where nothing is.
pub fn check_overwriting(folder: &Folder, ask: &Ask) -> Result<bool, Error> {
    if let Some(wanted) = ask.header("if-match") {
        let (_, about) = folder.read(&address(ask)?)?;
        if !is_one_of(wanted, &about.etag) {
            return Err(Error::of("PreconditionFailed"));
        }
    }
    Ok(ask.header("if-none-match") == Some("*"))
}

/// What the headers of a request say of its object.
pub fn said(ask: &Ask) -> Result<Said, Error> {
    let mut headers = BTreeMap::new();
    let mut metadata_bytes = 0;
    for (name, value) in &ask.headers {
        let name = name.as_str();
        let is_metadata = name.strip_prefix("x-amz-meta-").inspect(|name| metadata_bytes += name.len() + value.len());
        if is_metadata.is_none() && !KEPT.contains(&name) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let value = if name == "content-encoding" { without_chunks(&value) } else { value };
        if !value.is_empty() {
            headers.insert(name.to_owned(), value);
        }
    }
    if metadata_bytes > METADATA_BYTES_MAX {
        return Err(Error::of("MetadataTooLarge"));
    }
    let tags = ask.header("x-amz-tagging").map(parse_tags);
    let tags = tags.unwrap_or_default();
    if tags.len() > TAGS_MAX {
        return Err(Error::because("InvalidArgument", "Object tags cannot be greater than 10"));
    }
    Ok(Said { headers, tags, checksums: BTreeMap::new() })
}

/// That a body came in chunks is of its way here.
fn without_chunks(encoding: &str) -> String {
    let parts = encoding.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "aws-chunked");
    parts.collect::<Vec<_>>().join(",")
}

fn parse_tags(text: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn get(folder: &Folder, ask: &Ask) -> Result<Answer, Error> {
    let (mut file, about) = folder.read(&address(ask)?)?;
    check_reading(ask, &about)?;
    let mut answer = Answer::empty(StatusCode::OK);
    let mut bytes = about.size;
    let range = ask.header("range").and_then(|text| range(text, about.size));
    if let Some(range) = range {
        let Some((first, last)) = range else {
            return Err(Error::of("InvalidRange"));
        };
        file.seek(SeekFrom::Start(first)).map_err(|error| Error::internal(error.to_string()))?;
        bytes = last - first + 1;
        answer.status = StatusCode::PARTIAL_CONTENT;
        answer = answer.with("content-range", format!("bytes {first}-{last}/{}", about.size));
    } else if ask.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"))
        && !about.said.checksums.is_empty()
    {
        answer = answer.with("x-amz-checksum-type", "FULL_OBJECT");
        answer.more_headers.extend(about.said.checksums.clone());
    }
    answer = answer.with("accept-ranges", "bytes").with("etag", &about.etag);
    answer = answer.with("last-modified", httpdate::fmt_http_date(modified(&about)));
    answer = answer.with("content-type", "binary/octet-stream");
    if !about.said.tags.is_empty() {
        answer = answer.with("x-amz-tagging-count", about.said.tags.len().to_string());
    }
    answer.more_headers.extend(about.said.headers.clone());
    for name in KEPT {
        if let Some(value) = ask.get(&format!("response-{name}")) {
            answer.more_headers.push((name.to_owned(), value.to_owned()));
        }
    }
    answer.file = Some((file, bytes));
    Ok(answer)
}

fn modified(about: &About) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(about.modified_ms).unwrap_or(0))
}

/// The conditions of who reads, in the order of RFC 9110.
fn check_reading(ask: &Ask, about: &About) -> Result<(), Error> {
    let at = |name: &str| ask.header(name).and_then(|text| httpdate::parse_http_date(text).ok());
    // Dates of HTTP have no parts of seconds.
    let modified = UNIX_EPOCH + Duration::from_secs(u64::try_from(about.modified_ms / 1000).unwrap_or(0));
    match ask.header("if-match") {
        Some(wanted) if !is_one_of(wanted, &about.etag) => return Err(Error::of("PreconditionFailed")),
        None if at("if-unmodified-since").is_some_and(|at| modified > at) => {
            return Err(Error::of("PreconditionFailed"));
        }
        _ => {}
    }
    match ask.header("if-none-match") {
        Some(known) if is_one_of(known, &about.etag) => Err(Error::of("NotModified")),
        None if at("if-modified-since").is_some_and(|at| modified <= at) => Err(Error::of("NotModified")),
        _ => Ok(()),
    }
}

fn is_one_of(wanted: &str, etag: &str) -> bool {
    let plain = |text: &str| text.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    wanted.split(',').any(|one| one.trim() == "*" || plain(one) == plain(etag))
}

/// First and last byte of `bytes=FIRST-LAST`. None: it is no such range, and means nothing. Some(None): it has no bytes.
fn range(text: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let count = last.parse::<u64>().ok()?.min(size);
        return Some((count > 0).then(|| (size - count, size - 1)));
    }
    let first = first.parse::<u64>().ok()?;
    let last = if last.is_empty() { u64::MAX } else { last.parse::<u64>().ok()? };
    if last < first {
        return None;
    }
    Some((first < size).then(|| (first, last.min(size - 1))))
}

/// The object that a copy is of: `/BUCKET/KEY?versionId=…`, escaped.
pub fn source(folder: &Folder, ask: &Ask) -> Result<(std::fs::File, About), Error> {
    let text = ask.header("x-amz-copy-source").unwrap_or_default();
    let (path, version) = text.split_once("?versionId=").map_or((text, None), |(path, version)| (path, Some(version)));
    check_version(version)?;
    let path = percent_decode_str(path).decode_utf8_lossy();
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').filter(|(_, key)| !key.is_empty()).ok_or_else(|| {
        Error::because("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    })?;
    let (file, about) = folder.read(&Address::new(bucket, key))?;
    let wants = |name: &str| ask.header(name);
    if wants("x-amz-copy-source-if-match").is_some_and(|wanted| !is_one_of(wanted, &about.etag))
        || wants("x-amz-copy-source-if-none-match").is_some_and(|known| is_one_of(known, &about.etag))
    {
        return Err(Error::of("PreconditionFailed"));
    }
    Ok((file, about))
}

fn copy(folder: &Folder, ask: &Ask) -> Result<Answer, Error> {
    let (file, about) = source(folder, ask)?;
    let replaces = |name: &str| ask.header(name).is_some_and(|value| value.eq_ignore_ascii_case("REPLACE"));
    let fresh = said(ask)?;
    let said = Said {
        headers: if replaces("x-amz-metadata-directive") { fresh.headers } else { about.said.headers },
        tags: if replaces("x-amz-tagging-directive") { fresh.tags } else { about.said.tags },
        checksums: about.said.checksums,
    };
    if about.size > OBJECT_BYTES_MAX {
        return Err(Error::because(
            "InvalidArgument",
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    let object = copied(folder, ask, file.take(about.size))?;
    let about = folder.finish(&address(ask)?, object, None, said, false)?;
    let document = Xml::document("CopyObjectResult", Some(SPACE), |xml| {
        xml.text("LastModified", time::iso(about.modified_ms)).text("ETag", &about.etag);
    });
    Ok(Answer::xml(document.finish()))
}

/// Bytes of another object, on their way to the disk again.
pub fn copied(folder: &Folder, ask: &Ask, mut bytes: impl Read) -> Result<objects::Unfinished, Error> {
    let mut object = folder.begin(&ask.bucket)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match bytes.read(&mut piece).map_err(|error| Error::internal(error.to_string()))? {
            0 => return Ok(object),
            length => object.write(&piece[..length])?,
        }
    }
}

/// First byte and count of `x-amz-copy-source-range`, which must lie in the object.
pub fn copied_range(ask: &Ask, size: u64) -> Result<(u64, u64), Error> {
    let Some(text) = ask.header("x-amz-copy-source-range") else { return Ok((0, size)) };
    match range(text, size).flatten() {
        Some((first, last)) => Ok((first, last - first + 1)),
        None => Err(Error::of("InvalidRange")),
    }
}

fn tagging(folder: &Folder, ask: &Ask, document: &str) -> Result<Answer, Error> {
    let address = address(ask)?;
    let (_, about) = folder.read(&address)?;
    match ask.method {
        Method::GET => {
            let document = Xml::document("Tagging", Some(SPACE), |xml| {
                xml.element("TagSet", |xml| {
                    for (key, value) in &about.said.tags {
                        xml.element("Tag", |xml| {
                            xml.text("Key", key).text("Value", value);
                        });
                    }
                });
            });
            Ok(Answer::xml(document.finish()))
        }
        Method::PUT => {
            let tags = xml::records(document, "Tag", ["Key", "Value"]).map_err(|_| Error::of("MalformedXML"))?;
            if tags.len() > TAGS_MAX {
                return Err(Error::because("InvalidArgument", "Object tags cannot be greater than 10"));
            }
            let tags = tags.into_iter().map(|[key, value]| (key.unwrap_or_default(), value.unwrap_or_default()));
            folder.retag(&address, tags.collect())?;
            Ok(Answer::empty(StatusCode::OK))
        }
        Method::DELETE => {
            folder.retag(&address, BTreeMap::new())?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Error::of("MethodNotAllowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let check = |text: &str, expect: Option<Option<(u64, u64)>>| assert_eq!(range(text, 10), expect, "{text}");
        check("bytes=0-3", Some(Some((0, 3))));
        check("bytes=4-", Some(Some((4, 9))));
        check("bytes=-3", Some(Some((7, 9))));
        check("bytes=-30", Some(Some((0, 9))));
        check("bytes=9-100", Some(Some((9, 9))));
        check("bytes=10-", Some(None));
        check("bytes=-0", Some(None));
        check("bytes=3-1", None);
        check("bytes=a-b", None);
        check("lines=1-2", None);
        assert_eq!(range("bytes=0-", 0), Some(None));
    }

    #[test]
    fn etags_of_conditions() {
        let check = |wanted: &str, expect: bool| assert_eq!(is_one_of(wanted, "\"a\""), expect, "{wanted}");
        check("\"a\"", true);
        check("a", true);
        check("\"b\", W/\"a\"", true);
        check("*", true);
        check("\"b\"", false);
    }
}
