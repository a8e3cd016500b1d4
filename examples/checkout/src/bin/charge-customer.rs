//! Charges the customer: the row of the payment, with the amount. An order of 13 euros is one that no bank pays.

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
    serve(move |event: Event| charge_customer(orders.clone(), event.order))
}

async fn charge_customer(orders: Table, order: Order) -> Result<Value, Failure> {
    if order.amount == 13 {
        return Err(Failure::new("PaymentRefused", "The bank has refused the payment"));
    }
    orders.set(&order.payment_key(), &[("status", "taken"), ("amount", &order.amount.to_string())]).await?;
    Ok(json!({}))
}
