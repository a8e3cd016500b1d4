//! What AWS serves and Ithaca does not yet, all in one place.
//!
//! A definition that asks for it is refused with a code of our own, never run in part. Serving a feature means
//! deleting its row here and what mentions it.

use crate::diagnostic::Diagnostic;
use crate::parse::{At, Problem};

/// The code of every refusal in this file.
pub const NOT_SERVED_YET: &str = "ITHACA_NOT_SERVED_YET";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Jsonata,
    Variables,
    Credentials,
    DistributedMap,
    Activity,
    Integration,
    Pattern,
}

/// What is missing, and what to do meanwhile.
const FEATURES: &[(Feature, &str, &str)] = &[
    (
        Feature::Jsonata,
        "Ithaca does not serve the query language JSONata yet",
        "write the state in JSONPath: Parameters, ResultSelector and ResultPath instead of Arguments and Output",
    ),
    (
        Feature::Variables,
        "Ithaca does not serve workflow variables (Assign) yet",
        "keep the value in the state's data with ResultPath, and read it from there",
    ),
    (
        Feature::Credentials,
        "Ithaca does not serve Credentials yet",
        "remove the field: tasks run without a role of their own",
    ),
    (
        Feature::DistributedMap,
        "Ithaca does not serve the distributed Map yet",
        "use an inline Map over items in the state's data: ProcessorConfig.Mode INLINE without ItemReader, \
         ItemBatcher, ResultWriter and Label",
    ),
    (Feature::Activity, "Ithaca does not serve activities yet", "let a Lambda function do the work"),
    (
        Feature::Integration,
        "Ithaca does not serve this service integration yet",
        "call the service from a Lambda function: a function ARN or arn:aws:states:::lambda:invoke",
    ),
    (
        Feature::Pattern,
        "Ithaca does not serve the patterns .sync and .waitForTaskToken yet",
        "use arn:aws:states:::lambda:invoke, which waits for the function's answer",
    ),
];

/// Fields of states, choice rules and catchers that belong to a feature.
const FIELDS: &[(&str, Feature)] = &[
    ("Assign", Feature::Variables),
    ("Credentials", Feature::Credentials),
    ("ItemReader", Feature::DistributedMap),
    ("ItemBatcher", Feature::DistributedMap),
    ("ResultWriter", Feature::DistributedMap),
    ("Label", Feature::DistributedMap),
];

/// The refusal of a feature at a place.
pub(crate) fn problem(feature: Feature, at: &At<'_>) -> Problem {
    let (_, message, help) = row(feature);
    Problem::new(NOT_SERVED_YET, at, *message).help(*help)
}

fn row(feature: Feature) -> &'static (Feature, &'static str, &'static str) {
    FEATURES.iter().find(|(row, ..)| *row == feature).expect("every feature has a row")
}

/// The feature that a field belongs to.
pub(crate) fn field(name: &str) -> Option<Feature> {
    FIELDS.iter().find(|(field, _)| *field == name).map(|(_, feature)| *feature)
}

/// How the parser of paths refuses `$name`, also inside templates, conditions and intrinsic functions. Those know
/// words but no codes: [`recode`] gives theirs.
pub(crate) const VARIABLES_IN_PATHS: &str =
    "variables ('$name') are not served yet: pass the value in the state's input and name it '$.name'";

/// A path that reads a variable is a good path to AWS; the refusal is ours.
pub(crate) fn recode(found: &mut Diagnostic) {
    if found.help.as_deref().is_some_and(|help| help.contains(VARIABLES_IN_PATHS)) {
        let (_, message, _) = row(Feature::Variables);
        found.code = NOT_SERVED_YET;
        found.message = message.to_string();
    }
}
