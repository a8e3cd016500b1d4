//! ListFunctions: by name, a page at a time. The marker is the last name of the page before.

use aws_protocol::Response;
use serde_json::{Value, json};

use super::{Call, Pages, ok, settings};
use crate::error::Error;

pub(super) fn act(call: &Call) -> Result<Response, Error> {
    let pages = Pages::of(call)?;
    let functions = call.host.functions();
    let mut rest = functions.iter().filter(|info| info.function.name > pages.marker).peekable();
    let page: Vec<Value> = rest.by_ref().take(pages.limit).map(settings::configuration).collect();
    let mut shape = json!({"Functions": page});
    if rest.peek().is_some() {
        shape["NextMarker"] = page.last().map_or(Value::Null, |last| last["FunctionName"].clone());
    }
    Ok(ok(&shape))
}
