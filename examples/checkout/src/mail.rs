//! Mails: rows of an outbox, and lines of the function's log. Whoever wants real ones reads the outbox, or replaces this
//! file.

use serde::Deserialize;

use crate::{Failure, Order, Table};

#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// Names the mail: sent twice, it is the same row.
    pub key: String,
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// What a customer is told of an order.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum About {
    Shipped,
    Declined,
    Cancelled,
}

impl Mail {
    pub fn to_customer(order: &Order, about: About, reason: &str) -> Mail {
        let (name, subject, text) = match about {
            About::Shipped => ("shipped", "is on its way", format!("We have sent it. Tracking number: {reason}.")),
            About::Declined => ("declined", "was declined", "We took no money.".to_owned()),
            About::Cancelled => (
                "cancelled",
                "was cancelled",
                format!("We could not send it ({reason}). Your money is on its way back."),
            ),
        };
        Mail {
            key: format!("{}#{name}", order.id),
            to: order.email.clone(),
            subject: format!("Your order {} {subject}", order.id),
            text,
        }
    }

    pub fn to_approver(order: &Order, approver: &str, link: &str) -> Mail {
        Mail {
            key: format!("{}#approval", order.id),
            to: approver.to_owned(),
            subject: format!("Please approve the order {} over {} EUR", order.id, order.amount),
            text: link.to_owned(),
        }
    }
}

#[derive(Clone)]
pub struct Outbox(Table);

impl Outbox {
    pub fn from_env() -> Result<Outbox, Failure> {
        Table::from_env("OUTBOX_TABLE").map(Outbox)
    }

    pub async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        self.0.set(&mail.key, &[("to", &mail.to), ("subject", &mail.subject), ("text", &mail.text)]).await?;
        println!("mail to {}: {}. {}", mail.to, mail.subject, mail.text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails() {
        let order = Order { id: "o-1".into(), email: "a@example.com".into(), amount: 120 };
        let check = |mail: Mail, key: &str, to: &str, subject: &str, text: &str| {
            let expect = Mail { key: key.into(), to: to.into(), subject: subject.into(), text: text.into() };
            assert_eq!(mail, expect);
        };
        let customer = |about| Mail::to_customer(&order, about, "T-7");
        let to = "a@example.com";
        let sent = "We have sent it. Tracking number: T-7.";
        check(customer(About::Shipped), "o-1#shipped", to, "Your order o-1 is on its way", sent);
        check(customer(About::Declined), "o-1#declined", to, "Your order o-1 was declined", "We took no money.");
        let cancelled = "We could not send it (T-7). Your money is on its way back.";
        check(customer(About::Cancelled), "o-1#cancelled", to, "Your order o-1 was cancelled", cancelled);
        let mail = Mail::to_approver(&order, "boss@example.com", "http://link");
        check(mail, "o-1#approval", "boss@example.com", "Please approve the order o-1 over 120 EUR", "http://link");
    }
}
