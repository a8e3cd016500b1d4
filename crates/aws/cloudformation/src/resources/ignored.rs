//! Types that a template may have and that nothing comes of here. References to them still have values.

use super::{Attribute, Build, Type};
use crate::names::{arn, iam_arn, made_up_id};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, NOT_VALIDATED};
use crate::scope::{Identity, Site};
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
    Type { name: "AWS::ApiGateway::ApiKey", summary: NO_KEYS, reference: made_up, attributes: KEY, ..IGNORED },
    Type { name: "AWS::ApiGateway::BasePathMapping", summary: LOCAL_ADDRESS, ..IGNORED },
    Type { name: "AWS::ApiGateway::ClientCertificate", summary: NO_EFFECT, ..IGNORED },
    Type { name: "AWS::ApiGateway::DocumentationPart", summary: NO_EFFECT, ..IGNORED },
    Type { name: "AWS::ApiGateway::DocumentationVersion", summary: NO_EFFECT, ..IGNORED },
    Type {
        name: "AWS::ApiGateway::DomainName",
        summary: LOCAL_ADDRESS,
        named_by: Some("DomainName"),
        attributes: DOMAIN,
        ..IGNORED
    },
    Type { name: "AWS::ApiGateway::GatewayResponse", summary: "refusals have AWS's own form here", ..IGNORED },
    Type { name: "AWS::ApiGateway::Model", summary: NOT_VALIDATED, named_by: Some("Name"), ..IGNORED },
    Type {
        name: "AWS::ApiGateway::RequestValidator",
        summary: NOT_VALIDATED,
        reference: made_up,
        attributes: &[Attribute { name: "RequestValidatorId", value: made_up }],
        ..IGNORED
    },
    Type {
        name: "AWS::ApiGateway::UsagePlan",
        summary: NO_KEYS,
        reference: made_up,
        attributes: &[Attribute { name: "Id", value: made_up }],
        ..IGNORED
    },
    Type { name: "AWS::ApiGateway::UsagePlanKey", summary: NO_KEYS, reference: made_up, ..IGNORED },
    Type { name: "AWS::ApiGatewayV2::ApiMapping", summary: LOCAL_ADDRESS, reference: made_up, ..IGNORED },
    Type {
        name: "AWS::ApiGatewayV2::DomainName",
        summary: LOCAL_ADDRESS,
        named_by: Some("DomainName"),
        attributes: DOMAIN,
        ..IGNORED
    },
    Type { name: "AWS::CertificateManager::Certificate", summary: LOCAL_ADDRESS, reference: certificate, ..IGNORED },
    Type { name: "AWS::Route53::RecordSet", summary: LOCAL_ADDRESS, named_by: Some("Name"), ..IGNORED },
    Type { name: "AWS::Route53::RecordSetGroup", summary: LOCAL_ADDRESS, ..IGNORED },
    Type {
        name: "AWS::KMS::Key",
        summary: NOT_ENCRYPTED,
        reference: key_id,
        attributes: &[
            Attribute { name: "Arn", value: |site, key| arn(site, "kms", &format!("key/{}", key_id(site, key))) },
            Attribute { name: "KeyId", value: key_id },
        ],
        ..IGNORED
    },
    Type { name: "AWS::KMS::Alias", summary: NOT_ENCRYPTED, named_by: Some("AliasName"), ..IGNORED },
    Type {
        name: "AWS::CloudWatch::Alarm",
        summary: NOT_WATCHED,
        named_by: Some("AlarmName"),
        attributes: ALARM,
        ..IGNORED
    },
    Type {
        name: "AWS::CloudWatch::CompositeAlarm",
        summary: NOT_WATCHED,
        named_by: Some("AlarmName"),
        attributes: ALARM,
        ..IGNORED
    },
    Type { name: "AWS::CloudWatch::AnomalyDetector", summary: NOT_WATCHED, ..IGNORED },
    Type {
        name: "AWS::CloudWatch::Dashboard",
        summary: "the console and /metrics show what happens",
        named_by: Some("DashboardName"),
        ..IGNORED
    },
    Type { name: "AWS::Logs::LogStream", summary: LOGS, named_by: Some("LogStreamName"), ..IGNORED },
    Type { name: "AWS::Logs::MetricFilter", summary: NOT_WATCHED, named_by: Some("FilterName"), ..IGNORED },
    Type { name: "AWS::Logs::QueryDefinition", summary: NOT_WATCHED, reference: made_up, ..IGNORED },
    Type { name: "AWS::Logs::ResourcePolicy", named_by: Some("PolicyName"), ..IGNORED },
    Type { name: "AWS::XRay::Group", summary: NOT_WATCHED, named_by: Some("GroupName"), ..IGNORED },
    Type { name: "AWS::XRay::SamplingRule", summary: NOT_WATCHED, ..IGNORED },
    Type { name: "AWS::Synthetics::Canary", summary: NOT_WATCHED, named_by: Some("Name"), ..IGNORED },
    Type { name: "AWS::ResourceGroups::Group", summary: NO_EFFECT, named_by: Some("Name"), ..IGNORED },
    Type { name: "AWS::ServiceCatalogAppRegistry::Application", summary: NO_EFFECT, reference: made_up, ..IGNORED },
    Type { name: "AWS::ServiceCatalogAppRegistry::ResourceAssociation", summary: NO_EFFECT, ..IGNORED },
    Type { name: "AWS::ApplicationInsights::Application", summary: NOT_WATCHED, ..IGNORED },
    Type { name: "AWS::ApplicationAutoScaling::ScalableTarget", summary: NOT_SCALED, reference: made_up, ..IGNORED },
    Type { name: "AWS::ApplicationAutoScaling::ScalingPolicy", summary: NOT_SCALED, reference: made_up, ..IGNORED },
    Type { name: "AWS::WAFv2::WebACLAssociation", ..IGNORED },
    Type { name: "AWS::Lambda::CodeSigningConfig", reference: made_up, ..IGNORED },
    Type {
        name: "AWS::Events::EventBus",
        summary: "every bus is there",
        named_by: Some("Name"),
        attributes: &[
            Attribute { name: "Arn", value: |site, bus| arn(site, "events", &format!("event-bus/{}", bus.name)) },
            Attribute { name: "Name", value: |_, bus| bus.name.clone() },
        ],
        ..IGNORED
    },
    Type { name: "AWS::Events::EventBusPolicy", ..IGNORED },
    Type {
        name: "AWS::Scheduler::ScheduleGroup",
        summary: "every group is there",
        named_by: Some("Name"),
        attributes: &[Attribute {
            name: "Arn",
            value: |site, group| arn(site, "scheduler", &format!("schedule-group/{}", group.name)),
        }],
        ..IGNORED
    },
    network("AWS::EC2::VPC", "vpc", &[Attribute { name: "VpcId", value: vpc_id }]),
    network("AWS::EC2::Subnet", "subnet", &[Attribute { name: "SubnetId", value: |s, i| network_id(s, i, "subnet") }]),
    network("AWS::EC2::SecurityGroup", "sg", &[Attribute { name: "GroupId", value: |s, i| network_id(s, i, "sg") }]),
    network("AWS::EC2::SecurityGroupIngress", "sgr", &[]),
    network("AWS::EC2::SecurityGroupEgress", "sgr", &[]),
    network("AWS::EC2::InternetGateway", "igw", &[]),
    network("AWS::EC2::VPCGatewayAttachment", "igw", &[]),
    network("AWS::EC2::NatGateway", "nat", &[]),
    network("AWS::EC2::EIP", "eip", &[Attribute { name: "AllocationId", value: |s, i| network_id(s, i, "eipalloc") }]),
    network(
        "AWS::EC2::RouteTable",
        "rtb",
        &[Attribute { name: "RouteTableId", value: |s, i| network_id(s, i, "rtb") }],
    ),
    network("AWS::EC2::Route", "r", &[]),
    network("AWS::EC2::SubnetRouteTableAssociation", "rtbassoc", &[]),
    network("AWS::EC2::VPCEndpoint", "vpce", &[Attribute { name: "Id", value: |s, i| network_id(s, i, "vpce") }]),
    network("AWS::EC2::FlowLog", "fl", &[]),
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
    // What CDK makes of `logRetention`, with a function of its own that would ask for the retention.
    Type {
        name: "Custom::LogRetention",
        summary: LOGS,
        named_by: Some("LogGroupName"),
        name_max: 512,
        attributes: &[Attribute { name: "LogGroupName", value: |_, group| group.name.clone() }],
        ..IGNORED
    },
    Type { name: "AWS::CDK::Metadata", summary: NO_EFFECT, ..IGNORED },
];

