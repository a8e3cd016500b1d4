//! `AWS::CloudFormation::Stack`, `AWS::Serverless::Application`: a template in the template. What it asks for is read by
//! `nested.rs`, before the properties of other resources, which may use its outputs.

use super::Type;
use crate::names;
use crate::properties::{NO_EFFECT, Property, ignored, served};

pub(crate) const STACK: &str = "AWS::CloudFormation::Stack";

pub(super) const TYPE: Type = Type {
    name: STACK,
    summary: "a template in the template",
    // AWS's limit, less what its parts add.
    name_max: 100,
    reference: |site, stack| names::stack_id_of(&site.home, &stack.name),
    properties: &[
        served("TemplateURL"),
        served("Parameters"),
        ignored("NotificationARNs", NO_EFFECT),
        ignored("Tags", NO_EFFECT),
        ignored("TimeoutInMinutes", NO_EFFECT),
    ],
    ..Type::PLAIN
};

pub(super) const APPLICATION: Type =
    Type { name: "AWS::Serverless::Application", becomes: Some(STACK), properties: APPLICATION_PROPERTIES, ..TYPE };

const APPLICATION_PROPERTIES: &[Property] = &[
    served("Location"),
    served("Parameters"),
    ignored("NotificationARNs", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
    ignored("TimeoutInMinutes", NO_EFFECT),
];
