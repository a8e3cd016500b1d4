//! `AWS::Lambda::Alias`: a name for a version of a function, or for two by weight.

use super::function;
use super::{Attribute, Build, Type};
use crate::plan::Alias;
use crate::properties::{Properties, Property, ignored, served};
use crate::scope::{Identity, Scope};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Lambda::Alias",
    summary: "a name for a version",
    identify: Some(identify),
    reference: function::arn,
    attributes: &[
        Attribute { name: "AliasArn", value: function::arn },
        // Not AWS's: by it two aliases of one name are told.
        Attribute { name: "Arn", value: function::arn },
    ],
    properties: &[
        served("FunctionName"),
        served("FunctionVersion"),
        served("Name"),
        served("Description"),
        served("RoutingConfig"),
        ignored("ProvisionedConcurrencyConfig", "processes start when they are needed"),
    ],
    build,
    ..Type::PLAIN
};

const ROUTING: &[Property] = &[served("AdditionalVersionWeights")];
const WEIGHT: &[Property] = &[served("FunctionVersion"), served("FunctionWeight")];

fn identify(scope: &Scope<'_>, resource: &Resource) -> Option<String> {
    let name = resource.properties.iter().find(|p| p.key == "Name")?;
    Some(format!("{}:{}", function::named(scope, resource, "FunctionName")?, scope.text(&name.value, "Name")?))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let (function, name) = (properties.required_text("FunctionName"), properties.required_text("Name"));
    let version = properties.required_text("FunctionVersion");
    let routing = properties.nested("RoutingConfig", ROUTING);
    let weights = routing.and_then(|routing| routing.list("AdditionalVersionWeights")).unwrap_or_default();
    let weights = weights.iter().filter_map(|node| {
        let of = "AdditionalVersionWeights";
        let weight = Properties::read(build.scope, of, node.at, node.map().unwrap_or_default(), WEIGHT);
        let share = weight.required_text("FunctionWeight")?;
        let Ok(share) = share.parse::<f64>() else {
            weight.error("FunctionWeight", "FunctionWeight must be a number from 0 to 1", "give such a number");
            return None;
        };
        Some((weight.required_text("FunctionVersion")?, share))
    });
    let weights = weights.collect();
    let (Some(function), Some(name), Some(version)) = (function, name, version) else { return };
    build.plan.aliases.push(Alias {
        logical_id: identity.logical_id.clone(),
        function: function::name_of(&function),
        name,
        arn: function::arn(&build.scope.site, identity),
        at: resource.at,
        version: Some(version),
        weights,
        description: properties.text("Description").unwrap_or_default(),
    });
}
