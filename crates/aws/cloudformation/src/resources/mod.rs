//! Resource types: which there are, what each is called, and which part of the plan it becomes. To serve one more type,
//! add a file and its row in [`TYPES`]; a type that only has to be accepted is a row in `ignored.rs`.

mod activity;
mod api_deployment;
pub(crate) mod api_integration;
mod api_method;
mod api_resource;
mod api_stage;
mod definition;
mod dynamodb_table;
mod event;
mod event_message;
mod event_source;
mod events_connection;
mod events_rule;
mod function;
mod http_api;
mod http_deployment;
mod http_integration;
mod http_route;
mod http_stage;
mod ignored;
mod lambda_alias;
mod lambda_function;
mod lambda_url;
mod lambda_version;
mod layer_version;
mod machine_version;
mod nested_stack;
mod rest_api;
mod s3_bucket;
mod serverless_api;
mod serverless_function;
mod serverless_http_api;
mod serverless_state_machine;
mod simple_table;
mod sns_topic;
mod sqs_queue;
mod ssm_parameter;
mod state_machine;

pub(crate) use event::implicit_apis;
pub(crate) use nested_stack::STACK;

use std::path::{Path, PathBuf};

use crate::Files;
use crate::gateway::Parts;
use crate::names;
use crate::node::Node;
use crate::plan::{Cors, Plan};
use crate::properties::{self, Properties, Property, served};
use crate::scope::{Identity, Scope, Site};
use crate::template::Resource;

/// AWS's limit of a definition, and more than its limits of other documents.
const FILE_BYTES_MAX: usize = 1 << 20;

const TYPES: &[&[Type]] = &[
    &[
        dynamodb_table::TYPE,
        simple_table::TYPE,
        s3_bucket::TYPE,
        lambda_function::TYPE,
        serverless_function::TYPE,
        layer_version::TYPE,
        layer_version::SERVERLESS,
        lambda_version::TYPE,
        lambda_alias::TYPE,
        lambda_url::TYPE,
        activity::TYPE,
        nested_stack::TYPE,
        nested_stack::APPLICATION,
        events_connection::TYPE,
        sns_topic::TYPE,
        sns_topic::SUBSCRIPTION,
        sqs_queue::TYPE,
        ssm_parameter::TYPE,
        event_source::TYPE,
        state_machine::TYPE,
        machine_version::VERSION,
        machine_version::ALIAS,
        serverless_state_machine::TYPE,
        serverless_api::TYPE,
        rest_api::TYPE,
        api_resource::TYPE,
        api_method::TYPE,
        api_deployment::TYPE,
        api_stage::TYPE,
        serverless_http_api::TYPE,
        http_api::TYPE,
        http_integration::TYPE,
        http_route::TYPE,
        http_stage::TYPE,
        http_deployment::TYPE,
        events_rule::RULE,
        events_rule::SCHEDULE,
    ],
    ignored::TYPES,
];

