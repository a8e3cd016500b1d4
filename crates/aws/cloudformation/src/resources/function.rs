//! What `AWS::Lambda::Function` and `AWS::Serverless::Function` have in common. They differ in where the code is
//! named, in their events and in some properties.

use super::{Attribute, Build};
use crate::node::Node;
use crate::plan::{self, Architecture, Code, Function};
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served};
use crate::scope::{Identity, Scope, Site};
use crate::template::Resource;

/// AWS's limit of a function's name.
pub(super) const NAME_MAX: usize = 64;
/// AWS's defaults, which SAM keeps.
const TIMEOUT_SECONDS: u32 = 3;
const MEMORY_MB: u32 = 128;
/// AWS's limit of simultaneous executions that one account may ask for; above it, the number is a mistake.
const RESERVED_MAX: u32 = 1_000_000;

pub(super) const ATTRIBUTES: &[Attribute] = &[Attribute { name: "Arn", value: arn }];

/// What SAM makes of `AutoPublishAlias`. The version is the one that the alias leads to.
pub(super) const SERVERLESS_ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "Arn", value: arn },
    Attribute { name: "Alias", value: alias_arn },
    Attribute { name: "Version", value: alias_arn },
];

pub(super) const ARCHITECTURES: &[(&str, Architecture)] =
    &[("x86_64", Architecture::X86_64), ("arm64", Architecture::Arm64)];
const PACKAGE_TYPES: &[(&str, ())] = &[("Zip", ())];
const ENVIRONMENT: &[Property] = &[served("Variables")];

/// The properties both types have. A macro, since tables are constants.
macro_rules! with_common {
    ($($row:expr),* $(,)?) => { &[
        served("FunctionName"),
        served("Runtime"),
        served("Handler"),
        served("Environment"),
        served("Timeout"),
        served("MemorySize"),
        served("ReservedConcurrentExecutions"),
        served("Architectures"),
        served("Role"),
        served("Description"),
        served("PackageType"),
        served("Layers"),
        ignored("CodeSigningConfigArn", NO_PERMISSIONS),
        ignored("EphemeralStorage", NO_EFFECT),
        ignored("KmsKeyArn", NO_EFFECT),
        ignored("LoggingConfig", NO_EFFECT),
        ignored("RecursiveLoop", NO_EFFECT),
        ignored("RuntimeManagementConfig", NO_EFFECT),
        ignored("SnapStart", NO_EFFECT),
        ignored("Tags", NO_EFFECT),
        ignored("VpcConfig", "there are no private networks here"),
        unsupported("FileSystemConfigs", "use a folder of this machine by an environment variable"),
        unsupported("ImageConfig", "package the function as a folder or archive"),
        unsupported("CapacityProviderConfig", "remove it; functions run on this machine"),
        unsupported("DurableConfig", "remove it; durable functions are not served"),
        unsupported("FunctionScalingConfig", "remove it; functions run on this machine"),
        unsupported("TenancyConfig", "remove it; tenants are not told apart here"),
        $($row),*
    ] };
}
pub(super) use with_common;

pub(super) fn arn(site: &Site, function: &Identity) -> String {
    crate::names::arn(site, "lambda", &format!("function:{}", function.name))
}

fn alias_arn(site: &Site, function: &Identity) -> String {
    function.alias.as_ref().map_or(String::new(), |alias| format!("{}:{alias}", arn(site, function)))
}

/// What the function's events call: its alias, if SAM makes one.
pub(super) fn called_arn(site: &Site, function: &Identity) -> String {
    match function.alias {
        Some(_) => alias_arn(site, function),
        None => arn(site, function),
    }
}

/// The function that a property names.
pub(super) fn named(scope: &Scope<'_>, resource: &Resource, property: &str) -> Option<String> {
    let given = resource.properties.iter().find(|p| p.key == property)?;
    Some(name_of(&scope.text(&given.value, property)?))
}

/// A function's name out of its name or ARN, without a qualifier.
pub(super) fn name_of(text: &str) -> String {
    let tail = text.rsplit_once("function:").map_or(text, |(_, tail)| tail);
    tail.split(':').next().unwrap_or(tail).to_owned()
}

/// Puts the function into the plan, unless something it needs is missing (which is reported).
pub(super) fn push(
    build: &mut Build<'_>,
    identity: &Identity,
    resource: &Resource,
    properties: &Properties<'_>,
    code: Option<Code>,
) {
    if properties.node("PackageType").is_some_and(|node| node.text().as_deref() == Some("Image")) {
        return properties.error("PackageType", "functions in container images are not supported", "package it as Zip");
    }
    properties.choice("PackageType", PACKAGE_TYPES);
    let (runtime, handler) = (properties.required_text("Runtime"), properties.required_text("Handler"));
    let environment = properties.nested("Environment", ENVIRONMENT).map(|e| e.text_map("Variables"));
    let timeout_seconds = properties.number("Timeout", 1..=900).unwrap_or(TIMEOUT_SECONDS);
    let memory_mb = properties.number("MemorySize", 128..=10_240).unwrap_or(MEMORY_MB);
    let reserved_concurrency = properties.number("ReservedConcurrentExecutions", 0..=RESERVED_MAX);
    let architecture = architecture(properties);
    let layers = layers(build, properties);
    let (description, role) = (properties.text("Description").unwrap_or_default(), properties.text("Role"));
    let how = self::build(build, resource);
    let (Some(runtime), Some(handler), Some(code)) = (runtime, handler, code) else { return };
    let role_arn = build.role(identity, role);
    build.plan.functions.push(Function {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        arn: arn(&build.scope.site, identity),
        at: resource.at,
        runtime,
        handler,
        code,
        build: how,
        environment: environment.unwrap_or_default(),
        timeout_seconds,
        memory_mb,
        reserved_concurrency,
        architecture,
        layers,
        role_arn,
        description,
    });
}

