//! An order, and the rules it is handled by: the input of the execution.

use serde::{Deserialize, Serialize};

use crate::{Failure, setting};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Order {
    /// The name of its execution, so that an order that is sent twice is one order.
    pub id: String,
    pub email: String,
    /// In whole euros.
    pub amount: u32,
}

/// What the template's parameters say. They are part of the input, so an order keeps the rules it came under.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rules {
    /// Orders of this amount or more need a human's approval.
    pub approval_from: u32,
    pub approval_seconds: u32,
    pub shipment_seconds: u32,
    /// The warehouse is lost if it says nothing for so long.
    pub heartbeat_seconds: u32,
}

impl Rules {
    pub fn from_env() -> Result<Rules, Failure> {
        Ok(Rules {
            approval_from: number("APPROVAL_FROM")?,
            approval_seconds: number("APPROVAL_SECONDS")?,
            shipment_seconds: number("SHIPMENT_SECONDS")?,
            heartbeat_seconds: number("HEARTBEAT_SECONDS")?,
        })
    }
}

fn number(name: &str) -> Result<u32, Failure> {
    let text = setting(name)?;
    text.parse().map_err(|_| crate::aws::invalid(format!("{name} is {text:?}: it must be a whole number")))
}
