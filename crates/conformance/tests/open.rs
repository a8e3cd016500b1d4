//! The recorded cases that Ithaca agrees with, by area: a number here only ever goes up.
//!
//! The cases are not part of the repository. Where they are missing the test says so and passes.

use std::path::Path;

use conformance::{Selection, run};

/// Cases that pass strictly. When a run reaches more, write the new number here.
const STRICT_MIN: &[(&str, usize)] = &[
    ("activities", 0),
    ("api", 88),
    ("arguments", 3),
    ("assign", 25),
    ("base", 24),
    ("callback", 0),
    ("choice_operators", 23),
    ("comments", 2),
    ("context_object", 6),
    ("credentials", 1),
    ("error_handling", 10),
    ("evaluate_jsonata", 7),
    ("express", 0),
    ("intrinsic_functions", 105),
    ("local_mocking", 2),
    ("logs", 18),
    ("outputdecl", 12),
    ("query_language", 9),
    ("scenarios", 73),
    ("services", 10),
    ("states_variables", 6),
    ("test_state", 0),
    ("timeouts", 2),
    ("unverified", 89),
];

#[test]
fn recorded_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/open");
    if !folder.is_dir() {
        println!("skipped: there are no recorded cases at {}", folder.display());
        return;
    }
    let report = run(&folder, &Selection::default()).expect("the cases can be read");
    let scores = report.by_area();
    println!("{}", report.text(false));
    let fallen: Vec<String> = STRICT_MIN
        .iter()
        .map(|(area, least)| (area, least, scores.get(*area).map_or(0, |score| score.strict)))
        .filter(|(_, least, strict)| strict < *least)
        .map(|(area, least, strict)| format!("{area}: {strict} pass, it were {least}"))
        .collect();
    assert!(fallen.is_empty(), "{fallen:?}");
    let unlisted: Vec<&String> =
        scores.keys().filter(|area| !STRICT_MIN.iter().any(|(listed, _)| listed == area)).collect();
    assert!(unlisted.is_empty(), "give these areas a row in STRICT_MIN: {unlisted:?}");
}
