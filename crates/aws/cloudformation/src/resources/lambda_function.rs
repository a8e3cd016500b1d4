//! `AWS::Lambda::Function`. Code in S3 is taken for the local asset that CDK's metadata names, as SAM does.

use super::function::{self, ATTRIBUTES, NAME_MAX, with_common};
use super::{Build, Type, local_path};
use crate::node::Node;
use crate::plan::Code;
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Lambda::Function",
    summary: "a function",
    named_by: Some("FunctionName"),
    name_max: NAME_MAX,
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = with_common![
    served("Code"),
    ignored("TracingConfig", NO_EFFECT),
    ignored("PublishToLatestPublished", NO_EFFECT),
    unsupported("DeadLetterConfig", "catch the failure in the caller; failed events are kept nowhere here"),
];

const CODE: &[Property] = &[
    served("ZipFile"),
    served("S3Bucket"),
    served("S3Key"),
    ignored("S3ObjectVersion", NO_EFFECT),
    ignored("SourceKMSKeyArn", NO_EFFECT),
    unsupported("ImageUri", "package the function as a folder or archive"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let code = code(build, resource, &properties);
    function::push(build, identity, resource, &properties, code);
}

fn code(build: &Build<'_>, resource: &Resource, properties: &Properties<'_>) -> Option<Code> {
    let node = properties.require("Code")?;
    if node.literal().is_some() {
        return local_path(properties, "Code", node).map(|path| Code::Path(build.path(&path)));
    }
    let asset = resource.metadata.as_ref().and_then(|m| m.get("aws:asset:path")).and_then(Node::text);
    if let Some(asset) = asset.filter(|_| !build.scope.site.is_remote) {
        return Some(Code::Path(build.path(&asset)));
    }
    let code = properties.nested("Code", CODE)?;
    if let Some(path) = super::asset(build, &code, "S3Key") {
        return Some(Code::Path(path));
    }
    match code.node("ZipFile") {
        Some(_) => code.text("ZipFile").map(Code::Inline),
        None => {
            let help = match build.scope.site.is_remote {
                true => super::no_object(&build.scope.site),
                false => "name a folder (`Code: ./path`), use ZipFile, or keep CDK's asset metadata",
            };
            properties.error("Code", "the code is not on this machine", help);
            None
        }
    }
}
