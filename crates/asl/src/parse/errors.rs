//! `ErrorEquals`, which retriers and catchers share.

use serde_json::Value;

use super::fields::{Fields, expected};
use super::report::{Problem, Read, Report};

/// The names of errors. `last`: this is the last entry of its list, where alone `States.ALL` may stand.
pub(crate) fn error_equals(fields: &Fields<'_>, last: bool, report: &mut Report) -> Read<Vec<String>> {
    const NAME: &str = "ErrorEquals";
    let Some(items) = fields.filled_array(NAME, report)? else { return Ok(Vec::new()) };
    let list = fields.at.key(NAME);
    let alone = items.len() == 1 && last;
    let name = |(index, item): (usize, &Value)| match item {
        Value::String(name) if name == "States.ALL" && !alone => {
            let message = "States.ALL must appear alone and at end of list";
            let help = "give States.ALL an entry of its own, after all others: the first that matches wins";
            Err(report.add(Problem::schema(&list.index(index), message).help(help)))
        }
        Value::String(name) => Ok(name.clone()),
        _ => Err(expected("[STRING]", &list.index(index), report)),
    };
    // Every entry is looked at before the first refusal counts.
    let names: Vec<Read<String>> = items.iter().enumerate().map(name).collect();
    names.into_iter().collect()
}
