//! The runner itself: cases of our own, some of which must fail, and in which words.

use std::path::Path;

use conformance::{Report, Selection, run};

fn report(case: &str) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    run(&folder, &Selection { area: None, case: Some(case.to_owned()) }).expect("the cases can be read")
}

/// What a case is said to have failed with; nothing when it passed.
fn check(case: &str, expect: &str) {
    let text = report(case).text(true);
    let finding: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    assert_eq!(finding.join(" | "), expect, "{case}");
}

#[test]
fn findings() {
    check("base/task_retried", "");
    check("base/still_waiting", "");
    check("api/subset_and_error", "");
    check(
        "base/other_cause",
        "differs  base/other_cause | outcome: /cause: recorded \"why not\", found \"because\" \
         | outcome: - recorded, + found | { | -   \"cause\": \"why not\", | +   \"cause\": \"because\", \
         | \"error\": \"Refused\", | \"status\": \"FAILED\" | }",
    );
    check(
        "base/unanswered_task",
        "fails    base/unanswered_task | nothing is recorded for a further attempt of Pay with {} \
         | outcome: - recorded, + found | { | -   \"output\": {}, | -   \"status\": \"SUCCEEDED\" \
         | +   \"status\": \"RUNNING\" | }",
    );
    check("api/watched_to_its_end", "fails    api/watched_to_its_end | step 0 answered no none");
}

#[test]
fn the_last_line_counts_what_counts() {
    let last = |case: &str| report(case).text(false).lines().last().unwrap_or_default().to_owned();
    assert_eq!(last(""), "3 passed, 3 failed");
    assert_eq!(last("unverified/"), "0 passed, 0 failed");
}

#[test]
fn nothing_to_run_is_an_error() {
    let check = |folder: &str, selection: &Selection, expect: &str| {
        let why = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), selection).err();
        assert!(why.as_ref().is_some_and(|why| why.contains(expect)), "{why:?}");
    };
    check("src", &Selection::default(), "holds no cases");
    check("tests/cases", &Selection { area: Some("nowhere".into()), case: None }, "is selected by");
}
