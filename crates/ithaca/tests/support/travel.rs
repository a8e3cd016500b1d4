//! The travel saga as the article has it: run types, states, rows. Facts of the article, not of the example's code.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::client::{Client, text};
use super::history::{check_whole, states_entered};

pub const DEFAULT_TRIP: &str = "5c12d94a-ee6a-40d9-889b-1d49142248b7";
pub const TABLE: &str = "travel-BookingsTable";
pub const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:travel-BookingSaga";
pub const BOOKED: &str = "We have made your booking!";
pub const SORRY: &str = "Sorry, We Couldn't make the booking";
pub const FORWARD: [&str; 5] = ["ReserveHotel", "ReserveFlight", "TakePayment", "ConfirmHotelBooking", "ConfirmFlight"];
pub const COMPENSATIONS: [&str; 3] = ["RefundPayment", "CancelFlightReservation", "CancelHotelReservation"];

/// How a run of one type goes when every compensation does its work.
pub struct RunType {
    pub name: &'static str,
    /// How many of [`FORWARD`] are entered; the last of them fails, unless all is well.
    pub forward: usize,
    /// How many of [`COMPENSATIONS`] run, counted from the end.
    pub compensations: usize,
}

pub const SUCCESS: RunType = RunType { name: "success", forward: 5, compensations: 0 };

pub const FAILURES: [RunType; 5] = [
    RunType { name: "failHotelReservation", forward: 1, compensations: 1 },
    RunType { name: "failFlightsReservation", forward: 2, compensations: 2 },
    RunType { name: "failPayment", forward: 3, compensations: 3 },
    RunType { name: "failHotelConfirmation", forward: 4, compensations: 3 },
    RunType { name: "failFlightsConfirmation", forward: 5, compensations: 3 },
];

impl RunType {
    pub fn steps(&self) -> &'static [&'static str] {
        &FORWARD[..self.forward]
    }

    /// In the order in which they run.
    pub fn compensating(&self) -> &'static [&'static str] {
        &COMPENSATIONS[COMPENSATIONS.len() - self.compensations..]
    }
}

/// The folder of the example.
pub fn example() -> PathBuf {
    super::examples::folder("travel")
}

/// The folder of the example, once its functions are built.
pub fn built_example() -> PathBuf {
    super::examples::built("travel")
}

/// The execution's input.
pub fn trip(trip_id: &str, run_type: &str) -> Value {
    json!({
        "trip_id": trip_id,
        "depart": "London",
        "depart_at": "2021-07-10T06:00:00.000Z",
        "arrive": "Dublin",
        "arrive_at": "2021-07-12T08:00:00.000Z",
        "hotel": "holiday inn",
        "check_in": "2021-07-10T12:00:00.000Z",
        "check_out": "2021-07-12T14:00:00.000Z",
        "rental": "Volvo",
        "rental_from": "2021-07-10T00:00:00.000Z",
        "rental_to": "2021-07-12T00:00:00.000Z",
        "run_type": run_type,
    })
}

/// The rows of a trip as DynamoDB has them, in the order of their keys: flight, hotel, payment.
pub fn rows(client: &Client, trip_id: &str) -> Vec<Value> {
    rows_in(client, TABLE, trip_id)
}

pub fn rows_in(client: &Client, table: &str, trip_id: &str) -> Vec<Value> {
    let query = json!({
        "TableName": table,
        "ConsistentRead": true,
        "KeyConditionExpression": "pk = :trip",
        "ExpressionAttributeValues": { ":trip": { "S": trip_id } },
    });
    client.dynamo("Query", query)["Items"].as_array().expect("a query answers Items").clone()
}

/// Kind and status of each row of a trip, such as `HOTEL pending`.
pub fn row_states(client: &Client, trip_id: &str) -> Vec<String> {
    let state = |row: &Value| {
        let sort_key = text(&row["sk"]["S"]);
        format!("{} {}", sort_key.split('#').next().unwrap(), text(&row["transaction_status"]["S"]))
    };
    rows(client, trip_id).iter().map(state).collect()
}

