//! Reserves the flights: their row, pending until `confirm-flight`.

use travel::function::{Started, serve};
use travel::{Answer, Booking, Failure, Status, Step, Table, Trip};

fn main() -> Started {
    let table = Table::from_env()?;
    serve(move |trip| reserve_flight(table.clone(), trip))
}

async fn reserve_flight(table: Table, trip: Trip) -> Result<Answer, Failure> {
    Step::ReserveFlight.fail_if_asked(&trip)?;
    let flight = Booking::flight(&trip);
    table.put(&flight, Status::Pending).await?;
    Ok(Answer::ok(flight))
}