const NO_KEYS: &str = "API keys are not asked for here";
const LOCAL_ADDRESS: &str = "APIs are served under local addresses";
const NOT_ENCRYPTED: &str = "the data folder is protected by the rights of its files";
const NOT_WATCHED: &str = "nothing is watched here but by /metrics and the console";
const NOT_SCALED: &str = "there is one machine";
const LOGS: &str = "functions log to this machine";
const NO_NETWORKS: &str = "there are no private networks here";

const KEY: &[Attribute] = &[Attribute { name: "APIKeyId", value: made_up }];
const ALARM: &[Attribute] =
    &[Attribute { name: "Arn", value: |site, alarm| arn(site, "cloudwatch", &format!("alarm:{}", alarm.name)) }];
/// Names under which DNS would have the API.
const DOMAIN: &[Attribute] = &[
    Attribute { name: "DistributionDomainName", value: |_, domain| domain.name.clone() },
    Attribute { name: "DistributionHostedZoneId", value: made_up },
    Attribute { name: "RegionalDomainName", value: |_, domain| domain.name.clone() },
    Attribute { name: "RegionalHostedZoneId", value: made_up },
];

const fn network(name: &'static str, kind: &'static str, attributes: &'static [Attribute]) -> Type {
    // The reference of each is what its own prefix makes of it; a table of constants cannot keep the prefix.
    let reference: fn(&Site, &Identity) -> String = match kind.as_bytes() {
        b"vpc" => vpc_id,
        b"subnet" => |site, identity| network_id(site, identity, "subnet"),
        b"sg" => |site, identity| network_id(site, identity, "sg"),
        b"rtb" => |site, identity| network_id(site, identity, "rtb"),
        b"vpce" => |site, identity| network_id(site, identity, "vpce"),
        b"igw" => |site, identity| network_id(site, identity, "igw"),
        b"nat" => |site, identity| network_id(site, identity, "nat"),
        _ => made_up,
    };
    Type { name, summary: NO_NETWORKS, reference, attributes, ..IGNORED }
}

fn vpc_id(site: &Site, identity: &Identity) -> String {
    network_id(site, identity, "vpc")
}

/// `vpc-` and its like with seventeen letters and digits.
fn network_id(site: &Site, identity: &Identity, prefix: &str) -> String {
    format!("{prefix}-{}", made_up_id(site, &identity.logical_id, 12))
}

fn made_up(site: &Site, identity: &Identity) -> String {
    made_up_id(site, &identity.logical_id, 10)
}

fn key_id(site: &Site, identity: &Identity) -> String {
    made_up_id(site, &identity.logical_id, 12)
}

fn certificate(site: &Site, identity: &Identity) -> String {
    arn(site, "acm", &format!("certificate/{}", key_id(site, identity)))
}

fn unique_id(prefix: &str, id: &str) -> String {
    format!("{prefix}{}", id.to_ascii_uppercase())
}

fn note(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let kind = identity.kind;
    build.scope.report.note(resource.at, format!("{} is not created: {}", kind.name, kind.summary));
}
