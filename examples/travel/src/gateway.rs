//! The two ends of an API Gateway proxy event: what was asked, what is answered.

use serde::{Deserialize, Serialize};

use crate::Trip;
use crate::trip::{DEFAULT_RUN_TYPE, DEFAULT_TRIP_ID};

/// The part of the event that matters here. A request without a query has `"queryStringParameters": null`.
#[derive(Deserialize)]
pub struct Request {
    #[serde(default, rename = "queryStringParameters")]
    query: Option<Query>,
}

#[derive(Default, Deserialize)]
struct Query {
    #[serde(rename = "runType")]
    run_type: Option<String>,
    #[serde(rename = "tripID")]
    trip_id: Option<String>,
}

impl Request {
    /// The trip asked for; a parameter that is absent or empty has its default.
    pub fn trip(self) -> Trip {
        let or = |value: Option<String>, default: &str| {
            value.filter(|text| !text.is_empty()).unwrap_or_else(|| default.into())
        };
        let query = self.query.unwrap_or_default();
        Trip::to_dublin(&or(query.trip_id, DEFAULT_TRIP_ID), &or(query.run_type, DEFAULT_RUN_TYPE))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    status_code: u16,
    headers: Headers,
    body: String,
}

#[derive(Debug, Serialize)]
struct Headers {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
}

impl Response {
    /// `{"message":"..."}` with this status.
    pub fn message(status_code: u16, message: &str) -> Response {
        let body = serde_json::json!({ "message": message }).to_string();
        Response { status_code, headers: Headers { content_type: "application/json" }, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_trip_or_gets_the_default() {
        let check = |event: &str, trip_id, run_type| {
            let request: Request = serde_json::from_str(event).unwrap();
            assert_eq!(request.trip(), Trip::to_dublin(trip_id, run_type), "{event}");
        };
        let (trip, run) = (DEFAULT_TRIP_ID, DEFAULT_RUN_TYPE);
        check("{}", trip, run);
        check(r#"{"httpMethod":"GET","path":"/","queryStringParameters":null,"body":null}"#, trip, run);
        check(r#"{"queryStringParameters":{}}"#, trip, run);
        check(r#"{"queryStringParameters":{"other":"x"}}"#, trip, run);
        check(r#"{"queryStringParameters":{"runType":"","tripID":""}}"#, trip, run);
        check(r#"{"queryStringParameters":{"runType":"failPayment"}}"#, trip, "failPayment");
        check(r#"{"queryStringParameters":{"tripID":"t1","runType":"failPayment"}}"#, "t1", "failPayment");
        check(r#"{"queryStringParameters":{"tripid":"t1"}}"#, trip, run);
    }

    #[test]
    fn a_response_is_what_api_gateway_expects() {
        let expect =
            r#"{"statusCode":500,"headers":{"Content-Type":"application/json"},"body":"{\"message\":\"no\"}"}"#;
        assert_eq!(serde_json::to_string(&Response::message(500, "no")).unwrap(), expect);
    }
}
