//! Compensates RequestShipment: nothing is sent any more. The token is of no use to the warehouse by now.

use checkout::function::{Started, serve};
use checkout::{Failure, Order, Table};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Event {
    order: Order,
}

fn main() -> Started {
    let orders = Table::orders()?;
    serve(move |event: Event| cancel_shipment(orders.clone(), event.order))
}

async fn cancel_shipment(orders: Table, order: Order) -> Result<Value, Failure> {
    orders.set(&order.shipment_key(), &[("status", "cancelled")]).await?;
    Ok(json!({}))
}
