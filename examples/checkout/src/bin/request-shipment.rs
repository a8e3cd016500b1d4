//! Asks the warehouse for a shipment: a row with the token that the warehouse's words will go by.

use checkout::function::{Started, serve};
use checkout::{Failure, Order, Table};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Event {
    order: Order,
    token: String,
}

fn main() -> Started {
    let orders = Table::orders()?;
    serve(move |event| request_shipment(orders.clone(), event))
}

async fn request_shipment(orders: Table, Event { order, token }: Event) -> Result<Value, Failure> {
    orders.set(&order.shipment_key(), &[("status", "requested"), ("token", &token)]).await?;
    Ok(json!({}))
}
