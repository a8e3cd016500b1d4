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

/// What a property says of where the code is.
pub(super) enum Place<'a> {
    /// A folder or archive: a local path, or what CDK would upload.
    Here(Code),
    /// Neither: its parts, if it has any.
    Other(Option<Properties<'a>>),
}

pub(super) fn place<'a>(
    build: &Build<'a>,
    resource: &Resource,
    properties: &Properties<'a>,
    name: &str,
    table: &[Property],
) -> Place<'a> {
    let Some(node) = properties.node(name) else { return Place::Other(None) };
    if node.literal().is_some() {
        let path = local_path(properties, name, node);
        return path.map_or(Place::Other(None), |path| Place::Here(Code::Path(build.path(&path))));
    }
    let asset = resource.metadata.as_ref().and_then(|m| m.get("aws:asset:path")).and_then(Node::text);
    if let Some(asset) = asset.filter(|_| !build.scope.site.is_remote) {
        return Place::Here(Code::Path(build.path(&asset)));
    }
    let parts = properties.nested(name, table);
    match parts.as_ref().and_then(|parts| super::asset(build, parts, "S3Key")) {
        Some(path) => Place::Here(Code::Path(path)),
        None => Place::Other(parts),
    }
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let code = code(build, resource, &properties);
    function::push(build, identity, resource, &properties, code);
}

fn code(build: &Build<'_>, resource: &Resource, properties: &Properties<'_>) -> Option<Code> {
    properties.require("Code")?;
    let code = match place(build, resource, properties, "Code", CODE) {
        Place::Here(code) => return Some(code),
        Place::Other(parts) => parts?,
    };
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
