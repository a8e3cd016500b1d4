//! Reserves the hotel: its row, pending until `confirm-hotel`.

use travel::function::{Started, serve};
use travel::{Answer, Booking, Failure, Status, Step, Table, Trip};

fn main() -> Started {
    let table = Table::from_env()?;
    serve(move |trip| reserve_hotel(table.clone(), trip))
}

async fn reserve_hotel(table: Table, trip: Trip) -> Result<Answer, Failure> {
    Step::ReserveHotel.fail_if_asked(&trip)?;
    let hotel = Booking::hotel(&trip);
    table.put(&hotel, Status::Pending).await?;
    Ok(Answer::ok(hotel))
}
