//! Compensates `take-payment`: no row is left, whether or not there was one.

use travel::function::{Started, serve};
use travel::{Answer, Booking, Failure, Table, Trip, fail_at_random};

fn main() -> Started {
    let table = Table::from_env()?;
    serve(move |trip| refund_payment(table.clone(), trip))
}

async fn refund_payment(table: Table, trip: Trip) -> Result<Answer, Failure> {
    fail_at_random()?;
    let payment = Booking::payment(&trip);
    table.delete(&payment).await?;
    Ok(Answer::ok(payment))
}
