//! Compensates ChargeCustomer: the money goes back, whether or not it came.

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
    serve(move |event: Event| refund_customer(orders.clone(), event.order))
}

async fn refund_customer(orders: Table, order: Order) -> Result<Value, Failure> {
    orders.set(&order.payment_key(), &[("status", "refunded")]).await?;
    Ok(json!({}))
}
