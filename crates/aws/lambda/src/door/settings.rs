//! Function settings on the wire: the members of requests, and `FunctionConfiguration`, which most answers are.

use std::collections::BTreeMap;

use aws_protocol::Error as AwsError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::code::Code;
use crate::error::{InvokeError, constraint, invalid};
use crate::function::{Architecture, Function, FunctionInfo};
use crate::host::Host;

/// The members of a request's body. `null` counts as absent.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub fn parse(body: &[u8]) -> Result<Members, AwsError> {
        if body.is_empty() {
            return Ok(Members(Map::new()));
        }
        let object: Map<String, Value> =
            serde_json::from_slice(body).map_err(|e| InvokeError::InvalidJson(e.to_string()).to_aws())?;
        Ok(Members(object.into_iter().filter(|(_, value)| !value.is_null()).collect()))
    }

    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, AwsError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let parsed = serde_json::from_value(value.clone());
        parsed.map(Some).map_err(|e| AwsError::client("SerializationException", format!("{name}: {e}")))
    }

    pub fn require<T: DeserializeOwned>(&self, name: &str) -> Result<T, AwsError> {
        self.get(name)?.ok_or_else(|| {
            let member = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            let text =
                format!("1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null");
            AwsError::client("ValidationException", text)
        })
    }

    pub fn nested<T: DeserializeOwned>(&self, name: &str, inner: &str) -> Result<Option<T>, AwsError> {
        match self.get::<Map<String, Value>>(name)? {
            Some(object) => Members(object.into_iter().filter(|(_, value)| !value.is_null()).collect()).get(inner),
            None => Ok(None),
        }
    }

    /// Refuses what would change how the function runs and is not served. Empty values ask for nothing.
    pub fn refuse_unserved(&self) -> Result<(), AwsError> {
        for (name, mend) in UNSERVED {
            if self.0.get(*name).is_some_and(asks_for_something) {
                return Err(invalid(format!("Ithaca does not serve {name} of a function yet. {mend}")));
            }
        }
        match self.get::<String>("PackageType")?.as_deref() {
            None | Some("Zip") => Ok(()),
            Some("Image") => Err(invalid("Ithaca does not serve functions of PackageType Image: give a Zip.")),
            Some(other) => Err(constraint(other, "packageType", "Member must satisfy enum value set: [Zip, Image]")),
        }
    }

    /// Changes the settings that the request names.
    pub fn apply(&self, function: &mut Function) -> Result<(), AwsError> {
        set(&mut function.runtime, self.get("Runtime")?);
        set(&mut function.role, self.get("Role")?);
        set(&mut function.handler, self.get("Handler")?);
        set(&mut function.description, self.get("Description")?);
        set(&mut function.timeout_seconds, self.get("Timeout")?);
        set(&mut function.memory_mb, self.get("MemorySize")?);
        set(&mut function.ephemeral_storage_mb, self.nested("EphemeralStorage", "Size")?);
        set(&mut function.tracing, self.nested("TracingConfig", "Mode")?);
        set(&mut function.layers, self.get("Layers")?);
        if self.0.contains_key("Environment") {
            function.environment = self.nested("Environment", "Variables")?.unwrap_or_default();
        }
        Ok(())
    }

    pub fn architecture(&self) -> Result<Option<Architecture>, AwsError> {
        match self.get::<Vec<Architecture>>("Architectures")?.as_deref() {
            None => Ok(None),
            Some([one]) => Ok(Some(*one)),
            Some(_) => Err(invalid("Architectures must name exactly one of x86_64 and arm64.")),
        }
    }

    pub fn tags(&self) -> Result<Option<BTreeMap<String, String>>, AwsError> {
        self.get("Tags")
    }

    /// `ZipFile`, or an object, wherever it is asked for.
    pub fn code(&self, host: &Host) -> Result<Code, AwsError> {
        if self.0.contains_key("S3Bucket") || self.0.contains_key("S3Key") {
            return self.object(host);
        }
        if self.0.contains_key("ImageUri") {
            return Err(invalid("Ithaca does not serve functions of PackageType Image: give a ZipFile."));
        }
        let Some(text) = self.get::<String>("ZipFile")? else {
            return Err(invalid("Please provide a source for function code."));
        };
        let bytes = BASE64_STANDARD.decode(text.as_bytes());
        let bytes =
            bytes.map_err(|e| AwsError::client("SerializationException", format!("ZipFile is not base64: {e}")))?;
        Ok(Code::Zip(bytes.into()))
    }

    fn object(&self, host: &Host) -> Result<Code, AwsError> {
        let (bucket, key): (String, String) = (self.require("S3Bucket")?, self.require("S3Key")?);
        let config = host.config();
        let fetch = config
            .objects
            .as_ref()
            .ok_or_else(|| invalid("There are no objects here: send the zip itself, as ZipFile."))?;
        // A byte more shows that it is too large.
        match fetch(&bucket, &key, usize::try_from(config.limits.unpacked_bytes_max).unwrap_or(usize::MAX - 1) + 1) {
            Ok(bytes) => Ok(Code::Object(bytes)),
            Err(why) => Err(invalid(format!("Error occurred while GetObject. {why}"))),
        }
    }

    /// `Code` of CreateFunction.
    pub fn within(&self, name: &str) -> Result<Members, AwsError> {
        Ok(Members(self.require(name)?))
    }

    pub fn is_set(&self, flag: &str) -> Result<bool, AwsError> {
        Ok(self.get(flag)?.unwrap_or(false))
    }
}

