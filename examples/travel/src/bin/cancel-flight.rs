//! Compensates `reserve-flight`: no row is left, whether or not there was one.

use travel::function::{Started, serve};
use travel::{Answer, Booking, Failure, Table, Trip, fail_at_random};

fn main() -> Started {
    let table = Table::from_env()?;
    serve(move |trip| cancel_flight(table.clone(), trip))
}

async fn cancel_flight(table: Table, trip: Trip) -> Result<Answer, Failure> {
    fail_at_random()?;
    let flight = Booking::flight(&trip);
    table.delete(&flight).await?;
    Ok(Answer::ok(flight))
}
