//! What the functions of the travel saga did to the world, kept outside the engine.
//!
//! An effect is there from the moment a function has it, whatever becomes of its answer. In the end a saga's effects are
//! all there, or all compensated; or its history names the compensation that gave up, and those before it are done.

use std::collections::{BTreeMap, BTreeSet};

use engine::ExecutionId;
use interpreter::{EventKind, HistoryEvent};

/// The state, what it books, and the state that compensates it.
const STEPS: [(&str, &str, &str); 5] = [
    ("ReserveHotel", "hotel", "CancelHotelReservation"),
    ("ReserveFlight", "flight", "CancelFlightReservation"),
    ("TakePayment", "payment", "RefundPayment"),
    ("ConfirmHotelBooking", "hotel confirmed", "CancelHotelReservation"),
    ("ConfirmFlight", "flight confirmed", "CancelFlightReservation"),
];

const BOOKED: &str = "We have made your booking!";
const SORRY: &str = "Sorry, We Couldn't make the booking";

/// By execution and not by its name, which another may have once the first is swept.
#[derive(Default)]
pub struct Ledger(BTreeMap<ExecutionId, BTreeSet<&'static str>>);

/// How a saga has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    AllDone,
    AllCompensated,
    /// A compensation gave up, and the history says which.
    GaveUp,
    /// It was stopped or ran out of time, which compensates nothing.
    CutShort,
}

impl Ledger {
    /// A function of this state has its effect.
    pub fn effect(&mut self, id: ExecutionId, state: &str) {
        let booked = self.0.entry(id).or_default();
        for (step, effect, compensation) in STEPS {
            if state == step {
                booked.insert(effect);
            } else if state == compensation {
                booked.remove(effect);
            }
        }
    }

    /// Holds a saga that has ended against what it did.
    pub fn check(&self, id: ExecutionId, execution_arn: &str, history: &[HistoryEvent]) -> End {
        let none = BTreeSet::new();
        let booked = self.0.get(&id).unwrap_or(&none);
        let is_cut = |event: &HistoryEvent| {
            matches!(event.kind, EventKind::ExecutionAborted(_) | EventKind::ExecutionTimedOut(_))
        };
        if history.iter().any(is_cut) {
            return End::CutShort;
        }
        let last = history.iter().rev().find_map(|event| match &event.kind {
            EventKind::StateEntered { name, .. } => Some(&**name),
            _ => None,
        });
        match last {
            Some(BOOKED) => {
                assert_eq!(booked.len(), STEPS.len(), "{execution_arn} says that all is booked: {booked:?}");
                End::AllDone
            }
            Some(SORRY) => {
                assert!(booked.is_empty(), "{execution_arn} says that all is compensated: {booked:?}");
                End::AllCompensated
            }
            Some(state) => {
                let is_compensation = STEPS.iter().any(|(_, _, compensation)| *compensation == state);
                assert!(is_compensation, "{execution_arn} ended in {state} with {booked:?}");
                self.check_compensated(execution_arn, history, booked);
                End::GaveUp
            }
            None => panic!("{execution_arn} has ended before it began"),
        }
    }

    /// Compensations that succeeded before one gave up have left nothing.
    fn check_compensated(&self, execution_arn: &str, history: &[HistoryEvent], booked: &BTreeSet<&str>) {
        for event in history {
            let EventKind::StateExited { name, .. } = &event.kind else { continue };
            for (_, effect, compensation) in STEPS {
                assert!(
                    **name != *compensation || !booked.contains(effect),
                    "{execution_arn} says that {name} is done, and there is {effect}"
                );
            }
        }
    }
}
