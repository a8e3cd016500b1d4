//! What AWS serves and Ithaca does not yet, all in one place.
//!
//! A definition that asks for it is refused with a code of our own, never run in part. Serving a feature means
//! deleting its row here and what mentions it.

use crate::parse::{At, Problem};

/// The code of every refusal in this file.
pub const NOT_SERVED_YET: &str = "ITHACA_NOT_SERVED_YET";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Credentials,
    DistributedMap,
    Activity,
    Integration,
    Pattern,
}

/// What is missing, and what to do meanwhile.
const FEATURES: &[(Feature, &str, &str)] = &[
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

/// Fields of states that belong to a feature.
const FIELDS: &[(&str, Feature)] = &[
    ("Credentials", Feature::Credentials),
    ("ItemReader", Feature::DistributedMap),
    ("ItemBatcher", Feature::DistributedMap),
    ("ResultWriter", Feature::DistributedMap),
    ("Label", Feature::DistributedMap),
];

/// The refusal of a feature at a place.
pub(crate) fn problem(feature: Feature, at: &At<'_>) -> Problem {
    let row = FEATURES.iter().find(|(row, ..)| *row == feature);
    let (_, message, help) = row.expect("every feature has a row");
    Problem::new(NOT_SERVED_YET, at, *message).help(*help)
}

/// The feature that a field belongs to.
pub(crate) fn field(name: &str) -> Option<Feature> {
    FIELDS.iter().find(|(field, _)| *field == name).map(|(_, feature)| *feature)
}