pub(crate) struct Type {
    pub name: &'static str,
    /// The type that SAM makes of one of its own.
    pub becomes: Option<&'static str>,
    pub summary: &'static str,
    /// Whether something comes of it here. If not, its properties are not looked at.
    pub created: bool,
    /// The property that gives the physical name.
    pub named_by: Option<&'static str>,
    /// For names that are made of several properties; `None` after an error.
    pub identify: Option<fn(&Scope<'_>, &Resource) -> Option<String>>,
    /// The property that says that a name which is made up ends in .fifo.
    pub fifo_by: Option<&'static str>,
    /// The property that names the alias which a function is to be called by.
    pub alias_by: Option<&'static str>,
    /// AWS's limit of the physical name.
    pub name_max: usize,
    /// What `Ref` gives.
    pub reference: fn(&Site, &Identity) -> String,
    /// What `Fn::GetAtt` gives.
    pub attributes: &'static [Attribute],
    pub properties: &'static [Property],
    /// Further resources SAM makes of it, which a template may refer to.
    pub implied: fn(&Resource) -> Vec<Implied>,
    pub build: fn(&mut Build<'_>, &Identity, &Resource),
}

pub(crate) struct Attribute {
    pub name: &'static str,
    pub value: fn(&Site, &Identity) -> String,
}

pub(crate) struct Implied {
    pub logical_id: String,
    pub kind: &'static Type,
    /// The physical name, where it does not follow from the logical id.
    pub name: Option<String>,
}

impl Type {
    /// What a row says of itself unless it says otherwise.
    const PLAIN: Type = Type {
        name: "",
        becomes: None,
        summary: "",
        created: true,
        named_by: None,
        identify: None,
        fifo_by: None,
        alias_by: None,
        name_max: 255,
        reference: |_, identity| identity.name.clone(),
        attributes: &[],
        properties: &[],
        implied: |_| Vec::new(),
        build: |_, _, _| {},
    };

    /// Whether it stands for a type that is not served, which the user goes on without.
    pub fn is_unserved(&self) -> bool {
        self.name.is_empty()
    }

    /// The identity of a resource of this type.
    pub fn identity(&'static self, scope: &Scope<'_>, resource: &Resource) -> Identity {
        let text = |property: &str| {
            let given = resource.properties.iter().find(|p| p.key == property)?;
            let resolved = scope.resolve(&given.value);
            if resolved.is_absent() { None } else { scope.text(&given.value, &given.key) }
        };
        let given = match self.identify {
            Some(identify) => identify(scope, resource),
            None => self.named_by.and_then(text),
        };
        let alias = self.alias_by.and_then(text);
        let end = match self.fifo_by.and_then(text).as_deref() {
            Some("true") => ".fifo",
            _ => "",
        };
        let derived = || names::derived(&scope.site, &resource.id, self.name_max - end.len()) + end;
        let name = given.unwrap_or_else(derived);
        Identity { logical_id: resource.id.clone(), name, kind: self, alias }
    }
}

pub(crate) fn find(name: &str) -> Option<&'static Type> {
    all().find(|kind| kind.name == name)
}

/// A type of the same service whose name differs by a slip or two of the hand.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let (service, _) = name.rsplit_once("::")?;
    let of_service = all().filter(|kind| kind.name.rsplit_once("::").is_some_and(|(of, _)| of == service));
    let near = of_service.map(|kind| (properties::distance(name, kind.name), kind.name)).min();
    near.filter(|(distance, _)| *distance <= 2).map(|(_, name)| name)
}

/// The type of a resource that is live: one that is not served is there only because the user goes on without it.
pub(crate) fn of(resource: &Resource) -> &'static Type {
    find(&resource.kind.0).unwrap_or(&ignored::UNSERVED)
}

pub(crate) fn all() -> impl Iterator<Item = &'static Type> {
    TYPES.iter().flat_map(|types| types.iter())
}

/// Where resources leave what becomes of them.
pub(crate) struct Build<'a> {
    pub scope: &'a Scope<'a>,
    pub files: &'a dyn Files,
    /// The template's folder, which paths in it start from.
    pub folder: &'a Path,
    pub plan: Plan,
    pub gateway: Parts,
}

impl<'a> Build<'a> {
    pub fn resource(&mut self, identity: &Identity, resource: &Resource) {
        (identity.kind.build)(self, identity, resource);
    }

    /// The properties of a resource by its type's table.
    fn properties(&self, identity: &Identity, resource: &Resource) -> Properties<'a> {
        let kind = identity.kind;
        Properties::read(self.scope, kind.name, resource.at, &resource.properties, kind.properties)
    }

    /// A path the template names, as seen from where the template is; `.` in it says nothing and is left out.
    pub fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text).components().collect()
    }

    /// The text of a file that a property names.
    pub fn read(&self, properties: &Properties<'_>, name: &str, path: &Path) -> Option<String> {
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                properties.error(name, message, "paths start at the template's folder");
                return None;
            }
        };
        if bytes.len() > FILE_BYTES_MAX {
            let message = format!("{} has {} bytes, the limit is {FILE_BYTES_MAX}", path.display(), bytes.len());
            properties.error(name, message, "split it into several");
            return None;
        }
        match crate::decode(&bytes) {
            Ok(text) => Some(text.to_owned()),
            Err((at, message)) => {
                properties.scope.report.error_in(path, at, message, "save the file as UTF-8");
                None
            }
        }
    }

    /// The role a resource runs as: the one it names, or the one SAM would make for it.
    fn role(&self, identity: &Identity, given: Option<String>) -> String {
        given.unwrap_or_else(|| {
            let name = names::derived(&self.scope.site, &implied_role_id(&identity.logical_id), ignored::ROLE.name_max);
            names::iam_arn(&self.scope.site, &format!("role/{name}"))
        })
    }
}

