//! The table: three verbs over rows that a [`Booking`] names, each safe to repeat.
//!
//! | verb | repeated | on a row that is not there |
//! |---|---|---|
//! | put | the same row again | makes it |
//! | confirm | no change | fails, so that a row once cancelled does not come back as a torso |
//! | delete | no change | no change |

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::settings::{TABLE_NAME, required};
use crate::{Booking, Failure, aws};

pub enum Status {
    Pending,
    Confirmed,
}

/// A cheap handle: its clones share one client and its connections.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// Reads the environment; once in a process, before the first event.
    pub fn from_env() -> Result<Table, Failure> {
        Ok(Table { client: Client::new(&aws::config("DYNAMODB")?), name: required(TABLE_NAME)? })
    }

    pub async fn put(&self, booking: &Booking, status: Status) -> Result<(), Failure> {
        self.client.put_item().table_name(&self.name).set_item(Some(row(booking, status))).send().await?;
        Ok(())
    }

    pub async fn confirm(&self, booking: &Booking) -> Result<(), Failure> {
        let update = self.client.update_item().table_name(&self.name).set_key(Some(key(booking)));
        update
            .update_expression("SET transaction_status = :confirmed")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":confirmed", text(Status::Confirmed.name()))
            .send()
            .await?;
        Ok(())
    }

    pub async fn delete(&self, booking: &Booking) -> Result<(), Failure> {
        self.client.delete_item().table_name(&self.name).set_key(Some(key(booking))).send().await?;
        Ok(())
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Confirmed => "confirmed",
        }
    }
}

type Item = HashMap<String, AttributeValue>;

fn key(booking: &Booking) -> Item {
    HashMap::from([("pk".into(), text(&booking.trip_id)), ("sk".into(), text(booking.sort_key()))])
}

fn row(booking: &Booking, status: Status) -> Item {
    let common = [
        ("trip_id", booking.trip_id.as_str()),
        ("type", booking.kind.name()),
        ("id", &booking.id),
        ("transaction_status", status.name()),
    ];
    let details = booking.details.iter().map(|(name, value)| (*name, value.as_str()));
    let attributes = common.into_iter().chain(details).map(|(name, value)| (name.into(), text(value)));
    key(booking).into_iter().chain(attributes).collect()
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trip;
    use crate::trip::{DEFAULT_RUN_TYPE, DEFAULT_TRIP_ID};

    #[test]
    fn a_row_has_the_attributes_of_the_article() {
        let trip = Trip::to_dublin(DEFAULT_TRIP_ID, DEFAULT_RUN_TYPE);
        let check = |booking, status, expect: &[(&str, &str)]| {
            let id = ("trip_id", DEFAULT_TRIP_ID);
            let all = [("pk", DEFAULT_TRIP_ID), id].into_iter().chain(expect.iter().copied());
            let expect: Item = all.map(|(name, value)| (name.into(), text(value))).collect();
            assert_eq!(row(&booking, status), expect);
        };
        check(
            Booking::hotel(&trip),
            Status::Pending,
            &[
                ("sk", "HOTEL#265846601"),
                ("type", "Hotel"),
                ("id", "265846601"),
                ("hotel", "holiday inn"),
                ("check_in", "2021-07-10T12:00:00.000Z"),
                ("check_out", "2021-07-12T14:00:00.000Z"),
                ("transaction_status", "pending"),
            ],
        );
        check(
            Booking::flight(&trip),
            Status::Pending,
            &[
                ("sk", "FLIGHT#2039533926"),
                ("type", "Flight"),
                ("id", "2039533926"),
                ("depart", "London"),
                ("depart_at", "2021-07-10T06:00:00.000Z"),
                ("arrive", "Dublin"),
                ("arrive_at", "2021-07-12T08:00:00.000Z"),
                ("transaction_status", "pending"),
            ],
        );
        check(
            Booking::payment(&trip),
            Status::Confirmed,
            &[
                ("sk", "PAYMENT#613052072"),
                ("type", "Payment"),
                ("id", "613052072"),
                ("amount", "450.00"),
                ("currency", "USD"),
                ("transaction_status", "confirmed"),
            ],
        );
    }
}
