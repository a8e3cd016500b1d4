//! Takes the payment: its row, confirmed from the start.

use travel::function::{Started, serve};
use travel::{Answer, Booking, Failure, Status, Step, Table, Trip};

fn main() -> Started {
    let table = Table::from_env()?;
    serve(move |trip| take_payment(table.clone(), trip))
}

async fn take_payment(table: Table, trip: Trip) -> Result<Answer, Failure> {
    Step::TakePayment.fail_if_asked(&trip)?;
    let payment = Booking::payment(&trip);
    table.put(&payment, Status::Confirmed).await?;
    Ok(Answer::ok(payment))
}