/// The rows of the trip that is booked when a request names none.
pub fn default_rows() -> Vec<Value> {
    let row = |kind: &str, id: &str, details: &[(&str, &str)]| {
        let sort_key = format!("{}#{id}", kind.to_uppercase());
        let common = [("pk", DEFAULT_TRIP), ("sk", sort_key.as_str()), ("trip_id", DEFAULT_TRIP)];
        let named = [("type", kind), ("id", id), ("transaction_status", "confirmed")];
        let all = common.iter().chain(&named).chain(details);
        Value::Object(all.map(|(name, value)| ((*name).to_owned(), json!({ "S": value }))).collect())
    };
    let (depart_at, arrive_at) = ("2021-07-10T06:00:00.000Z", "2021-07-12T08:00:00.000Z");
    let (check_in, check_out) = ("2021-07-10T12:00:00.000Z", "2021-07-12T14:00:00.000Z");
    let flight = [("depart", "London"), ("depart_at", depart_at), ("arrive", "Dublin"), ("arrive_at", arrive_at)];
    let hotel = [("hotel", "holiday inn"), ("check_in", check_in), ("check_out", check_out)];
    let payment = [("amount", "450.00"), ("currency", "USD")];
    vec![row("Flight", "2039533926", &flight), row("Hotel", "265846601", &hotel), row("Payment", "613052072", &payment)]
}

/// All six run types by the API: states, errors and rows.
pub fn all_run_types_go_as_promised(api: &Client, client: &Client) {
    for path in ["/", "/any/path?runType=success&tripID=by-path"] {
        book(api, path);
    }
    for run in &FAILURES {
        book(api, &format!("/?runType={0}&tripID={0}", run.name));
    }
    let machines = client.all("ListStateMachines", json!({}), "stateMachines");
    let [machine] = machines.as_slice() else { panic!("one state machine: {machines:?}") };
    let tables = client.dynamo("ListTables", json!({}))["TableNames"].take();
    let table = text(&tables[0]);
    assert_eq!(tables, json!([table]));

    let ended = client.executions(&text(&machine["stateMachineArn"]));
    let ended = ended.iter().map(|execution| client.ended(&text(&execution["executionArn"])));
    let trip_of = |execution: &Value| {
        let input: Value = serde_json::from_str(execution["input"].as_str().unwrap()).unwrap();
        text(&input["trip_id"])
    };
    let executions: HashMap<String, Value> = ended.map(|execution| (trip_of(&execution), execution)).collect();
    assert_eq!(executions.len(), FAILURES.len() + 2);
    for trip in [DEFAULT_TRIP, "by-path"] {
        check(client, &executions[trip], "SUCCEEDED", &SUCCESS, BOOKED);
        assert_eq!(rows_in(client, &table, trip).len(), 3);
    }
    assert_eq!(rows_in(client, &table, DEFAULT_TRIP), default_rows());
    for run in &FAILURES {
        check(client, &executions[run.name], "FAILED", run, SORRY);
        assert_eq!(rows_in(client, &table, run.name), [Value::Null; 0], "{}", run.name);
    }
}

fn book(api: &Client, path: &str) {
    let answer = api.get(path);
    let processing = r#"{"message":"The holiday booking system is processing your order"}"#;
    assert_eq!((answer.status, answer.text().as_str()), (200, processing), "{path}");
}

fn check(client: &Client, execution: &Value, status: &str, run: &RunType, end: &str) {
    let events = client.history(execution["executionArn"].as_str().unwrap());
    check_whole(&events);
    let expect = [run.steps(), run.compensating(), &[end]].concat();
    assert_eq!((execution["status"].as_str(), states_entered(&events)), (Some(status), expect), "{}", run.name);
}
