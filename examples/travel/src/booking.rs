//! A booking: one row of the table, named by an id that follows from the trip.
//!
//! Because the id can be computed before the step runs, the step may be repeated (it writes the same row again) and its
//! compensation needs no answer from it (it deletes the row that would be there). It does not know how rows are stored.

use crate::Trip;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Hotel,
    Flight,
    Payment,
}

impl Kind {
    /// As the attribute `type` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Hotel => "Hotel",
            Kind::Flight => "Flight",
            Kind::Payment => "Payment",
        }
    }
}

pub struct Booking {
    pub trip_id: String,
    pub kind: Kind,
    pub id: String,
    /// The attributes that only this kind of booking has.
    pub details: Vec<(&'static str, String)>,
}

impl Booking {
    pub fn hotel(trip: &Trip) -> Booking {
        let id = hash(&[&trip.trip_id, &trip.hotel, &trip.check_in]);
        let details = [("hotel", &trip.hotel), ("check_in", &trip.check_in), ("check_out", &trip.check_out)];
        Booking::new(trip, Kind::Hotel, id, details)
    }

    pub fn flight(trip: &Trip) -> Booking {
        let id = hash(&[&trip.trip_id, &trip.depart, &trip.arrive]);
        let details = [
            ("depart", &trip.depart),
            ("depart_at", &trip.depart_at),
            ("arrive", &trip.arrive),
            ("arrive_at", &trip.arrive_at),
        ];
        Booking::new(trip, Kind::Flight, id, details)
    }

    pub fn payment(trip: &Trip) -> Booking {
        let id = hash(&[&trip.trip_id, &Booking::hotel(trip).id, &Booking::flight(trip).id]);
        Booking::new(trip, Kind::Payment, id, [("amount", "450.00"), ("currency", "USD")])
    }

    /// `HOTEL#265846601`: the part of the key that tells the bookings of one trip apart.
    pub fn sort_key(&self) -> String {
        format!("{}#{}", self.kind.name().to_uppercase(), self.id)
    }

    fn new<const N: usize>(
        trip: &Trip,
        kind: Kind,
        id: String,
        details: [(&'static str, impl ToString); N],
    ) -> Booking {
        let details = details.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        Booking { trip_id: trip.trip_id.clone(), kind, id, details }
    }
}

/// The string hash of Java, h = 31·h + code unit in 32 bits, without its sign.
fn hash(parts: &[&str]) -> String {
    let units = parts.iter().flat_map(|part| part.encode_utf16());
    units.fold(0i32, |h, unit| h.wrapping_mul(31).wrapping_add(unit.into())).unsigned_abs().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trip::{DEFAULT_RUN_TYPE, DEFAULT_TRIP_ID};

    #[test]
    fn the_default_trip_has_the_rows_of_the_article() {
        let trip = Trip::to_dublin(DEFAULT_TRIP_ID, DEFAULT_RUN_TYPE);
        let keys = [Booking::flight(&trip), Booking::hotel(&trip), Booking::payment(&trip)].map(|row| row.sort_key());
        assert_eq!(keys, ["FLIGHT#2039533926", "HOTEL#265846601", "PAYMENT#613052072"]);
    }

    #[test]
    fn the_hash_is_that_of_java() {
        let check = |parts: &[&str], expect| assert_eq!(hash(parts), expect, "{parts:?}");
        check(&[], "0");
        check(&["ab"], "3105");
        check(&["a", "b"], "3105");
        check(&["\u{1F680}"], "1773027"); // Two code units, a surrogate pair.
        check(&["polygenelubricants"], "2147483648"); // i32::MIN, which has no positive twin in 32 bits.
    }
}
