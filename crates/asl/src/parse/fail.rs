//! Fail.

use crate::definition::{Fail, Text};
use crate::template::Expression;

use super::language::Language;
use super::query::Moment;
use super::report::{Problem, Read};
use super::state::{Here, Parser};

/// The intrinsic functions that may give a string (AWS Step Functions Developer Guide, "Fail workflow state").
const STRING_FUNCTIONS: &[&str] = &[
    "States.Format",
    "States.JsonToString",
    "States.ArrayGetItem",
    "States.Base64Encode",
    "States.Base64Decode",
    "States.Hash",
    "States.UUID",
];

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Fail> {
    p.ends(here);
    let error = text(p, here, "Error", "ErrorPath");
    let cause = text(p, here, "Cause", "CausePath");
    Ok(Fail { error: error?, cause: cause? })
}

fn text(p: &mut Parser<'_>, here: &Here<'_>, name: &str, path_name: &str) -> Read<Option<Text>> {
    if here.language == Language::Jsonata {
        let expression = here.fields.expression(name, Moment::Before, p.report)?;
        let fixed = here.fields.string(name, p.report)?;
        return Ok(expression.map(Text::Jsonata).or(fixed.map(|text| Text::Fixed(text.to_owned()))));
    }
    let one = here.fields.at_most_one(&[name, path_name], p.report);
    let fixed = here.fields.string(name, p.report);
    let expression = expression(p, here, path_name);
    one?;
    Ok(fixed?.map(|text| Text::Fixed(text.to_owned())).or(expression?.map(Text::Path)))
}

fn expression(p: &mut Parser<'_>, here: &Here<'_>, name: &str) -> Read<Option<Expression>> {
    let Some(text) = here.fields.string(name, p.report)? else { return Ok(None) };
    let at = here.fields.at.key(name);
    let function = text.split('(').next().unwrap_or_default().trim();
    if function.starts_with("States.") && !STRING_FUNCTIONS.contains(&function) {
        let help = format!("{function} gives no string; use one of {}", STRING_FUNCTIONS.join(", "));
        return Err(p.report.add(Problem::schema(&at, "Value must be a valid JSONPath.").help(help)));
    }
    Expression::parse(text).map(Some).map_err(|why| {
        let problem = Problem::schema(&at, "Value must be a valid JSONPath.");
        p.report.add(problem.help(format!("'{text}': {why}")))
    })
}
