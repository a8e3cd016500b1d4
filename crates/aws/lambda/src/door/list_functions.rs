//! ListFunctions: by name, a page at a time. The marker is the last name of the page before.

use aws_protocol::Response;
use serde_json::{Value, json};

use super::{Call, ok, settings};
use crate::error::{Error, constraint};

/// AWS's largest page.
const PAGE_MAX: usize = 50;

pub(super) fn act(call: &Call) -> Result<Response, Error> {
    let limit = page_limit(call.query("MaxItems"))?;
    let after = call.query("Marker").unwrap_or_default();
    let functions = call.host.functions();
    let mut rest = functions.iter().filter(|info| info.function.name.as_str() > after).peekable();
    let page: Vec<Value> = rest.by_ref().take(limit).map(settings::configuration).collect();
    let mut shape = json!({"Functions": page});
    if rest.peek().is_some() {
        shape["NextMarker"] = page.last().map_or(Value::Null, |last| last["FunctionName"].clone());
    }
    Ok(ok(&shape))
}

fn page_limit(text: Option<&str>) -> Result<usize, Error> {
    match text.map(str::parse::<usize>) {
        None => Ok(PAGE_MAX),
        Some(Ok(limit)) if (1..=10_000).contains(&limit) => Ok(limit.min(PAGE_MAX)),
        Some(_) => {
            let bound = "Member must have value between 1 and 10000";
            Err(constraint(text.unwrap_or_default(), "maxItems", bound).into())
        }
    }
}
