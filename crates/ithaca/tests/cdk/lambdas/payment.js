'use strict';

const { fail, failAtRandom, hash, put, remove } = require('./booking');

exports.take = async (event) => {
  fail(event, 'failPayment', 'Failed to take the payment');
  const { trip_id } = event;
  const id = hash(trip_id, event.ReserveHotelResult.Payload.booking_id, event.ReserveFlightResult.Payload.booking_id);
  await put('Payment', { trip_id, id, amount: '450.00', currency: 'USD', transaction_status: 'confirmed' });
  return { status: 'ok', payment_id: id };
};

exports.refund = async (event) => {
  failAtRandom();
  const id = event.TakePaymentResult ? event.TakePaymentResult.Payload.payment_id : '';
  await remove('Payment', event.trip_id, id);
  return { status: 'ok', payment_id: id };
};
