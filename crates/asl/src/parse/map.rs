//! Map: what both its modes have; what only the distributed one has is in [`super::distributed`].

use serde_json::Value;

use crate::definition::{BlockId, Count, Distributed, Items, Map, Query, Tolerance};

use super::MachineType;
use super::distributed;
use super::fields::Fields;
use super::language::Language;
use super::query::Moment;
use super::report::{Problem, Read, Refused, Report, code};
use super::schema;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Map> {
    let io = here.fields.io(here.language, Moment::After, false, p.report);
    let items = items(p, here);
    let processor = processor(p, here);
    let item_selector = item_selector(p, here);
    let max_concurrency = concurrency(p, here);
    let count = count(p, here);
    let percentage = percentage(p, here);
    let errors = p.errors(here);
    let next = p.next(here);
    let (retry, catch) = errors?;
    let (processor, distributed) = processor?;
    let is_misplaced = distributed.is_none() && misplaced(p, here);
    Ok(Map {
        io: io?,
        items: items?,
        item_selector: item_selector?,
        processor,
        max_concurrency: max_concurrency?,
        tolerated_failure_count: count?,
        tolerated_failure_percentage: percentage?,
        retry,
        catch,
        next: next?,
        distributed,
        is_misplaced,
    })
}

fn items(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<Items>> {
    const NAME: &str = "Items";
    if here.language == Language::JsonPath {
        return Ok(here.fields.definite_path("ItemsPath", p.report)?.map(Items::Path));
    }
    if let Some(expression) = here.fields.expression(NAME, Moment::Before, p.report)? {
        return Ok(Some(Items::Jsonata(expression)));
    }
    match here.fields.get(NAME) {
        None => Ok(None),
        Some(Value::Array(_)) => Ok(here.fields.jsonata(NAME, Moment::Before, p.report)?.map(Items::Listed)),
        Some(_) => {
            let problem =
                Problem::schema(&here.fields.at.key(NAME), "Expected value of type [ARRAY] or a JSONata expression");
            Err(p.report.add(problem.help("an inline Map runs over an array")))
        }
    }
}

fn item_selector(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<Query>> {
    let fields = &here.fields;
    match here.language {
        Language::Jsonata => fields.query("ItemSelector", here.language, Moment::Before, p.report),
        Language::JsonPath => one_of(
            fields.at_most_one(&["ItemSelector", "Parameters"], p.report),
            ["ItemSelector", "Parameters"].map(|name| fields.query(name, here.language, Moment::Before, p.report)),
        ),
    }
}

/// Whichever of two exclusive fields is there.
fn one_of<T>(exclusive: Read<()>, [first, second]: [Read<Option<T>>; 2]) -> Read<Option<T>> {
    exclusive?;
    let (first, second) = (first?, second?);
    Ok(first.or(second))
}

/// `ItemProcessor` or `Iterator`; what is inside is read with its own block.
fn processor(p: &mut Parser<'_>, here: &Here<'_>) -> Read<(BlockId, Option<Distributed>)> {
    const NAMES: [&str; 2] = ["ItemProcessor", "Iterator"];
    here.fields.exactly_one(&NAMES, p.report)?;
    let name = if here.fields.has(NAMES[0]) { NAMES[0] } else { NAMES[1] };
    let value = here.fields.get(name).ok_or(Refused)?;
    let at = here.fields.at.key(name);
    let fields = Fields::of(value, at, p.report)?;
    schema::check(&fields, schema::PROCESSOR, p.report);
    let distributed = match config(p, &fields)? {
        Some(is_express) => Some(distributed::parse(p, here, is_express)?),
        None => None,
    };
    Ok((here.inner.first().copied().flatten().ok_or(Refused)?, distributed))
}

/// Warns of what an inline Map has not. AWS accepts it, and lets the state fail.
fn misplaced(p: &mut Parser<'_>, here: &Here<'_>) -> bool {
    let found: Vec<&str> = distributed::FIELDS.iter().copied().filter(|name| here.fields.has(name)).collect();
    for name in &found {
        let problem = Problem::new(code::INLINE_MAP, &here.fields.at.key(name), format!("'{name}' has no place here"));
        let help = "only a distributed Map has it, and this state will fail: set ProcessorConfig.Mode to DISTRIBUTED";
        p.report.add(problem.warning().help(help));
    }
    found.iter().any(|name| *name != "Label")
}

/// Whether the children are Express executions, of a distributed Map; none for an inline one.
fn config(p: &mut Parser<'_>, processor: &Fields<'_>) -> Read<Option<bool>> {
    let Some(value) = processor.get("ProcessorConfig") else { return Ok(None) };
    let at = processor.at.key("ProcessorConfig");
    let fields = Fields::of(value, at, p.report)?;
    schema::check(&fields, schema::PROCESSOR_CONFIG, p.report);
    let mode = fields.word("Mode", &["INLINE", "DISTRIBUTED"], p.report);
    let execution_type = fields.word("ExecutionType", &["STANDARD", "EXPRESS"], p.report);
    match mode? {
        Some("DISTRIBUTED") if p.machine == MachineType::Express => {
            let message = "Express state machine does not support Map state in 'DISTRIBUTED' mode";
            let help = "make the Map INLINE, or the state machine STANDARD: its Map may have Express executions";
            Err(p.report.add(Problem::schema(&fields.at.key("Mode"), message).help(help)))
        }
        Some("DISTRIBUTED") => {
            fields.require(&["ExecutionType"], p.report)?;
            Ok(Some(execution_type? == Some("EXPRESS")))
        }
        Some("INLINE") if execution_type?.is_some() => {
            let message = "Field 'ExecutionType' is not supported";
            let help = "an inline Map runs inside its execution: remove the field";
            Err(p.report.add(Problem::schema(&fields.at, message).help(help)))
        }
        _ => Ok(None),
    }
}

fn concurrency(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Count> {
    let names = ["MaxConcurrency", "MaxConcurrencyPath"];
    if let Some(expression) = p.expression(here, names[0])? {
        return Ok(Count::Jsonata(expression));
    }
    let one = here.fields.at_most_one(&names, p.report);
    let fixed = here.fields.integer(names[0], 0, u64::MAX, p.report);
    let path = here.fields.path(names[1], p.report);
    one?;
    Ok(path?.map_or(Count::Fixed(fixed?.unwrap_or(0)), Count::Path))
}

fn count(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<Tolerance>> {
    tolerance(p, here, ["ToleratedFailureCount", "ToleratedFailureCountPath"], |fields, name, report| {
        Ok(fields.integer(name, 0, u64::MAX, report)?.map(|count| count as f64))
    })
}

fn percentage(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<Tolerance>> {
    tolerance(p, here, ["ToleratedFailurePercentage", "ToleratedFailurePercentagePath"], |fields, name, report| {
        fields.number(name, 0.0, 100.0, report)
    })
}

fn tolerance(
    p: &mut Parser<'_>,
    here: &Here<'_>,
    names: [&str; 2],
    fixed: impl Fn(&Fields<'_>, &str, &mut Report) -> Read<Option<f64>>,
) -> Read<Option<Tolerance>> {
    if let Some(expression) = p.expression(here, names[0])? {
        return Ok(Some(Tolerance::Jsonata(expression)));
    }
    let one = here.fields.at_most_one(&names, p.report);
    let fixed = fixed(&here.fields, names[0], p.report);
    let path = here.fields.path(names[1], p.report);
    one_of(one, [fixed.map(|number| number.map(Tolerance::Fixed)), path.map(|path| path.map(Tolerance::Path))])
}
