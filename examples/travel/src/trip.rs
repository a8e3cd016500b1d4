//! A trip: the input of the execution, and so, with the answers of earlier steps beside it, the input of every step.

use serde::{Deserialize, Serialize};

/// The trip of the request that names none.
pub const DEFAULT_TRIP_ID: &str = "5c12d94a-ee6a-40d9-889b-1d49142248b7";
/// The run type of the request that names none; see [`crate::Step`] for the others.
pub const DEFAULT_RUN_TYPE: &str = "success";

/// Who travels where. The booking ids are computed from it, so a step needs nothing that an earlier one answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Trip {
    pub trip_id: String,
    pub depart: String,
    pub depart_at: String,
    pub arrive: String,
    pub arrive_at: String,
    pub hotel: String,
    pub check_in: String,
    pub check_out: String,
    pub rental: String,
    pub rental_from: String,
    pub rental_to: String,
    pub run_type: String,
}

impl Trip {
    /// The one journey on offer: London to Dublin, two nights.
    pub fn to_dublin(trip_id: &str, run_type: &str) -> Trip {
        Trip {
            trip_id: trip_id.into(),
            depart: "London".into(),
            depart_at: "2021-07-10T06:00:00.000Z".into(),
            arrive: "Dublin".into(),
            arrive_at: "2021-07-12T08:00:00.000Z".into(),
            hotel: "holiday inn".into(),
            check_in: "2021-07-10T12:00:00.000Z".into(),
            check_out: "2021-07-12T14:00:00.000Z".into(),
            rental: "Volvo".into(),
            rental_from: "2021-07-10T00:00:00.000Z".into(),
            rental_to: "2021-07-12T00:00:00.000Z".into(),
            run_type: run_type.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_its_trip_out_of_a_larger_input() {
        let trip = Trip::to_dublin(DEFAULT_TRIP_ID, DEFAULT_RUN_TYPE);
        let mut input = serde_json::to_value(&trip).unwrap();
        input["ReserveHotelError"] = serde_json::json!({"Error": "HotelReservationFailed"});
        assert_eq!(serde_json::from_value::<Trip>(input).unwrap(), trip);
    }

    /// The order of the fields is part of the text that an execution shows as its input.
    #[test]
    fn the_execution_input_is_the_articles() {
        let input = serde_json::to_string(&Trip::to_dublin(DEFAULT_TRIP_ID, DEFAULT_RUN_TYPE)).unwrap();
        let expect = concat!(
            r#"{"trip_id":"5c12d94a-ee6a-40d9-889b-1d49142248b7","depart":"London","depart_at":"2021-07-10T06:00:00.000Z","#,
            r#""arrive":"Dublin","arrive_at":"2021-07-12T08:00:00.000Z","hotel":"holiday inn","#,
            r#""check_in":"2021-07-10T12:00:00.000Z","check_out":"2021-07-12T14:00:00.000Z","rental":"Volvo","#,
            r#""rental_from":"2021-07-10T00:00:00.000Z","rental_to":"2021-07-12T00:00:00.000Z","run_type":"success"}"#,
        );
        assert_eq!(input, expect);
    }
}
