//! GetExecutionHistory: pages in either order, with or without data.

use aws_protocol::Error;
use engine::Cursor;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Order;

use super::blocking;
use crate::check::{self, Kind};
use crate::history::{Surroundings, render};
use crate::page::{self, Page};
use crate::wire::{region, required, started_through};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    execution_arn: Option<String>,
    reverse_order: Option<bool>,
    include_execution_data: Option<bool>,
    #[serde(flatten)]
    page: Page,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.execution_arn, "executionArn")?;
    check::arn(&arn, Kind::Execution)?;
    let limit = request.page.limit();
    let order = if request.reverse_order == Some(true) { Order::Descending } else { Order::Ascending };
    let list = format!("history of {arn} {order:?}");
    let from = request.page.next_token.map(|token| cursor(&token, &list)).transpose()?;
    let (reader, of) = (states.reader.clone(), arn.clone());
    let found = blocking(move || {
        let Some(id) = reader.find(&of)? else { return Ok(None) };
        let row = reader.row(id)?;
        Ok(Some((reader.revision(&row)?, started_through(&row), reader.history(id, from, order, limit)?)))
    });
    let (revision, through, page) = found.await?.ok_or_else(|| errors::execution_does_not_exist(&arn))?;
    let around = Surroundings {
        role_arn: &revision.role_arn,
        region: region(&arn),
        through: &through,
        text_bytes_max: usize::MAX,
        with_data: request.include_execution_data != Some(false),
    };
    let events: Vec<Value> = page.events.iter().map(|event| render(event, &around)).collect();
    let mut answer = json!({ "events": events });
    if let Some(next) = page.next {
        answer["nextToken"] = page::token(&list, &format!("{} {}", next.seq, next.event)).into();
    }
    Ok(answer)
}

fn cursor(token: &str, list: &str) -> Result<Cursor, Error> {
    let place = page::place(token, list)?;
    let numbers = place
        .split_once(' ')
        .and_then(|(seq, event)| Some(Cursor { seq: seq.parse().ok()?, event: event.parse().ok()? }));
    numbers.ok_or_else(page::invalid_token)
}
