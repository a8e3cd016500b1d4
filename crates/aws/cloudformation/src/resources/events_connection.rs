//! `AWS::Events::Connection`: the body of CreateConnection.
//!
//! A secret may be a dynamic reference, as it should be on AWS. It is passed on as it is written: the one who calls the API
//! takes the secret from the environment.

use serde_json::{Map, Value as Json};

use super::{Attribute, Build, Type};
use crate::names;
use crate::plan::Connection;
use crate::properties::{NO_EFFECT, Property, ignored, served, unsupported};
use crate::scope::{Identity, Site};
use crate::shape::{self, Shape, same};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Events::Connection",
    summary: "a connection to an API elsewhere",
    named_by: Some("Name"),
    name_max: 64,
    attributes: &[
        Attribute { name: "Arn", value: arn },
        Attribute { name: "ArnForPolicy", value: |site, connection| without_id(&arn(site, connection)) },
        Attribute { name: "SecretArn", value: secret_arn },
    ],
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const DIRECT: &str = "there is no private connectivity here: remove it, the API is called directly";

const PROPERTIES: &[Property] = &[
    served("Name"),
    served("AuthorizationType"),
    served("AuthParameters"),
    served("Description"),
    ignored("KmsKeyIdentifier", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
    unsupported("InvocationConnectivityParameters", DIRECT),
];

const PARAMETERS: Shape = Shape::List(&Shape::Object(&[
    same("Key", Shape::Text),
    same("Value", Shape::Text),
    same("IsValueSecret", Shape::Flag),
]));
const HTTP_PARAMETERS: Shape = Shape::Object(&[
    same("HeaderParameters", PARAMETERS),
    same("QueryStringParameters", PARAMETERS),
    same("BodyParameters", PARAMETERS),
]);
const AUTH_PARAMETERS: Shape = Shape::Object(&[
    same("ApiKeyAuthParameters", Shape::Object(&[same("ApiKeyName", Shape::Text), same("ApiKeyValue", Shape::Text)])),
    same("BasicAuthParameters", Shape::Object(&[same("Username", Shape::Text), same("Password", Shape::Text)])),
    same(
        "OAuthParameters",
        Shape::Object(&[
            same("AuthorizationEndpoint", Shape::Text),
            same("HttpMethod", Shape::Text),
            same("OAuthHttpParameters", HTTP_PARAMETERS),
            same(
                "ClientParameters",
                Shape::Object(&[same("ClientID", Shape::Text), same("ClientSecret", Shape::Text)]),
            ),
        ]),
    ),
    same("InvocationHttpParameters", HTTP_PARAMETERS),
    same("ConnectivityParameters", Shape::Dropped),
]);

fn arn(site: &Site, connection: &Identity) -> String {
    let id = names::made_up_uuid(site, &connection.logical_id);
    names::arn(site, "events", &format!("connection/{}/{id}", connection.name))
}

fn without_id(arn: &str) -> String {
    arn.rsplit_once('/').map_or(arn, |(arn, _)| arn).to_owned()
}

fn secret_arn(site: &Site, connection: &Identity) -> String {
    let arn = arn(site, connection);
    let id = arn.rsplit('/').next().unwrap_or_default();
    names::arn(site, "secretsmanager", &format!("secret:events!connection/{}/{id}", connection.name))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    build.scope.keeps_references.set(true);
    let properties = build.properties(identity, resource);
    build.scope.keeps_references.set(false);
    let mut create = Map::from_iter([("Name".to_owned(), Json::from(identity.name.as_str()))]);
    for name in ["AuthorizationType", "Description"] {
        create.extend(properties.text(name).map(|text| (name.to_owned(), text.into())));
    }
    properties.require("AuthorizationType");
    if let Some(node) = properties.require("AuthParameters") {
        let given = shape::json(properties.scope, node, &AUTH_PARAMETERS, "AuthParameters");
        create.extend(given.map(|given| ("AuthParameters".to_owned(), given)));
    }
    build.plan.connections.push(Connection {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        arn: arn(&build.scope.site, identity),
        at: resource.at,
        create: Json::Object(create),
    });
}
