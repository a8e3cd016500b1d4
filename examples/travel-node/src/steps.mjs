// The steps of the saga, and their compensations: a function each, with the trip as its event.
import { failure } from './aws.mjs';
import * as bookings from './bookings.mjs';
import { flight, hotel, payment } from './bookings.mjs';

export const reserveHotel = step(hotel, pending, 'failHotelReservation', 'HotelReservationFailed', 'Failed to book the hotel');
export const reserveFlight = step(flight, pending, 'failFlightsReservation', 'FlightsReservationFailed', 'Failed to book the flights');
export const takePayment = step(payment, confirmed, 'failPayment', 'PaymentFailed', 'Failed to take the payment');
export const confirmHotel = step(hotel, bookings.confirm, 'failHotelConfirmation', 'HotelConfirmationFailed', 'Failed to confirm the hotel');
export const confirmFlight = step(flight, bookings.confirm, 'failFlightsConfirmation', 'FlightsConfirmationFailed', 'Failed to confirm the flights');

export const refundPayment = compensation(payment);
export const cancelFlight = compensation(flight);
export const cancelHotel = compensation(hotel);

function pending(booking) {
  return bookings.put(booking, 'pending');
}

function confirmed(booking) {
  return bookings.put(booking, 'confirmed');
}

// A step that is asked to fail does so before it touches the table.
function step(of, work, runType, error, message) {
  return async (trip) => {
    if (trip.run_type === runType) throw failure(error, message);
    const booking = of(trip);
    await work(booking);
    return answer(booking);
  };
}

// Fails by chance and on purpose, so that one sees it recover by Retry.
function compensation(of) {
  return async (trip) => {
    if (Math.random() < Number(process.env.FAILURE_RATE)) throw failure('InternalServerError', 'Internal Server Error');
    const booking = of(trip);
    await bookings.remove(booking);
    return answer(booking);
  };
}

function answer({ type, id }) {
  return { status: 'ok', [type === 'Payment' ? 'payment_id' : 'booking_id']: id };
}
