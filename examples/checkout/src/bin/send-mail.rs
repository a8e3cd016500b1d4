//! Tells the customer what became of the order.

use checkout::function::{Started, serve};
use checkout::{About, Failure, Mail, Order, Outbox};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Event {
    order: Order,
    about: About,
    /// Why, or with which tracking number.
    reason: String,
}

fn main() -> Started {
    let outbox = Outbox::from_env()?;
    serve(move |event| send_mail(outbox.clone(), event))
}

async fn send_mail(outbox: Outbox, Event { order, about, reason }: Event) -> Result<Value, Failure> {
    outbox.send(&Mail::to_customer(&order, about, &reason)).await?;
    Ok(json!({}))
}
