//! Types that a template may have and that nothing comes of here. References to them still have values.

use super::{Attribute, Build, Type};
use crate::names::{arn, iam_arn, made_up_id};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS};
use crate::scope::Identity;
use crate::template::Resource;

const IGNORED: Type = Type { created: false, summary: NO_PERMISSIONS, build: note, ..Type::PLAIN };

pub(super) static ROLE: Type = IAM_ROLE;

/// Any type that is not served. It has every attribute that is asked for, and each is only a name.
pub(super) static UNSERVED: Type = Type { created: false, ..Type::PLAIN };

const IAM_ROLE: Type = Type {
    name: "AWS::IAM::Role",
    named_by: Some("RoleName"),
    name_max: 64,
    attributes: &[
        Attribute { name: "Arn", value: |site, role| iam_arn(site, &format!("role/{}", role.name)) },
        Attribute { name: "RoleId", value: |site, role| unique_id("AROA", &made_up_id(site, &role.logical_id, 12)) },
    ],
    ..IGNORED
};

pub(super) const TYPES: &[Type] = &[
    IAM_ROLE,
    Type { name: "AWS::S3::BucketPolicy", ..IGNORED },
    Type {
        name: "AWS::ECR::Repository",
        summary: "there are no container images here",
        named_by: Some("RepositoryName"),
        attributes: &[
            Attribute { name: "Arn", value: |site, it| arn(site, "ecr", &format!("repository/{}", it.name)) },
            Attribute {
                name: "RepositoryUri",
                value: |site, it| {
                    let (account, region) = (&site.home.account, &site.home.region);
                    format!("{account}.dkr.ecr.{region}.amazonaws.com/{}", it.name)
                },
            },
        ],
        ..IGNORED
    },
    Type {
        name: "AWS::KMS::Key",
        summary: "nothing is encrypted here",
        reference: |site, key| made_up_id(site, &key.logical_id, 32),
        attributes: &[
            Attribute { name: "KeyId", value: |site, key| key.reference(site) },
            Attribute { name: "Arn", value: |site, key| arn(site, "kms", &format!("key/{}", key.reference(site))) },
        ],
        ..IGNORED
    },
    Type { name: "AWS::KMS::Alias", summary: "nothing is encrypted here", named_by: Some("AliasName"), ..IGNORED },
    Type { name: "AWS::SNS::TopicPolicy", ..IGNORED },
    Type { name: "AWS::SQS::QueuePolicy", ..IGNORED },
    Type { name: "AWS::IAM::Policy", named_by: Some("PolicyName"), ..IGNORED },
    Type { name: "AWS::IAM::RolePolicy", named_by: Some("PolicyName"), ..IGNORED },
    Type { name: "AWS::IAM::UserPolicy", named_by: Some("PolicyName"), ..IGNORED },
    Type { name: "AWS::IAM::GroupPolicy", named_by: Some("PolicyName"), ..IGNORED },
    Type {
        name: "AWS::IAM::ManagedPolicy",
        named_by: Some("ManagedPolicyName"),
        name_max: 128,
        reference: |site, policy| iam_arn(site, &format!("policy/{}", policy.name)),
        attributes: &[Attribute {
            name: "PolicyArn",
            value: |site, policy| iam_arn(site, &format!("policy/{}", policy.name)),
        }],
        ..IGNORED
    },
    Type {
        name: "AWS::IAM::InstanceProfile",
        named_by: Some("InstanceProfileName"),
        attributes: &[Attribute {
            name: "Arn",
            value: |site, profile| iam_arn(site, &format!("instance-profile/{}", profile.name)),
        }],
        ..IGNORED
    },
    Type {
        name: "AWS::IAM::User",
        named_by: Some("UserName"),
        name_max: 64,
        attributes: &[Attribute { name: "Arn", value: |site, user| iam_arn(site, &format!("user/{}", user.name)) }],
        ..IGNORED
    },
    Type {
        name: "AWS::IAM::Group",
        named_by: Some("GroupName"),
        name_max: 128,
        attributes: &[Attribute { name: "Arn", value: |site, group| iam_arn(site, &format!("group/{}", group.name)) }],
        ..IGNORED
    },
    Type { name: "AWS::IAM::UserToGroupAddition", ..IGNORED },
    Type { name: "AWS::IAM::ServiceLinkedRole", ..IGNORED },
    Type { name: "AWS::Lambda::Permission", ..IGNORED },
    Type { name: "AWS::Lambda::LayerVersionPermission", ..IGNORED },
    Type { name: "AWS::Serverless::Connector", ..IGNORED },
    Type { name: "AWS::ApiGateway::Account", summary: "API Gateway's own logging has no effect here", ..IGNORED },
    Type {
        name: "AWS::Logs::LogGroup",
        summary: "functions log to this machine",
        named_by: Some("LogGroupName"),
        name_max: 512,
        attributes: &[Attribute {
            name: "Arn",
            value: |site, group| arn(site, "logs", &format!("log-group:{}:*", group.name)),
        }],
        ..IGNORED
    },
    Type { name: "AWS::CDK::Metadata", summary: NO_EFFECT, ..IGNORED },
];

fn unique_id(prefix: &str, id: &str) -> String {
    format!("{prefix}{}", id.to_ascii_uppercase())
}

fn note(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let kind = identity.kind;
    build.scope.report.note(resource.at, format!("{} is not created: {}", kind.name, kind.summary));
}
