//! A table of rows whose attributes are texts. Each verb may be repeated.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::aws::{config, setting};
use crate::{Failure, Order};

/// Attributes by name. The key is `pk`.
pub type Row = HashMap<String, String>;

/// A cheap handle: its clones share one client and its connections.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// The table that a variable names; once in a process, before the first event.
    pub fn from_env(variable: &str) -> Result<Table, Failure> {
        Ok(Table { client: Client::new(&config("DYNAMODB")?), name: setting(variable)? })
    }

    /// The table of orders.
    pub fn orders() -> Result<Table, Failure> {
        Table::from_env("ORDERS_TABLE")
    }

    pub async fn get(&self, key: &str) -> Result<Option<Row>, Failure> {
        let got =
            self.client.get_item().table_name(&self.name).key("pk", text(key)).consistent_read(true).send().await?;
        let attribute = |(name, value): (String, AttributeValue)| value.as_s().ok().map(|value| (name, value.clone()));
        Ok(got.item.map(|item| item.into_iter().filter_map(attribute).collect()))
    }

    /// Sets attributes of a row, and leaves its others alone. A row that is not there is made.
    pub async fn set(&self, key: &str, attributes: &[(&str, &str)]) -> Result<(), Failure> {
        let mut update = self.client.update_item().table_name(&self.name).key("pk", text(key));
        let mut assignments = Vec::new();
        for (number, (name, value)) in attributes.iter().enumerate() {
            // Names such as `status` and `token` are reserved words.
            assignments.push(format!("#n{number} = :v{number}"));
            update = update.expression_attribute_names(format!("#n{number}"), *name);
            update = update.expression_attribute_values(format!(":v{number}"), text(*value));
        }
        update.update_expression(format!("SET {}", assignments.join(", "))).send().await?;
        Ok(())
    }
}

/// The rows of an order.
impl Order {
    pub fn payment_key(&self) -> String {
        format!("PAYMENT#{}", self.id)
    }

    pub fn shipment_key(&self) -> String {
        shipment_key(&self.id)
    }
}

/// The row of a shipment, for who knows no more of its order than the id.
pub fn shipment_key(order_id: &str) -> String {
    format!("SHIPMENT#{order_id}")
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}
