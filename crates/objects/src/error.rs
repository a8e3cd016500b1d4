//! What can go wrong with objects, in words that may stand as the `Cause` of `States.ItemReaderFailed` and
//! `States.ResultWriterFailed`.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store answered no, under S3's name for the reason.
    #[error("{message} (Service: S3, Status Code: {status}, Request ID: {request_id})")]
    Refused {
        /// S3's error code, for instance `NoSuchKey`.
        code: String,
        status: u16,
        message: String,
        request_id: String,
    },

    /// The disk failed.
    #[error("cannot {doing} {path}: {source}")]
    Disk { doing: &'static str, path: String, source: io::Error },

    /// The endpoint could not be reached, or broke off.
    #[error("the object store at {endpoint} does not answer as it should: {reason}")]
    Endpoint { endpoint: String, reason: String },

    /// An object is not what its reader takes it for.
    #[error("{source_uri}: {reason}")]
    Data { source_uri: String, reason: String },

    /// The reader or writer is not configured in a way that can be done. Where AWS's words are known, these.
    #[error("{0}")]
    Configuration(String),
}

impl Error {
    /// S3's error code, if it was the store that said no.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    pub(crate) fn configuration(text: impl Into<String>) -> Error {
        Error::Configuration(text.into())
    }

    pub(crate) fn data(source_uri: &str, reason: impl Into<String>) -> Error {
        Error::Data { source_uri: source_uri.to_owned(), reason: reason.into() }
    }
}

/// What a store without wire says in S3's name: code, status and message as S3 has them.
pub(crate) fn refused(code: &'static str) -> Error {
    let (status, message) = match code {
        "NoSuchKey" => (404, "The specified key does not exist."),
        "NoSuchBucket" => (404, "The specified bucket does not exist"),
        "AccessDenied" => (403, "Access Denied"),
        "InvalidBucketName" => (400, "The specified bucket is not valid."),
        "KeyTooLongError" => (400, "Your key is too long"),
        "BucketNotEmpty" => (409, "The bucket you tried to delete is not empty"),
        "PreconditionFailed" => (412, "At least one of the pre-conditions you specified did not hold"),
        "NoSuchUpload" => (
            404,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
        ),
        "InvalidPart" => (
            400,
            "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.",
        ),
        "InvalidPartNumber" => (400, "Part number must be an integer between 1 and 10000, inclusive"),
        "InvalidPartOrder" => (
            400,
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
        ),
        "EntityTooSmall" => (400, "Your proposed upload is smaller than the minimum allowed size"),
        "TooManyUploads" => (503, "The bucket has too many open multipart uploads: complete or abort some"),
        other => unreachable!("{other} has no text here"),
    };
    // No request was made, so it has no id; the word keeps the sentence whole.
    Error::Refused { code: code.into(), status, message: message.into(), request_id: "local".into() }
}
