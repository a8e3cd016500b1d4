//! Confirms the flights that were reserved.

use travel::function::{Started, serve};
use travel::{Answer, Booking, Failure, Step, Table, Trip};

fn main() -> Started {
    let table = Table::from_env()?;
    serve(move |trip| confirm_flight(table.clone(), trip))
}

async fn confirm_flight(table: Table, trip: Trip) -> Result<Answer, Failure> {
    Step::ConfirmFlight.fail_if_asked(&trip)?;
    let flight = Booking::flight(&trip);
    table.confirm(&flight).await?;
    Ok(Answer::ok(flight))
}
