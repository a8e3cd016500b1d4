'use strict';

const { confirm, fail, failAtRandom, hash, put, remove } = require('./booking');

exports.reserve = async (event) => {
  fail(event, 'failHotelReservation', 'Failed to book the hotel');
  const { trip_id, hotel, check_in, check_out } = event;
  const id = hash(trip_id, hotel, check_in);
  await put('Hotel', { trip_id, id, hotel, check_in, check_out, transaction_status: 'pending' });
  return { status: 'ok', booking_id: id };
};

exports.confirm = (event, context, callback) => {
  fail(event, 'failHotelConfirmation', 'Failed to confirm the hotel');
  confirm('Hotel', event.trip_id, event.ReserveHotelResult.Payload.booking_id, callback);
};

// The reserve's answer is not there when the reserve has failed.
exports.cancel = async (event) => {
  failAtRandom();
  const id = event.ReserveHotelResult ? event.ReserveHotelResult.Payload.booking_id : '';
  await remove('Hotel', event.trip_id, id);
  return { status: 'ok', booking_id: id };
};
