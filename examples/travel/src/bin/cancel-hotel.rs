//! Compensates `reserve-hotel`: no row is left, whether or not there was one.

use travel::function::{Started, serve};
use travel::{Answer, Booking, Failure, Table, Trip, fail_at_random};

fn main() -> Started {
    let table = Table::from_env()?;
    serve(move |trip| cancel_hotel(table.clone(), trip))
}

async fn cancel_hotel(table: Table, trip: Trip) -> Result<Answer, Failure> {
    fail_at_random()?;
    let hotel = Booking::hotel(&trip);
    table.delete(&hotel).await?;
    Ok(Answer::ok(hotel))
}
