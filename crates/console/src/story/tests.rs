//! Histories as tables, and what is told of them.

use std::collections::HashMap;

use super::{Aftermath, End, Event, Over, Story, Tale, What};

fn entered(kind: &'static str, name: &'static str) -> What<'static> {
    What::Entered { kind, name }
}

fn exited(kind: &'static str, name: &'static str) -> What<'static> {
    What::Exited { kind, name }
}

/// Events as (previous, what); ids and times are their places.
fn tale(events: &[(u64, What<'static>)]) -> Tale {
    let compensations = HashMap::from([("Cancel".to_owned(), "Book".to_owned())]);
    let numbered = events.iter().zip(1..);
    let errors = HashMap::from([("No".to_owned(), "Denied: not today".to_owned())]);
    let mut tale = Tale { errors, ..Tale::new(compensations) };
    numbered.for_each(|((previous, what), id)| {
        tale.tell(&Event { id, previous: *previous, at: id as i64, what: what.clone() });
    });
    tale
}

#[track_caller]
fn check(events: &[(u64, What<'static>)], expect: &[(&str, usize, &str, usize)], story: &[&str]) {
    let tale = tale(events);
    let shown: Vec<_> =
        tale.visits.iter().map(|v| (v.name.as_str(), v.depth, v.end.name(), v.attempts.len())).collect();
    assert_eq!(shown, expect);
    let told: Vec<String> = Story::of(&tale).sentences(&tale, "why").into_iter().map(|it| it.text).collect();
    assert_eq!(told, story);
}

fn failed(why: &str) -> What<'static> {
    What::Failed(why.to_owned())
}

#[test]
fn a_caught_failure_and_its_compensation() {
    check(
        &[
            (0, What::Other),
            (0, entered("Task", "Book")),
            (2, What::Scheduled),
            (3, failed("Full")),
            (4, exited("Task", "Book")),
            (5, entered("Task", "Cancel")),
            (6, What::Scheduled),
            (7, failed("E")),
            (8, What::Scheduled),
            (9, What::Succeeded),
            (10, exited("Task", "Cancel")),
            (11, entered("Fail", "Sorry")),
            (12, What::Over(Over::Failed)),
        ],
        &[("Book", 0, "CAUGHT", 1), ("Cancel", 0, "SUCCEEDED", 2), ("Sorry", 0, "FAILED", 0)],
        &["Book failed: Full.", "Cancel compensated.", "Nothing is left over."],
    );
}

#[test]
fn a_failure_without_an_origin() {
    check(
        &[(0, What::Other), (0, entered("Fail", "Sorry")), (2, What::Over(Over::Failed))],
        &[("Sorry", 0, "FAILED", 0)],
        &["It failed in Sorry: why."],
    );
}

#[test]
fn a_compensation_that_gave_up() {
    check(
        &[
            (0, What::Other),
            (0, entered("Task", "Book")),
            (2, What::Scheduled),
            (3, failed("Full")),
            (4, exited("Task", "Book")),
            (5, entered("Task", "Cancel")),
            (6, What::Scheduled),
            (7, failed("E")),
            (8, What::Over(Over::Failed)),
        ],
        &[("Book", 0, "CAUGHT", 1), ("Cancel", 0, "FAILED", 1)],
        &["Book failed: Full.", "Cancel did not compensate Book: its effect is left over."],
    );
}

#[test]
fn a_stop_leaves_effects() {
    check(
        &[
            (0, What::Other),
            (0, entered("Task", "Book")),
            (2, What::Scheduled),
            (3, What::Succeeded),
            (4, exited("Task", "Book")),
            (5, entered("Task", "Pay")),
            (6, What::Scheduled),
            (7, What::StateAborted),
            (8, What::Over(Over::Aborted)),
        ],
        &[("Book", 0, "SUCCEEDED", 1), ("Pay", 0, "ABORTED", 1)],
        &["Book was not compensated: its effect is left over.", "It was stopped: why."],
    );
}

#[test]
fn branches_are_deeper_and_interleave() {
    check(
        &[
            (0, What::Other),
            (0, entered("Parallel", "Both")),
            (2, What::BranchesBegan),
            (3, entered("Pass", "A")),
            (3, entered("Wait", "B")),
            (4, exited("Pass", "A")),
            (5, exited("Wait", "B")),
            (7, What::Other),
            (7, exited("Parallel", "Both")),
            (9, entered("Pass", "After")),
        ],
        &[("Both", 0, "SUCCEEDED", 0), ("A", 1, "SUCCEEDED", 0), ("B", 1, "SUCCEEDED", 0), ("After", 0, "RUNNING", 0)],
        &["It is in After."],
    );
}

#[test]
fn an_error_is_told_where_it_came_from_and_where_it_was_caught() {
    let events = [
        (0, What::Other),
        (0, entered("Parallel", "Both")),
        (2, What::BranchesBegan),
        (3, entered("Task", "A")),
        (3, entered("Wait", "B")),
        (4, What::Scheduled),
        (6, failed("Broken")),
        (5, What::StateAborted),
        (7, What::BranchesFailed),
        (9, exited("Parallel", "Both")),
        (10, entered("Pass", "Mend")),
        (11, exited("Pass", "Mend")),
        (12, What::Over(Over::Succeeded)),
    ];
    check(
        &events,
        &[("Both", 0, "CAUGHT", 0), ("A", 1, "FAILED", 1), ("B", 1, "ABORTED", 0), ("Mend", 0, "SUCCEEDED", 0)],
        &["A failed: Broken.", "Both caught it."],
    );
    let tale = tale(&events);
    let story = Story::of(&tale);
    assert_eq!((story.origin, story.caught_by), (Some(1), Some(0)));
}

/// Pay fails in a branch: it is recorded as aborted before its sibling is, and the failure hangs on its last own event.
fn paid_in_vain() -> Vec<(u64, What<'static>)> {
    vec![
        (0, What::Other),
        (0, entered("Parallel", "Both")),
        (2, What::BranchesBegan),
        (3, entered("Wait", "A")),
        (3, entered("Task", "Pay")),
        (5, What::Scheduled),
        (6, failed("InvalidEvent: no")),
        (7, What::StateAborted),
        (4, What::StateAborted),
        (7, What::BranchesFailed),
    ]
}

fn with(mut events: Vec<(u64, What<'static>)>, more: &[(u64, What<'static>)]) -> Vec<(u64, What<'static>)> {
    events.extend_from_slice(more);
    events
}

#[test]
fn a_task_that_fails_in_a_branch_is_named_and_its_siblings_are_cut_off() {
    let inside = [("A", 1, "ABORTED", 0), ("Pay", 1, "FAILED", 1)];
    let told = |both: &'static str, after: &[(&'static str, usize, &'static str, usize)]| {
        [&[("Both", 0, both, 0)], &inside[..], after].concat()
    };
    let caught = with(paid_in_vain(), &[(10, exited("Parallel", "Both"))]);
    check(
        &with(
            caught.clone(),
            &[(11, entered("Pass", "P")), (12, exited("Pass", "P")), (13, What::Over(Over::Succeeded))],
        ),
        &told("CAUGHT", &[("P", 0, "SUCCEEDED", 0)]),
        &["Pay failed: InvalidEvent: no.", "Both caught it."],
    );
    let undone = [
        (11, entered("Task", "Cancel")),
        (12, What::Scheduled),
        (13, What::Succeeded),
        (14, exited("Task", "Cancel")),
        (15, entered("Fail", "Sorry")),
        (16, What::Over(Over::Failed)),
    ];
    check(
        &with(caught, &undone),
        &told("CAUGHT", &[("Cancel", 0, "SUCCEEDED", 1), ("Sorry", 0, "FAILED", 0)]),
        &["Pay failed: InvalidEvent: no.", "Both caught it.", "Cancel compensated.", "Nothing is left over."],
    );
    check(
        &with(paid_in_vain(), &[(10, What::Over(Over::Failed))]),
        &told("FAILED", &[]),
        &["Pay failed: InvalidEvent: no."],
    );
    // A Parallel that is tried again has no event of its failure: what it began anew after was the culprit's last.
    let again = [
        (7, What::BranchesBegan),
        (10, entered("Pass", "P")),
        (11, exited("Pass", "P")),
        (12, exited("Parallel", "Both")),
        (13, What::Over(Over::Succeeded)),
    ];
    let tried = paid_in_vain()[..9].to_vec();
    check(&with(tried, &again), &told("SUCCEEDED", &[("P", 1, "SUCCEEDED", 0)]), &[]);
}

#[test]
fn a_fail_state_inside_is_where_the_error_came_from() {
    let branches = |end: &[(u64, What<'static>)]| {
        let begun = vec![
            (0, What::Other),
            (0, entered("Parallel", "Both")),
            (2, What::BranchesBegan),
            (3, entered("Wait", "A")),
            (3, entered("Fail", "No")),
            (4, What::StateAborted),
            (5, What::BranchesFailed),
        ];
        with(begun, end)
    };
    let items = |end: &[(u64, What<'static>)]| {
        let begun = vec![
            (0, What::Other),
            (0, entered("Map", "Each")),
            (2, What::MapBegan { length: 1 }),
            (3, What::IterationBegan { name: "Each", index: 0 }),
            (4, entered("Fail", "No")),
            (5, What::IterationEnded { name: "Each", end: End::Failed }),
            (5, What::MapFailed),
        ];
        with(begun, end)
    };
    let inside = [("A", 1, "ABORTED", 0), ("No", 1, "FAILED", 0)];
    check(
        &branches(&[(7, exited("Parallel", "Both")), (8, What::Over(Over::Succeeded))]),
        &[("Both", 0, "CAUGHT", 0), inside[0], inside[1]],
        &["No failed: Denied: not today.", "Both caught it."],
    );
    check(
        &branches(&[(7, What::Over(Over::Failed))]),
        &[("Both", 0, "FAILED", 0), inside[0], inside[1]],
        &["No failed: Denied: not today."],
    );
    check(
        &items(&[(7, exited("Map", "Each")), (8, What::Over(Over::Succeeded))]),
        &[("Each", 0, "CAUGHT", 0), inside[1]],
        &["No failed: Denied: not today.", "Each caught it."],
    );
}

#[test]
fn the_error_told_is_the_last_before_the_way_back() {
    let fails = |at: u64, name: &'static str| {
        [(at, entered("Task", name)), (at + 1, What::Scheduled), (at + 2, failed(name)), (at + 3, exited("Task", name))]
    };
    let begun = |names: &[&'static str]| {
        let all = names.iter().zip((1..).step_by(4)).flat_map(|(name, at)| fails(at, name));
        std::iter::once((0, What::Other)).chain(all).collect::<Vec<_>>()
    };
    check(
        &with(begun(&["A", "B"]), &[(9, What::Over(Over::Succeeded))]),
        &[("A", 0, "CAUGHT", 1), ("B", 0, "CAUGHT", 1)],
        &["B failed: B."],
    );
    let undone = [
        (9, entered("Task", "Cancel")),
        (10, What::Scheduled),
        (11, What::Succeeded),
        (12, exited("Task", "Cancel")),
        (13, entered("Task", "Tell")),
        (14, What::Scheduled),
        (15, failed("Deaf")),
        (16, exited("Task", "Tell")),
        (17, What::Over(Over::Succeeded)),
    ];
    check(
        &with(begun(&["A", "B"]), &undone),
        &[("A", 0, "CAUGHT", 1), ("B", 0, "CAUGHT", 1), ("Cancel", 0, "SUCCEEDED", 1), ("Tell", 0, "CAUGHT", 1)],
        &["B failed: B.", "Cancel compensated."],
    );
}

#[test]
fn a_branch_that_is_redriven_is_the_one_that_was_cut_off() {
    let redriven = with(paid_in_vain(), &[(10, What::Over(Over::Failed)), (11, What::Redriven), (12, What::Scheduled)]);
    let inside = [("A", 1, "ABORTED", 0), ("Pay", 1, "FAILED", 2)];
    check(
        &with(
            redriven.clone(),
            &[(13, failed("Again")), (14, What::StateAborted), (12, What::StateAborted), (14, What::BranchesFailed)],
        ),
        &[("Both", 0, "RUNNING", 0), inside[0], inside[1]],
        &["It is still running."],
    );
    let failed_again = [
        (13, failed("Again")),
        (14, What::StateAborted),
        (12, What::StateAborted),
        (14, What::BranchesFailed),
        (17, What::Over(Over::Failed)),
    ];
    check(
        &with(redriven.clone(), &failed_again),
        &[("Both", 0, "FAILED", 0), inside[0], inside[1]],
        &["Pay failed: Again."],
    );
    // What was mended is told no more.
    let mended = [
        (13, What::Succeeded),
        (14, exited("Task", "Pay")),
        (12, exited("Wait", "A")),
        (16, exited("Parallel", "Both")),
        (17, What::Over(Over::Succeeded)),
    ];
    check(
        &with(redriven, &mended),
        &[("Both", 0, "SUCCEEDED", 0), ("A", 1, "SUCCEEDED", 0), ("Pay", 1, "SUCCEEDED", 2)],
        &[],
    );
    // A Fail state is entered once more, in its branch.
    check(
        &[
            (0, What::Other),
            (0, entered("Parallel", "Both")),
            (2, What::BranchesBegan),
            (3, entered("Fail", "No")),
            (4, What::BranchesFailed),
            (5, What::Over(Over::Failed)),
            (6, What::Redriven),
            (7, entered("Fail", "No")),
            (8, What::BranchesFailed),
            (9, What::Over(Over::Failed)),
        ],
        &[("Both", 0, "FAILED", 0), ("No", 1, "FAILED", 0), ("No", 1, "FAILED", 0)],
        &["No failed: Denied: not today."],
    );
}

#[test]
fn the_pause_before_a_redrive_is_no_work() {
    let tale = tale(&[
        (0, What::Other),
        (0, entered("Task", "Book")),
        (2, What::Scheduled),
        (3, What::Over(Over::Aborted)),
        (4, What::Redriven),
        (5, What::Scheduled),
        (6, What::Succeeded),
        (7, exited("Task", "Book")),
    ]);
    assert_eq!(tale.pauses, [(4, 5)]);
    let check = |from, to, expect| assert_eq!(tale.worked(from, to), expect, "{from} to {to}");
    check(2, 8, 5);
    check(2, 4, 2);
    check(5, 8, 3);
    let book = &tale.visits[0];
    let attempts: Vec<_> = book.attempts.iter().map(|attempt| (attempt.ended, attempt.given_up)).collect();
    assert_eq!((book.end, attempts), (End::Done, vec![(None, Some(4)), (Some(7), None)]));
}

#[test]
fn a_redrive_goes_on_where_it_was_cut_off() {
    let both = [
        (0, What::Other),
        (0, entered("Parallel", "Both")),
        (2, What::BranchesBegan),
        (3, entered("Task", "A")),
        (3, entered("Wait", "B")),
        (4, What::Scheduled),
        (6, failed("Broken")),
        (5, What::StateAborted),
        (7, What::BranchesFailed),
        (9, What::Over(Over::Failed)),
        (10, What::Redriven),
    ];
    check(&both, &[("Both", 0, "RUNNING", 0), ("A", 1, "RUNNING", 1), ("B", 1, "RUNNING", 0)], &["It is in A and B."]);
    // What was tried before the attempt that failed last is over.
    let mut again = both[..9].to_vec();
    again.extend([
        (9, What::BranchesBegan),
        (10, entered("Task", "A")),
        (11, What::Scheduled),
        (12, What::Over(Over::Aborted)),
        (13, What::Redriven),
    ]);
    check(
        &again,
        &[("Both", 0, "RUNNING", 0), ("A", 1, "FAILED", 1), ("B", 1, "ABORTED", 0), ("A", 1, "RUNNING", 1)],
        &["It is in A."],
    );
}

#[test]
fn what_a_bad_end_leaves() {
    let book = [(0, What::Other), (0, entered("Task", "Book")), (2, What::Scheduled)];
    let check = |rest: &[(u64, What<'static>)], expect: Option<Aftermath>| {
        let events: Vec<_> = book.iter().chain(rest).cloned().collect();
        assert_eq!(Story::of(&tale(&events)).aftermath(), expect);
    };
    // Nothing is known to have been done.
    check(&[(3, failed("Full")), (4, What::Over(Over::Failed))], None);
    let booked = [(3, What::Succeeded), (4, exited("Task", "Book"))];
    check(&booked, None);
    let with = |rest: &[(u64, What<'static>)]| booked.iter().chain(rest).cloned().collect::<Vec<_>>();
    check(&with(&[(5, What::Over(Over::Succeeded))]), None);
    check(&with(&[(5, What::Over(Over::TimedOut))]), Some(Aftermath::LeftOver));
    let cancelled = [
        (5, entered("Task", "Cancel")),
        (6, What::Scheduled),
        (7, What::Succeeded),
        (8, exited("Task", "Cancel")),
        (9, What::Over(Over::Failed)),
    ];
    check(&with(&cancelled), Some(Aftermath::Compensated));
    let stuck = [(5, entered("Task", "Cancel")), (6, What::Scheduled), (7, failed("E")), (8, What::Over(Over::Failed))];
    check(&with(&stuck), Some(Aftermath::LeftOver));
}

#[test]
fn iterations_are_counted() {
    let began = |index| What::IterationBegan { name: "Each", index };
    let ended = |end| What::IterationEnded { name: "Each", end };
    let tale = tale(&[
        (0, What::Other),
        (0, entered("Map", "Each")),
        (2, What::MapBegan { length: 3 }),
        (3, began(0)),
        (4, entered("Pass", "In")),
        (3, began(1)),
        (5, exited("Pass", "In")),
        (7, ended(End::Done)),
        (6, entered("Task", "In")),
        (9, What::Scheduled),
        (10, failed("E")),
        (11, ended(End::Failed)),
    ]);
    let items = tale.visits[0].items.expect("a Map counts");
    assert_eq!((items.total, items.begun, items.done, items.failed, items.running()), (3, 2, 1, 1, 0));
    assert_eq!(tale.visits[0].failed_items, [1]);
    let inner: Vec<_> = tale.visits[1..].iter().map(|visit| (visit.inside, visit.iteration, visit.depth)).collect();
    assert_eq!(inner, [(Some(0), Some(0), 1), (Some(0), Some(1), 1)]);
}
