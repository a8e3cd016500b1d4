//! Checks that need the whole machine: unique names, an end, reachability, compensations that name something,
//! variables that hide others.
//!
//! They work on the outline and on the transitions that were read, not on a `Definition`, so that they speak also
//! when something else is wrong. Where a transition of a block could not be read, nothing is said about the
//! reachability in it: a report has to be certain.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::definition::{BlockId, Definition, StateId, compensated};
use crate::graph;
use crate::parse::{At, Links, Outline, Problem, Report, code};

pub(crate) fn check(outline: &Outline<'_>, links: &Links, report: &mut Report) {
    unique_names(outline, report);
    let ended = has_end(outline, links, report);
    reachable(outline, links, ended, report);
    compensations(outline, report);
    shadowed_variables(outline, report);
}

/// Names are unique in the whole machine, not only in their block.
fn unique_names(outline: &Outline<'_>, report: &mut Report) {
    let mut names = HashSet::new();
    for (index, state) in outline.states.iter().enumerate() {
        if !names.insert(state.name) {
            let at = At::State(outline, StateId(index as u32));
            let problem = Problem::new(code::DUPLICATE_NAME, &at, format!("Duplicate State name: {}", state.name));
            report.add(problem.help("names are unique in the whole state machine, inside branches too"));
        }
    }
}

/// AWS asks it of the machine itself only, not of the blocks inside.
fn has_end(outline: &Outline<'_>, links: &Links, report: &mut Report) -> bool {
    let root = outline.block(Definition::ROOT);
    let sure = !links.unsure[0] && !root.states.is_empty();
    if !sure || root.states.iter().any(|id| links.ends[id.0 as usize]) {
        return true;
    }
    let problem = Problem::new(code::MISSING_END, &At::Root.key("States"), "Workflow has no terminal state");
    report.add(problem.help("let one state have \"End\": true, or be Succeed or Fail"));
    false
}

/// AWS calls a state unreachable when no transition at all names it. States that only name each other are beyond
/// the reach of an execution just as well; those AWS accepts, so they are worth a warning.
fn reachable(outline: &Outline<'_>, links: &Links, ended: bool, report: &mut Report) {
    let named = targets(outline, links);
    let reached = graph::reach(outline.states.len(), &links.edges, links.starts.iter().flatten().copied());
    for (index, block) in outline.blocks.iter().enumerate() {
        let root = index == Definition::ROOT.0 as usize;
        if links.unsure[index] || (root && !ended) {
            continue;
        }
        let unnamed: Vec<StateId> = block.states.iter().copied().filter(|id| !named[id.0 as usize]).collect();
        for id in &unnamed {
            let message = format!("State \"{}\" is not reachable.", outline.state(*id).name);
            report.add(Problem::new(code::MISSING_TARGET, &At::State(outline, *id), message));
        }
        if unnamed.is_empty() {
            warn_of_islands(outline, BlockId(index as u32), &reached, report);
        }
    }
}

/// Which states some transition or `StartAt` names.
fn targets(outline: &Outline<'_>, links: &Links) -> Vec<bool> {
    let mut named = vec![false; outline.states.len()];
    let targets = links.edges.iter().map(|(_, to)| to).chain(links.starts.iter().flatten());
    targets.for_each(|id| named[id.0 as usize] = true);
    named
}

fn warn_of_islands(outline: &Outline<'_>, block: BlockId, reached: &[bool], report: &mut Report) {
    for id in outline.block(block).states.iter().filter(|id| !reached[id.0 as usize]) {
        let message = format!("State \"{}\" cannot be reached from StartAt", outline.state(*id).name);
        let problem = Problem::new(code::UNREACHABLE, &At::State(outline, *id), message);
        report.add(problem.warning().help("only states that cannot be reached themselves lead to it"));
    }
}

/// `compensates: X` has to name a state of the same block, or the compensation belongs to nothing.
fn compensations(outline: &Outline<'_>, report: &mut Report) {
    for (index, state) in outline.states.iter().enumerate() {
        let comment = state.value.get("Comment").and_then(Value::as_str);
        let Some(name) = comment.and_then(compensated) else { continue };
        if !outline.block(state.block).names.contains_key(name) {
            let at = At::State(outline, StateId(index as u32));
            let message = format!("The comment says that it compensates \"{name}\", which is no state of its block");
            let problem = Problem::new(code::COMPENSATES_NOTHING, &at.key("Comment"), message);
            report.add(problem.warning().help("write the exact name of the state whose effect this one reverses"));
        }
    }
}

/// "A variable assigned in an inner scope cannot have the same name as one assigned in an outer scope", says the
/// guide. Which words AWS has for it is not known, so this only warns; here the inner one hides the outer.
fn shadowed_variables(outline: &Outline<'_>, report: &mut Report) {
    let mut assigned: Vec<HashSet<&str>> = vec![HashSet::new(); outline.blocks.len()];
    for state in &outline.states {
        assigned[state.block.0 as usize].extend(assigns(state.value).flat_map(Map::keys).map(|name| bare(name)));
    }
    for (index, state) in outline.states.iter().enumerate() {
        for name in assigns(state.value).flat_map(Map::keys) {
            let mut around = outline.block(state.block).owner();
            while let Some(owner) = around {
                let block = outline.state(owner).block;
                if assigned[block.0 as usize].contains(bare(name)) {
                    let message = format!("The variable '{}' has the name of one outside", bare(name));
                    let problem = Problem::new(code::SHADOWED, &At::State(outline, StateId(index as u32)), message);
                    report.add(problem.warning().help("choose another name: this one hides that of the outer states"));
                    break;
                }
                around = outline.block(block).owner();
            }
        }
    }
}

/// `Assign` of a state, and of its rules and catchers.
fn assigns(state: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let inner = ["Choices", "Catch"].into_iter().filter_map(|name| state.get(name)?.as_array()).flatten();
    std::iter::once(state).chain(inner).filter_map(|holder| holder.get("Assign")?.as_object())
}

/// The variable that a member of `Assign` names.
fn bare(member: &str) -> &str {
    member.strip_suffix(".$").unwrap_or(member)
}