/// ARNs of layers. What is wrong with one of this account is told when it is looked for.
fn layers(build: &Build<'_>, properties: &Properties<'_>) -> Vec<String> {
    let layers = properties.texts("Layers").unwrap_or_default();
    let own = crate::names::arn(&build.scope.site, "lambda", "layer:");
    for foreign in layers.iter().filter(|arn| !arn.starts_with(&own)) {
        let message = format!(
            "the layer {foreign} belongs to another account or region: functions run without it, unless one of its name is published here"
        );
        build.scope.report.note(properties.place("Layers"), message);
    }
    layers
}

fn architecture(properties: &Properties<'_>) -> Architecture {
    let Some(words) = properties.texts("Architectures") else { return Architecture::default() };
    let found = match words.as_slice() {
        [word] => ARCHITECTURES.iter().find(|(known, _)| known == word),
        _ => None,
    };
    match found {
        Some((_, architecture)) => *architecture,
        None => {
            properties.error("Architectures", "Architectures takes one of x86_64 and arm64", "give a list of one");
            Architecture::default()
        }
    }
}

/// Whether this is what `sam build` has made of a resource: it leaves its name for it, and the code where it says.
pub(super) fn is_built(metadata: &Node) -> bool {
    metadata.get("SamResourceId").is_some()
}

/// `Metadata` as `sam build` reads it.
fn build(build: &Build<'_>, resource: &Resource) -> Option<plan::Build> {
    const PROPERTIES: &[Property] =
        &[served("Binary"), served("WorkingDirectory"), ignored("ProjectRootDirectory", NO_EFFECT)];
    let metadata = resource.metadata.as_ref().filter(|metadata| !is_built(metadata))?;
    let method = build.scope.text(metadata.get("BuildMethod")?, "BuildMethod")?;
    let given = metadata.get("BuildProperties");
    let entries = given.and_then(Node::map).unwrap_or_default();
    let at = given.map_or(resource.at, |node| node.at);
    let properties = || Properties::read(build.scope, "BuildProperties", at, entries, PROPERTIES);
    match method.as_str() {
        "rust-cargolambda" => Some(plan::Build::CargoLambda { binary: properties().text("Binary") }),
        "makefile" => {
            let folder = properties().text("WorkingDirectory").map(|text| build.path(&text));
            Some(plan::Build::Makefile { working_directory: folder })
        }
        "esbuild" => {
            let properties = Properties::read(build.scope, "BuildProperties", at, entries, ESBUILD);
            let entry_points = properties.require("EntryPoints").and_then(|_| properties.texts("EntryPoints"))?;
            Some(plan::Build::Esbuild { entry_points, arguments: esbuild_arguments(&properties) })
        }
        "go1.x" => Some(plan::Build::Go),
        // The name of a runtime asks for what happens without a BuildMethod, too.
        _ if RUNTIME_FAMILIES.iter().any(|family| method.starts_with(family)) => None,
        _ => {
            let message = format!("BuildMethod {method} is not supported");
            let help = "served: rust-cargolambda, makefile, esbuild, go1.x; else run `sam build`, and `ithaca up .aws-sam/build`";
            build.scope.report.error(metadata.get("BuildMethod").map_or(at, |node| node.at), message, help);
            None
        }
    }
}

const RUNTIME_FAMILIES: &[&str] = &["python", "nodejs", "ruby", "java", "provided"];

/// SAM's properties of esbuild: what it calls them, as a flag, one value or several.
const ESBUILD: &[Property] = &[
    served("EntryPoints"),
    served("External"),
    served("Format"),
    served("Loader"),
    served("MainFields"),
    served("Minify"),
    served("OutExtension"),
    served("Sourcemap"),
    served("SourcesContent"),
    served("Target"),
    served("KeepNames"),
];

fn esbuild_arguments(properties: &Properties<'_>) -> Vec<String> {
    // SAM's default.
    let target = properties.text("Target").unwrap_or_else(|| "es2020".to_owned());
    let mut arguments = vec![format!("--target={target}")];
    let flags = [("Minify", "minify"), ("Sourcemap", "sourcemap"), ("KeepNames", "keep-names")];
    let wanted = flags.iter().filter(|(name, _)| properties.flag(name) == Some(true));
    arguments.extend(wanted.map(|(_, flag)| format!("--{flag}")));
    if properties.flag("SourcesContent") == Some(false) {
        arguments.push("--sources-content=false".to_owned());
    }
    arguments.extend(properties.text("Format").map(|format| format!("--format={format}")));
    let list = |name: &str| properties.texts(name).unwrap_or_default();
    arguments.extend(list("External").iter().map(|name| format!("--external:{name}")));
    arguments.extend(list("Loader").iter().map(|loader| format!("--loader:{loader}")));
    arguments.extend(list("OutExtension").iter().map(|extension| format!("--out-extension:{extension}")));
    arguments.extend(properties.text("MainFields").map(|fields| format!("--main-fields={fields}")));
    arguments
}
