//! The front door: orders come in, and so do the answers of those who are waited for.

use checkout::function::{Started, serve};
use checkout::{Approval, Asked, Failure, Heard, Order, Request, Response, Rules, ShipmentEvent, Steps, Table};
use serde_json::json;

#[derive(Clone)]
struct Web {
    orders: Table,
    steps: Steps,
    rules: Rules,
}

fn main() -> Started {
    let web = Web { orders: Table::orders()?, steps: Steps::from_env()?, rules: Rules::from_env()? };
    serve(move |request| answer(web.clone(), request))
}

/// A failure is told as a page as well: API Gateway would say no more than 502.
async fn answer(web: Web, request: Request) -> Result<Response, Failure> {
    Ok(web.serve(&request).await.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        Response::message(500, "There was an error. Please try again.")
    }))
}

impl Web {
    async fn serve(&self, request: &Request) -> Result<Response, Failure> {
        match request.asked() {
            Asked::Order(order) => self.order(&order, &request.base_url()).await,
            Asked::ShowApproval { link } => self.show_approval(&link).await,
            Asked::AnswerApproval { link, is_approved } => self.answer_approval(&link, is_approved).await,
            Asked::Shipment { order_id, event } => self.shipment(&order_id, event).await,
            Asked::Nonsense(why) => Ok(Response::message(400, why)),
            Asked::Unknown => Ok(Response::message(404, "There is nothing here")),
        }
    }

    /// The order's id is the name of its execution: sent again, it is not a second order.
    async fn order(&self, order: &Order, base_url: &str) -> Result<Response, Failure> {
        let input = json!({ "order": order, "rules": self.rules, "base_url": base_url });
        Ok(match self.steps.start(&order.id, &input).await? {
            true => Response::message(202, "We are processing your order"),
            false => Response::message(409, "There is an order with this id already"),
        })
    }

    async fn show_approval(&self, link: &str) -> Result<Response, Failure> {
        Ok(match Approval::find(&self.orders, link).await? {
            None => Response::unknown_link(),
            Some(approval) => match &approval.answer {
                Some(answer) => Response::used(&approval, answer),
                None => Response::question(&approval),
            },
        })
    }

    /// The token goes first and the row follows: a crash between them leaves a link that is used up without saying so,
    /// and no decision that is lost.
    async fn answer_approval(&self, link: &str, is_approved: bool) -> Result<Response, Failure> {
        let Some(approval) = Approval::find(&self.orders, link).await? else { return Ok(Response::unknown_link()) };
        if let Some(answer) = &approval.answer {
            return Ok(Response::used(&approval, answer));
        }
        let heard = match is_approved {
            true => self.steps.succeed(&approval.token, &json!({})).await?,
            false => self.steps.fail(&approval.token, "ApprovalDeclined", "A human has declined the order").await?,
        };
        if heard == Heard::TooLate {
            return Ok(Response::late(&approval));
        }
        approval.save_answer(&self.orders, if is_approved { "approved" } else { "declined" }).await?;
        Ok(Response::thanks(&approval, is_approved))
    }

    /// A word from the warehouse. A real one would have to say who it is.
    async fn shipment(&self, order_id: &str, event: ShipmentEvent) -> Result<Response, Failure> {
        let key = checkout::shipment_key(order_id);
        let row = self.orders.get(&key).await?;
        let Some(token) = row.and_then(|mut row| row.remove("token")) else {
            return Ok(Response::message(404, "There is no shipment for this order"));
        };
        let (heard, status) = match event {
            ShipmentEvent::Packing => (self.steps.heartbeat(&token).await?, "packing"),
            ShipmentEvent::Sent => {
                let output = json!({ "tracking": format!("T-{order_id}") });
                (self.steps.succeed(&token, &output).await?, "sent")
            }
            ShipmentEvent::Cancelled => {
                let cause = "The warehouse cannot send it";
                (self.steps.fail(&token, "ShipmentCancelled", cause).await?, "cancelled")
            }
        };
        if heard == Heard::TooLate {
            return Ok(Response::message(409, "Nobody waits for this shipment any more: do not send it"));
        }
        self.orders.set(&key, &[("status", status)]).await?;
        Ok(Response::message(200, "Thank you"))
    }
}
