//! The steps forward, and the run type that makes each of them fail.
//!
//! A step that is to fail does so *before* it touches the table, so what its compensation finds is the harder case: a
//! booking that may or may not be there. Any other run type, `success` among them, lets every step pass.

use crate::{Failure, Trip};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    ReserveHotel,
    ReserveFlight,
    TakePayment,
    ConfirmHotel,
    ConfirmFlight,
}

impl Step {
    /// Fails if the trip's run type names this step.
    pub fn fail_if_asked(self, trip: &Trip) -> Result<(), Failure> {
        let (run_type, error_type, message) = self.failure();
        if trip.run_type == run_type { Err(Failure::new(error_type, message)) } else { Ok(()) }
    }

    /// The run type that names the step, and what it fails with then.
    fn failure(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Step::ReserveHotel => ("failHotelReservation", "HotelReservationFailed", "Failed to book the hotel"),
            Step::ReserveFlight => ("failFlightsReservation", "FlightsReservationFailed", "Failed to book the flights"),
            Step::TakePayment => ("failPayment", "PaymentFailed", "Failed to take the payment"),
            Step::ConfirmHotel => ("failHotelConfirmation", "HotelConfirmationFailed", "Failed to confirm the hotel"),
            Step::ConfirmFlight => {
                ("failFlightsConfirmation", "FlightsConfirmationFailed", "Failed to confirm the flights")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 5] =
        [Step::ReserveHotel, Step::ReserveFlight, Step::TakePayment, Step::ConfirmHotel, Step::ConfirmFlight];

    #[test]
    fn a_run_type_fails_the_step_it_names_and_no_other() {
        let check = |run_type, expect: &[Step]| {
            let trip = Trip::to_dublin("t", run_type);
            let failed: Vec<Step> = STEPS.into_iter().filter(|step| step.fail_if_asked(&trip).is_err()).collect();
            assert_eq!(failed, expect, "{run_type}");
        };
        check("success", &[]);
        check("failHotelReservation", &[Step::ReserveHotel]);
        check("failFlightsReservation", &[Step::ReserveFlight]);
        check("failPayment", &[Step::TakePayment]);
        check("failHotelConfirmation", &[Step::ConfirmHotel]);
        check("failFlightsConfirmation", &[Step::ConfirmFlight]);
        check("something else", &[]);
    }

    #[test]
    fn a_failure_has_a_name_and_a_sentence() {
        let failure = Step::ReserveHotel.fail_if_asked(&Trip::to_dublin("t", "failHotelReservation")).unwrap_err();
        assert_eq!(failure.to_string(), "HotelReservationFailed: Failed to book the hotel");
    }
}
