//! A state in JSONata, of which only the shape of the machine is read: its transitions and the blocks inside.
//!
//! It is refused as a whole (`not_yet`); what it says about other states is checked all the same, so that serving
//! JSONata later brings no surprise about names and reachability.

use crate::not_yet;

use super::fields::Fields;
use super::language::Language;
use super::report::{Read, Refused};
use super::schema::StateType;
use super::state::{Here, Parser};
use super::{catch, choice, map, parallel, retry};

pub(crate) fn transitions(p: &mut Parser<'_>, here: &Here<'_>, state: StateType) -> Refused {
    match state {
        StateType::Succeed | StateType::Fail => p.ends(here),
        StateType::Choice => rules(p, here),
        StateType::Parallel => looked_at(parallel::branches(p, here)),
        StateType::Map => looked_at(map::processor(p, here)),
        StateType::Task => looked_at(here.fields.require(&["Resource"], p.report)),
        StateType::Wait | StateType::Pass => {}
    }
    if matches!(state, StateType::Task | StateType::Parallel | StateType::Map) {
        looked_at(retry::parse(&here.fields, p.report));
        looked_at(catch::parse(p, here, Language::Jsonata));
    }
    if !matches!(state, StateType::Succeed | StateType::Fail | StateType::Choice) {
        looked_at(p.next(here));
    }
    Refused
}

/// What a reader finds wrong is in the report already; there is nothing to build from what it returns.
fn looked_at<T>(_: Read<T>) {}

fn rules(p: &mut Parser<'_>, here: &Here<'_>) {
    looked_at(here.fields.require(&["Choices"], p.report));
    looked_at(choice::default(p, here));
    let Ok(Some(items)) = here.fields.filled_array("Choices", p.report) else {
        p.unsure(here);
        return;
    };
    let list = here.fields.at.key("Choices");
    for (index, item) in items.iter().enumerate() {
        let at = list.index(index);
        let Ok(fields) = Fields::of(item, at, p.report) else {
            p.unsure(here);
            continue;
        };
        looked_at(fields.require(&["Next"], p.report));
        looked_at(p.inner_target(here, &fields));
        if let Some(feature) = fields.has("Assign").then(|| not_yet::field("Assign")).flatten() {
            p.report.add(not_yet::problem(feature, &at.key("Assign")));
        }
    }
}
