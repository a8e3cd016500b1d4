// What is asked of the bank and the carrier: a row for each, by the order, so that everything may be repeated.
//
// Both stand in for real ones: replace the bodies with calls of yours, with the order's id as the idempotency key.
import { call, failure } from './aws.mjs';

async function set(pk, status) {
  await call('dynamodb', 'UpdateItem', {
    TableName: process.env.ORDERS_TABLE,
    Key: { pk: { S: pk } },
    UpdateExpression: 'SET #status = :status',
    ExpressionAttributeNames: { '#status': 'status' },
    ExpressionAttributeValues: { ':status': { S: status } },
  });
}

export async function charge({ order }) {
  if (order.card === 'declined') throw failure('CardDeclined', 'The bank has declined the card');
  await set(`PAYMENT#${order.id}`, 'charged');
}

// The money goes back, whether or not it came.
export async function refund({ order }) {
  await set(`PAYMENT#${order.id}`, 'refunded');
}

export async function ship({ order }) {
  if (order.address === 'nowhere') throw failure('AddressUnknown', 'The carrier does not know the address');
  await set(`SHIPMENT#${order.id}`, 'sent');
  return { tracking: `T-${order.id}` };
}

// Nothing is sent, whether or not it was asked for.
export async function cancelShipment({ order }) {
  await set(`SHIPMENT#${order.id}`, 'cancelled');
}
