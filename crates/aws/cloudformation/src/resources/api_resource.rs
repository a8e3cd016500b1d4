//! `AWS::ApiGateway::Resource`: one segment of a path.

use super::{Attribute, Build, Type};
use crate::gateway::{Segment, segment_id};
use crate::properties::{Property, served};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGateway::Resource",
    summary: "a segment of an API's paths",
    reference,
    attributes: &[Attribute { name: "ResourceId", value: reference }],
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[served("RestApiId"), served("ParentId"), served("PathPart")];

fn reference(site: &Site, segment: &Identity) -> String {
    segment_id(site, &segment.logical_id)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    properties.require("RestApiId");
    let (parent, part) = (properties.required_text("ParentId"), properties.required_text("PathPart"));
    if let (Some(parent), Some(part)) = (parent, part) {
        if part.is_empty() || part.contains('/') {
            return properties.error(
                "PathPart",
                format!("\"{part}\" is not one segment"),
                "write one segment, without /",
            );
        }
        build.gateway.segments.push(Segment { id: reference(&build.scope.site, identity), parent, part });
    }
}