/// What is not served, and what to do instead.
const UNSERVED: &[(&str, &str)] = &[
    ("VpcConfig", "Leave it out: functions are processes of this machine."),
    ("FileSystemConfigs", "Leave it out: functions see the machine's file systems."),
    ("DeadLetterConfig", "Leave it out, or handle failures in a state machine."),
    ("KMSKeyArn", "Leave it out: environment variables are kept as they are."),
    ("ImageConfig", "Give a Zip."),
    ("CodeSigningConfigArn", "Leave it out."),
    ("SnapStart", "Leave it out."),
    ("CapacityProviderConfig", "Leave it out."),
    ("DurableConfig", "Use a state machine."),
    ("TenancyConfig", "Leave it out."),
    ("PublishTo", "Leave it out: there are no capacity providers."),
];

/// `false`, `""`, `[]`, `{}`, `{"SubnetIds": []}` and `{"ApplyOn": "None"}` ask for nothing.
fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty() && text != "None",
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => members.values().any(asks_for_something),
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// The shape that creating, reading and changing a function all answer with.
pub(super) fn configuration(info: &FunctionInfo) -> Value {
    let function = &info.function;
    let mut shape = json!({
        "FunctionName": function.name,
        "FunctionArn": info.arn,
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "CodeSize": info.code_size,
        "Description": function.description,
        "Timeout": function.timeout_seconds,
        "MemorySize": function.memory_mb,
        "LastModified": info.last_modified,
        "CodeSha256": info.code_sha256,
        "Version": &*info.version,
        "TracingConfig": {"Mode": function.tracing},
        "RevisionId": info.revision_id,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": [function.architecture],
        "EphemeralStorage": {"Size": function.ephemeral_storage_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{}", function.name)},
    });
    if !info.layers.is_empty() {
        let layers = info.layers.iter().map(|layer| json!({"Arn": layer.arn, "CodeSize": layer.code_size}));
        shape["Layers"] = layers.collect();
    }
    if !function.environment.is_empty() {
        shape["Environment"] = json!({"Variables": function.environment});
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_refused_unless_it_asks_for_nothing() {
        let check = |body: &str, expect: Option<&str>| {
            let refused = Members::parse(body.as_bytes()).unwrap().refuse_unserved().err();
            match (&refused, expect) {
                (None, None) => {}
                (Some(error), Some(part)) if error.message.contains(part) => {}
                _ => panic!("{body}: {refused:?}"),
            }
        };
        check("{}", None);
        check(r#"{"Layers":[],"VpcConfig":{"SubnetIds":[]},"SnapStart":{"ApplyOn":"None"},"Publish":false}"#, None);
        check(r#"{"VpcConfig":{"SubnetIds":["s"]}}"#, Some("VpcConfig"));
        check(r#"{"PublishTo":"LATEST_PUBLISHED"}"#, Some("PublishTo"));
        check(r#"{"PackageType":"Image"}"#, Some("PackageType Image"));
        check(r#"{"PackageType":"Zip"}"#, None);
    }
}
