//! An approval that is waited for: the row behind a one-time link.
//!
//! The link is a hash of the task's token: who has only the link cannot make the token of it, and the same attempt that
//! runs twice makes the same link. What makes it one-time is the token: Step Functions takes it once.

use sha2::{Digest, Sha256};

use crate::{Failure, Order, Row, Table};

#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    pub link: String,
    pub order_id: String,
    pub amount: String,
    pub token: String,
    /// What was answered, if it was.
    pub answer: Option<String>,
}

impl Approval {
    pub fn new(order: &Order, token: &str) -> Approval {
        let hash = Sha256::digest(token.as_bytes());
        Approval {
            link: hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect(),
            order_id: order.id.clone(),
            amount: order.amount.to_string(),
            token: token.to_owned(),
            answer: None,
        }
    }

    pub async fn find(table: &Table, link: &str) -> Result<Option<Approval>, Failure> {
        Ok(table.get(&key(link)).await?.and_then(|row| Approval::read(link, row)))
    }

    fn read(link: &str, mut row: Row) -> Option<Approval> {
        Some(Approval {
            link: link.to_owned(),
            order_id: row.remove("order_id")?,
            amount: row.remove("amount")?,
            token: row.remove("token")?,
            answer: row.remove("answer"),
        })
    }

    pub async fn save(&self, table: &Table) -> Result<(), Failure> {
        let attributes = [("order_id", &*self.order_id), ("amount", &*self.amount), ("token", &*self.token)];
        table.set(&key(&self.link), &attributes).await
    }

    pub async fn save_answer(&self, table: &Table, answer: &str) -> Result<(), Failure> {
        table.set(&key(&self.link), &[("answer", answer)]).await
    }
}

fn key(link: &str) -> String {
    format!("APPROVAL#{link}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_tells_nothing_of_its_token() {
        let order = Order { id: "o".into(), email: "e".into(), amount: 1 };
        let approval = Approval::new(&order, "token");
        assert_eq!(approval.link, "3c469e9d6c5875d37a43f353d4f88e61");
        assert_eq!(Approval::new(&order, "token"), approval);
        assert_ne!(Approval::new(&order, "other").link, approval.link);
    }
}
