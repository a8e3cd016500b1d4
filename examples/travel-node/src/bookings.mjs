// A booking: one row of the table, named by an id that follows from the trip.
//
// Because the id can be computed before the step runs, a step may be repeated (it writes the same row again), and its
// compensation needs no answer from it (it deletes the row that would be there).
import { call } from './aws.mjs';

// The hash h = 31·h + code unit, in 32 bits, without its sign.
export function hash(...parts) {
  const units = parts.join('').split('').map((unit) => unit.charCodeAt(0));
  return String(Math.abs(units.reduce((h, unit) => (Math.imul(31, h) + unit) | 0, 0)));
}

export function hotel({ trip_id, hotel, check_in, check_out }) {
  return { type: 'Hotel', trip_id, id: hash(trip_id, hotel, check_in), hotel, check_in, check_out };
}

export function flight({ trip_id, depart, depart_at, arrive, arrive_at }) {
  return { type: 'Flight', trip_id, id: hash(trip_id, depart, arrive), depart, depart_at, arrive, arrive_at };
}

export function payment(trip) {
  const id = hash(trip.trip_id, hotel(trip).id, flight(trip).id);
  return { type: 'Payment', trip_id: trip.trip_id, id, amount: '450.00', currency: 'USD' };
}

const TableName = process.env.TABLE_NAME;

const text = (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, { S: value }]));
const key = ({ type, trip_id, id }) => text({ pk: trip_id, sk: `${type.toUpperCase()}#${id}` });

export async function put(booking, transaction_status) {
  const Item = { ...key(booking), ...text({ ...booking, transaction_status }) };
  await call('dynamodb', 'PutItem', { TableName, Item });
}

// Fails where the row is gone: what was cancelled does not come back as a part of itself.
export async function confirm(booking) {
  await call('dynamodb', 'UpdateItem', {
    TableName,
    Key: key(booking),
    UpdateExpression: 'SET transaction_status = :confirmed',
    ConditionExpression: 'attribute_exists(pk)',
    ExpressionAttributeValues: text({ ':confirmed': 'confirmed' }),
  });
}

export async function remove(booking) {
  await call('dynamodb', 'DeleteItem', { TableName, Key: key(booking) });
}
