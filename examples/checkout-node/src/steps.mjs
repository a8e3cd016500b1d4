// The steps of the saga, and their compensations: a function each.
import * as approvals from './approvals.mjs';
import { failure } from './aws.mjs';
import { mail } from './mail.mjs';
import * as table from './table.mjs';

const ORDERS = process.env.ORDERS_TABLE;

// Asks a human: a mail with a link that is good for one answer.
export async function requestApproval({ order, token, base_url }) {
  const link = await approvals.save(order, token);
  const subject = `Please approve the order ${order.id} over ${order.amount} EUR`;
  await mail(`${order.id}#approval`, process.env.APPROVER, subject, `${base_url}/approvals/${link}`);
}

// An order over 13 euros is one that no bank pays.
export async function chargeCustomer({ order }) {
  if (order.amount === 13) throw failure('PaymentRefused', 'The bank has refused the payment');
  await table.set(ORDERS, `PAYMENT#${order.id}`, { status: 'taken', amount: order.amount });
}

// Asks the warehouse: a row with the token that the warehouse's words will go by.
export async function requestShipment({ order, token }) {
  await table.set(ORDERS, `SHIPMENT#${order.id}`, { status: 'requested', token });
}

// Nothing is sent any more. The token is of no use to the warehouse by now.
export async function cancelShipment({ order }) {
  await table.set(ORDERS, `SHIPMENT#${order.id}`, { status: 'cancelled' });
}

// The money goes back, whether or not it came.
export async function refundCustomer({ order }) {
  await table.set(ORDERS, `PAYMENT#${order.id}`, { status: 'refunded' });
}

const WORDS = {
  shipped: ['is on its way', (tracking) => `We have sent it. Tracking number: ${tracking}.`],
  declined: ['was declined', () => 'We took no money.'],
  cancelled: ['was cancelled', (reason) => `We could not send it (${reason}). Your money is on its way back.`],
};

// Tells the customer what became of the order: why, or with which tracking number.
export async function sendMail({ order, about, reason }) {
  const [subject, text] = WORDS[about];
  await mail(`${order.id}#${about}`, order.email, `Your order ${order.id} ${subject}`, text(reason));
}
