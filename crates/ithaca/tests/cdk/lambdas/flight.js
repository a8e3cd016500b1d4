'use strict';

const { confirm, fail, failAtRandom, hash, put, remove } = require('./booking');

exports.reserve = async (event) => {
  fail(event, 'failFlightsReservation', 'Failed to book the flights');
  const { trip_id, depart, depart_at, arrive, arrive_at } = event;
  const id = hash(trip_id, depart, arrive);
  await put('Flight', { trip_id, id, depart, depart_at, arrive, arrive_at, transaction_status: 'pending' });
  return { status: 'ok', booking_id: id };
};

exports.confirm = (event, context, callback) => {
  fail(event, 'failFlightsConfirmation', 'Failed to confirm the flights');
  confirm('Flight', event.trip_id, event.ReserveFlightResult.Payload.booking_id, callback);
};

exports.cancel = async (event) => {
  failAtRandom();
  const id = event.ReserveFlightResult ? event.ReserveFlightResult.Payload.booking_id : '';
  await remove('Flight', event.trip_id, id);
  return { status: 'ok', booking_id: id };
};