/// SAM makes a role for each function and state machine that names none.
fn implied_role(resource: &Resource) -> Vec<Implied> {
    match resource.properties.iter().any(|p| p.key == "Role") {
        true => Vec::new(),
        false => vec![Implied { logical_id: implied_role_id(&resource.id), kind: &ignored::ROLE, name: None }],
    }
}

fn implied_role_id(logical_id: &str) -> String {
    format!("{logical_id}Role")
}

/// The file or folder that stands for the object in S3 whose key a property gives; the bucket is in the one beside it.
pub(crate) fn asset(build: &Build<'_>, properties: &Properties<'_>, key: &str) -> Option<PathBuf> {
    let site = &build.scope.site;
    if site.assets.is_empty() && !site.outside.has_objects() {
        return None;
    }
    properties.node(key)?;
    let found = properties.text(key)?;
    site.assets.get(&found).cloned().or_else(|| {
        let bucket = properties.text(&key.replace("Key", "Bucket"))?;
        site.outside.object(&bucket, &found)
    })
}

/// What is said where an object is not here.
fn no_object(site: &Site) -> &'static str {
    match site.is_remote {
        true => "upload it first: `aws cloudformation package`, `sam deploy` and `cdk deploy` do",
        false => "name a folder or file beside the template",
    }
}

/// A local path, or the file of an object in S3 (`s3://BUCKET/KEY`); what is neither is an error.
pub(crate) fn local_path(properties: &Properties<'_>, name: &str, node: &Node) -> Option<String> {
    let site = &properties.scope.site;
    let text = match node.text() {
        Some(text) => text,
        None => {
            if !node.is_invalid() {
                properties.error(name, format!("{name} is not a path"), no_object(site));
            }
            return None;
        }
    };
    let place = text.strip_prefix("s3://").and_then(|place| place.split_once('/'));
    if let Some((bucket, key)) = place.filter(|_| site.outside.has_objects()) {
        let object = site.outside.object(bucket, key).and_then(|path| path.into_os_string().into_string().ok());
        if object.is_none() {
            properties.error(name, format!("{text} is not on this machine"), no_object(site));
        }
        return object;
    }
    if site.is_remote || text.starts_with("https://") || text.starts_with("s3://") {
        let what = if site.is_remote { "an object in S3 (s3://BUCKET/KEY)" } else { "a local path" };
        properties.error(name, format!("{name} is not {what}"), no_object(site));
        return None;
    }
    Some(text)
}

/// `CorsConfiguration` of HTTP APIs. SAM takes `true` for every origin; a document begins names in lower case.
pub(crate) fn cors(properties: &Properties<'_>, name: &str, may_be_flag: bool) -> Option<Cors> {
    const CORS: &[Property] = &[
        served("AllowCredentials"),
        served("AllowHeaders"),
        served("AllowMethods"),
        served("AllowOrigins"),
        served("ExposeHeaders"),
        served("MaxAge"),
    ];
    let node = properties.node(name)?;
    if may_be_flag && let Some(flag) = node.flag() {
        return flag.then(|| Cors { allow_origins: vec!["*".into()], ..Cors::default() });
    }
    properties.entries(name)?;
    let node = api_integration::capitalised(node);
    let cors = Properties::read(properties.scope, name, node.at, node.map().unwrap_or_default(), CORS);
    let texts = |name: &str| cors.texts(name).unwrap_or_default();
    let max_age_seconds = cors.number("MaxAge", 0..=86_400);
    let allow_credentials = cors.flag("AllowCredentials") == Some(true);
    if allow_credentials && texts("AllowOrigins").iter().any(|origin| origin == "*") {
        cors.error("AllowOrigins", "credentials cannot be allowed to every origin", "name the origins");
    }
    Some(Cors {
        allow_credentials,
        allow_headers: texts("AllowHeaders"),
        allow_methods: texts("AllowMethods"),
        allow_origins: texts("AllowOrigins"),
        expose_headers: texts("ExposeHeaders"),
        max_age_seconds,
    })
}
