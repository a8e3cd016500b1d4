//! S3's errors: a code, a status, a text, in XML.

use aws_protocol::xml::Xml;
use http::StatusCode;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
}

/// Codes of this door with the status and the text that S3 has for them. Those of the store bring their own.
const KNOWN: &[(&str, u16, &str)] = &[
    ("AccessDenied", 403, "Request has expired"),
    ("BadDigest", 400, "The Content-MD5 or checksum value that you specified did not match what the server received."),
    (
        "BucketAlreadyOwnedByYou",
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"),
    ("IncompleteBody", 400, "The request body terminated unexpectedly"),
    ("InvalidArgument", 400, "Invalid Argument"),
    ("InvalidBucketName", 400, "The specified bucket is not valid."),
    ("InvalidDigest", 400, "The Content-MD5 or checksum value that you specified is not valid."),
    ("InvalidRange", 416, "The requested range is not satisfiable"),
    ("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema"),
    ("MaxMessageLengthExceeded", 400, "Your request was too big."),
    ("MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size"),
    ("MethodNotAllowed", 405, "The specified method is not allowed against this resource."),
    ("NoSuchBucketPolicy", 404, "The bucket policy does not exist"),
    ("NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"),
    ("NoSuchKey", 404, "The specified key does not exist."),
    ("NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist"),
    ("NoSuchPublicAccessBlockConfiguration", 404, "The public access block configuration was not found"),
    ("NoSuchTagSet", 404, "The TagSet does not exist"),
    ("NoSuchVersion", 404, "The specified version does not exist."),
    ("NoSuchWebsiteConfiguration", 404, "The specified bucket does not have a website configuration"),
    ("NotModified", 304, "Not Modified"),
    ("ObjectLockConfigurationNotFoundError", 404, "Object Lock configuration does not exist for this bucket"),
    ("OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found"),
    ("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"),
    ("ReplicationConfigurationNotFoundError", 404, "The replication configuration was not found"),
    (
        "RequestTimeout",
        400,
        "Your socket connection to the server was not read from or written to within the timeout period.",
    ),
    ("ServerSideEncryptionConfigurationNotFoundError", 404, "The server side encryption configuration was not found"),
    ("SlowDown", 503, "Please reduce your request rate."),
    ("TooManyBuckets", 400, "You have attempted to create more buckets than allowed"),
    ("XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed."),
];

impl Error {
    /// One of S3's codes, with S3's text.
    pub fn of(code: &str) -> Error {
        let known = KNOWN.iter().find(|(known, ..)| *known == code);
        let (_, status, message) = *known.unwrap_or_else(|| panic!("{code} is not in the table of errors"));
        Error { status: status_of(status), code: code.into(), message: message.into() }
    }

    /// One of S3's codes, with a text of ours.
    pub fn because(code: &str, message: impl Into<String>) -> Error {
        Error { message: message.into(), ..Error::of(code) }
    }

    pub fn not_served(what: &str) -> Error {
        let message = format!("Ithaca does not serve {what}");
        Error { status: StatusCode::NOT_IMPLEMENTED, code: "NotImplemented".into(), message }
    }

    pub fn internal(message: impl Into<String>) -> Error {
        Error { status: StatusCode::INTERNAL_SERVER_ERROR, code: "InternalError".into(), message: message.into() }
    }

    pub fn document(&self, resource: &str, request_id: &str) -> String {
        let fill = |xml: &mut Xml| {
            xml.text("Code", &self.code).text("Message", &self.message);
            xml.text("Resource", resource).text("RequestId", request_id).text("HostId", "ithaca");
        };
        Xml::document("Error", None, fill).finish()
    }
}

impl From<objects::Error> for Error {
    fn from(error: objects::Error) -> Error {
        match error {
            objects::Error::Refused { code, status, message, .. } => Error { status: status_of(status), code, message },
            objects::Error::Configuration(text) => Error::because("InvalidArgument", text),
            other => Error::internal(other.to_string()),
        }
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
