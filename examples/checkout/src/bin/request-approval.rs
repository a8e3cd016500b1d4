//! Asks a human for approval: a mail with a link that is good for one answer.

use checkout::function::{Started, serve};
use checkout::{Approval, Failure, Mail, Order, Outbox, Table, setting};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Event {
    order: Order,
    token: String,
    base_url: String,
}

fn main() -> Started {
    let (orders, outbox, approver) = (Table::orders()?, Outbox::from_env()?, setting("APPROVER")?);
    serve(move |event| request_approval(orders.clone(), outbox.clone(), approver.clone(), event))
}

async fn request_approval(orders: Table, outbox: Outbox, approver: String, event: Event) -> Result<Value, Failure> {
    let approval = Approval::new(&event.order, &event.token);
    approval.save(&orders).await?;
    let link = format!("{}/approvals/{}", event.base_url, approval.link);
    outbox.send(&Mail::to_approver(&event.order, &approver, &link)).await?;
    Ok(json!({}))
}
