//! Map: inline only; the distributed form is refused in `not_yet`.

use crate::definition::{BlockId, Concurrency, Map, Tolerance};
use crate::not_yet::{self, Feature};
use crate::path::Path;

use super::fields::Fields;
use super::report::{Problem, Read, Refused};
use super::schema;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Map> {
    let fields = &here.fields;
    let io = p.io(here);
    let items_path = fields.definite_path("ItemsPath", p.report);
    let processor = processor(p, here);
    let selector = one_of(
        fields.at_most_one(&["ItemSelector", "Parameters"], p.report),
        [fields.template("ItemSelector", p.report), fields.template("Parameters", p.report)],
    );
    let max_concurrency = concurrency(p, here);
    let count = count(p, here);
    let percentage = percentage(p, here);
    let result_selector = fields.template("ResultSelector", p.report);
    let result_path = fields.result_path(p.report);
    let errors = p.errors(here);
    let next = p.next(here);
    let (retry, catch) = errors?;
    Ok(Map {
        io: io?,
        items_path: items_path?,
        item_selector: selector?,
        processor: processor?,
        max_concurrency: max_concurrency?,
        tolerated_failure_count: count?,
        tolerated_failure_percentage: percentage?,
        result_selector: result_selector?,
        result_path: result_path?,
        retry,
        catch,
        next: next?,
    })
}

/// Whichever of two exclusive fields is there.
fn one_of<T>(exclusive: Read<()>, [first, second]: [Read<Option<T>>; 2]) -> Read<Option<T>> {
    exclusive?;
    let (first, second) = (first?, second?);
    Ok(first.or(second))
}

/// `ItemProcessor` or `Iterator`; what is inside is read with its own block.
pub(crate) fn processor(p: &mut Parser<'_>, here: &Here<'_>) -> Read<BlockId> {
    const NAMES: [&str; 2] = ["ItemProcessor", "Iterator"];
    here.fields.exactly_one(&NAMES, p.report)?;
    let name = if here.fields.has(NAMES[0]) { NAMES[0] } else { NAMES[1] };
    let value = here.fields.get(name).ok_or(Refused)?;
    let at = here.fields.at.key(name);
    let fields = Fields::of(value, at, p.report)?;
    schema::check(&fields, schema::PROCESSOR, p.report);
    config(p, &fields)?;
    here.inner.first().copied().flatten().ok_or(Refused)
}

fn config(p: &mut Parser<'_>, processor: &Fields<'_>) -> Read<()> {
    let Some(value) = processor.get("ProcessorConfig") else { return Ok(()) };
    let at = processor.at.key("ProcessorConfig");
    let fields = Fields::of(value, at, p.report)?;
    schema::check(&fields, schema::PROCESSOR_CONFIG, p.report);
    let mode = fields.word("Mode", &["INLINE", "DISTRIBUTED"], p.report);
    let execution_type = fields.word("ExecutionType", &["STANDARD", "EXPRESS"], p.report);
    match mode? {
        Some("DISTRIBUTED") => {
            // What it reports comes on top of the refusal that follows in any case.
            let _ = fields.require(&["ExecutionType"], p.report);
            Err(p.report.add(not_yet::problem(Feature::DistributedMap, &fields.at.key("Mode"))))
        }
        Some("INLINE") if execution_type?.is_some() => {
            let message = "Field 'ExecutionType' is not supported";
            let help = "an inline Map runs inside its execution: remove the field";
            Err(p.report.add(Problem::schema(&fields.at, message).help(help)))
        }
        _ => Ok(()),
    }
}

fn concurrency(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Concurrency> {
    let names = ["MaxConcurrency", "MaxConcurrencyPath"];
    let one = here.fields.at_most_one(&names, p.report);
    let fixed = here.fields.integer(names[0], 0, u64::MAX, p.report);
    let path = here.fields.path(names[1], p.report);
    one?;
    Ok(path?.map_or(Concurrency::Fixed(fixed?.unwrap_or(0)), Concurrency::Path))
}

fn count(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<Tolerance>> {
    let names = ["ToleratedFailureCount", "ToleratedFailureCountPath"];
    let one = here.fields.at_most_one(&names, p.report);
    let fixed = here.fields.integer(names[0], 0, u64::MAX, p.report).map(|count| count.map(|count| count as f64));
    tolerance(one, fixed, here.fields.path(names[1], p.report))
}

fn percentage(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<Tolerance>> {
    let names = ["ToleratedFailurePercentage", "ToleratedFailurePercentagePath"];
    let one = here.fields.at_most_one(&names, p.report);
    let fixed = here.fields.number(names[0], 0.0, 100.0, p.report);
    tolerance(one, fixed, here.fields.path(names[1], p.report))
}

fn tolerance(one: Read<()>, fixed: Read<Option<f64>>, path: Read<Option<Path>>) -> Read<Option<Tolerance>> {
    one_of(one, [fixed.map(|number| number.map(Tolerance::Fixed)), path.map(|path| path.map(Tolerance::Path))])
}
