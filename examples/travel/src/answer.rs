//! What a step answers: the state machine keeps it under `$.<State>Result.Payload`.

use serde::Serialize;

use crate::Booking;
use crate::booking::Kind;

/// `{"status":"ok","booking_id":"265846601"}`, or `payment_id` for the payment.
#[derive(Debug, Serialize)]
pub struct Answer {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<String>,
}

impl Answer {
    pub fn ok(booking: Booking) -> Answer {
        let (booking_id, payment_id) = match booking.kind {
            Kind::Hotel | Kind::Flight => (Some(booking.id), None),
            Kind::Payment => (None, Some(booking.id)),
        };
        Answer { status: "ok", booking_id, payment_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trip;

    #[test]
    fn an_answer_names_what_was_booked() {
        let trip = Trip::to_dublin("t", "success");
        let check = |booking: Booking, name: &str| {
            let expect = format!(r#"{{"status":"ok","{name}":"{}"}}"#, booking.id);
            assert_eq!(serde_json::to_string(&Answer::ok(booking)).unwrap(), expect);
        };
        check(Booking::hotel(&trip), "booking_id");
        check(Booking::flight(&trip), "booking_id");
        check(Booking::payment(&trip), "payment_id");
    }
}
