//! Confirms the hotel that was reserved.

use travel::function::{Started, serve};
use travel::{Answer, Booking, Failure, Step, Table, Trip};

fn main() -> Started {
    let table = Table::from_env()?;
    serve(move |trip| confirm_hotel(table.clone(), trip))
}

async fn confirm_hotel(table: Table, trip: Trip) -> Result<Answer, Failure> {
    Step::ConfirmHotel.fail_if_asked(&trip)?;
    let hotel = Booking::hotel(&trip);
    table.confirm(&hotel).await?;
    Ok(Answer::ok(hotel))
}
