//! Multipart uploads.

use aws_client::{time, xml};
use aws_protocol::xml::Xml;
use http::{Method, StatusCode};
use objects::{Folder, Said};
use std::io::{Read, Seek, SeekFrom};

use crate::ask::Ask;
use crate::body::Received;
use crate::checksum::{Checksum, HEADERS};
use crate::error::Error;
use crate::listing::SPACE;
use crate::{Answer, objects_of};

/// A page of parts, S3's own limit.
const PARTS_MAX: usize = 1000;

pub fn operate(folder: &Folder, ask: &Ask, document: &str) -> Result<Answer, Error> {
    match ask.method {
        Method::POST if ask.has("uploads") => begin(folder, ask),
        Method::POST => complete(folder, ask, document),
        Method::PUT => copy_part(folder, ask),
        Method::GET => parts(folder, ask),
        Method::DELETE => {
            folder.forget_upload(&objects_of::address(ask)?, id(ask))?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Error::of("MethodNotAllowed")),
    }
}

fn id(ask: &Ask) -> &str {
    ask.get("uploadId").unwrap_or_default()
}

fn begin(folder: &Folder, ask: &Ask) -> Result<Answer, Error> {
    let upload = folder.begin_upload(&objects_of::address(ask)?, objects_of::said(ask)?)?;
    let document = Xml::document("InitiateMultipartUploadResult", Some(SPACE), |xml| {
        xml.text("Bucket", &ask.bucket).text("Key", &ask.key).text("UploadId", &upload.id);
    });
    let mut answer = Answer::xml(document.finish());
    if let Some(algorithm) = ask.header("x-amz-checksum-algorithm") {
        answer = answer.with("x-amz-checksum-algorithm", algorithm);
    }
    Ok(answer)
}

pub fn put_part(folder: &Folder, ask: &Ask, received: Received) -> Result<Answer, Error> {
    let md5 = folder.put_part(&objects_of::address(ask)?, id(ask), number(ask)?, received.object)?;
    let mut answer = Answer::empty(StatusCode::OK).with("etag", format!("\"{md5}\""));
    answer.more_headers.extend(received.checksums);
    Ok(answer)
}

fn number(ask: &Ask) -> Result<u32, Error> {
    Ok(ask.number("partNumber")?.and_then(|number| u32::try_from(number).ok()).unwrap_or(0))
}

fn copy_part(folder: &Folder, ask: &Ask) -> Result<Answer, Error> {
    let (mut file, about) = objects_of::source(folder, ask)?;
    let (first, count) = objects_of::copied_range(ask, about.size)?;
    file.seek(SeekFrom::Start(first)).map_err(|error| Error::internal(error.to_string()))?;
    let part = objects_of::copied(folder, ask, file.take(count))?;
    let md5 = folder.put_part(&objects_of::address(ask)?, id(ask), number(ask)?, part)?;
    let document = Xml::document("CopyPartResult", Some(SPACE), |xml| {
        xml.text("LastModified", time::iso(about.modified_ms)).text("ETag", format!("\"{md5}\""));
    });
    Ok(Answer::xml(document.finish()))
}

/// One object of many parts has no checksum of all its bytes, unless who completes it says one.
fn complete(folder: &Folder, ask: &Ask, document: &str) -> Result<Answer, Error> {
    let address = objects_of::address(ask)?;
    let upload = folder.upload(&address, id(ask))?;
    let named = xml::records(document, "Part", ["PartNumber", "ETag"]).map_err(|_| Error::of("MalformedXML"))?;
    let part = |[number, etag]: [Option<String>; 2]| Some((number?.trim().parse().ok()?, etag?));
    let wanted: Option<Vec<(u32, String)>> = named.into_iter().map(part).collect();
    let wanted = wanted.filter(|wanted| !wanted.is_empty()).ok_or_else(|| Error::of("MalformedXML"))?;
    let is_of_parts = |said: &&str| said.contains('-');
    let said = HEADERS.iter().find_map(|name| Some((*name, ask.header(name).filter(|it| !is_of_parts(it))?)));
    let mut sum = said.and_then(|(name, _)| Checksum::find(name));
    let only_if_new = objects_of::check_overwriting(folder, ask)?;
    let (object, etag) = folder.assemble(&address, id(ask), &wanted, &mut |bytes| {
        if let Some(sum) = &mut sum {
            sum.update(bytes);
        }
    })?;
    let mut checksums = std::collections::BTreeMap::new();
    if let (Some((name, said)), Some(sum)) = (said, sum) {
        let found = sum.finish();
        if found != said {
            return Err(Error::of("BadDigest"));
        }
        checksums.insert(name.to_owned(), found);
    }
    let about = folder.finish(&address, object, Some(etag), Said { checksums, ..upload.said }, only_if_new)?;
    folder.forget_upload(&address, id(ask))?;
    let document = Xml::document("CompleteMultipartUploadResult", Some(SPACE), |xml| {
        xml.text("Location", format!("/{}/{}", ask.bucket, ask.key));
        xml.text("Bucket", &ask.bucket).text("Key", &ask.key).text("ETag", &about.etag);
    });
    Ok(Answer::xml(document.finish()))
}

fn parts(folder: &Folder, ask: &Ask) -> Result<Answer, Error> {
    let address = objects_of::address(ask)?;
    folder.upload(&address, id(ask))?;
    let after = ask.number("part-number-marker")?.unwrap_or(0);
    let most = ask.number("max-parts")?.map_or(PARTS_MAX, |most| (most as usize).min(PARTS_MAX));
    let mut rest = folder.parts(&address, id(ask))?.into_iter().filter(|part| u64::from(part.number) > after);
    let shown: Vec<_> = rest.by_ref().take(most).collect();
    let is_truncated = rest.next().is_some();
    let document = Xml::document("ListPartsResult", Some(SPACE), |xml| {
        xml.text("Bucket", &ask.bucket).text("Key", &ask.key).text("UploadId", id(ask));
        xml.text("PartNumberMarker", after).text("MaxParts", most).text("IsTruncated", is_truncated);
        xml.optional("NextPartNumberMarker", shown.last().map(|part| part.number));
        for part in &shown {
            xml.element("Part", |xml| {
                xml.text("PartNumber", part.number).text("LastModified", time::iso(part.modified_ms));
                xml.text("ETag", format!("\"{}\"", part.etag)).text("Size", part.size);
            });
        }
        xml.text("StorageClass", "STANDARD");
    });
    Ok(Answer::xml(document.finish()))
}

/// ListMultipartUploads: there are never more than one page of them.
pub fn list(folder: &Folder, ask: &Ask) -> Result<Answer, Error> {
    let prefix = ask.get("prefix").unwrap_or_default();
    let uploads = folder.uploads(&ask.bucket)?;
    let document = Xml::document("ListMultipartUploadsResult", Some(SPACE), |xml| {
        xml.text("Bucket", &ask.bucket).text("KeyMarker", "").text("UploadIdMarker", "");
        xml.text("Prefix", prefix).text("MaxUploads", PARTS_MAX).text("IsTruncated", false);
        for upload in uploads.iter().filter(|upload| upload.key.starts_with(prefix)) {
            xml.element("Upload", |xml| {
                xml.text("Key", &upload.key).text("UploadId", &upload.id).text("StorageClass", "STANDARD");
                xml.text("Initiated", time::iso(upload.began_ms));
            });
        }
    });
    Ok(Answer::xml(document.finish()))
}
