// The front door: orders come in, and so do the answers of those who are waited for.
import * as approvals from './approvals.mjs';
import { baseUrl, message, send, start } from './http.mjs';
import * as table from './table.mjs';

const ORDERS = process.env.ORDERS_TABLE;

// They are part of the input, so an order keeps the rules it came under.
const RULES = Object.fromEntries(['approval_from', 'approval_seconds', 'shipment_seconds', 'heartbeat_seconds']
  .map((name) => [name, Number(process.env[name.toUpperCase()])]));

const ROUTES = {
  'POST /orders': order,
  'GET /approvals/{link}': ({ pathParameters: { link } }) => approvals.show(link),
  'POST /approvals/{link}': decide,
  'POST /shipments/{order}': shipment,
};

// A failure is told as a page as well: API Gateway would say no more than 502.
export async function handler(event) {
  try {
    return await ROUTES[`${event.httpMethod} ${event.resource}`](event, event.queryStringParameters ?? {});
  } catch (error) {
    console.error(error);
    return message(500, 'There was an error. Please try again.');
  }
}

// The order's id is the name of its execution: sent again, it is not a second order.
async function order(event, { id = '', amount = '', email = '' }) {
  if (!/^[\w-]{1,80}$/.test(id)) return message(400, 'id must be 1 to 80 letters, digits, - or _');
  if (!/^[1-9]\d{0,8}$/.test(amount)) return message(400, 'amount must be a whole number from 1 on');
  if (!/^[^@\s]+@[^@\s]+$/.test(email)) return message(400, 'email must be an address');
  const input = { order: { id, amount: Number(amount), email }, rules: RULES, base_url: baseUrl(event) };
  return (await start(id, input)) ? message(202, 'We are processing your order') : message(409, 'There is an order with this id already');
}

async function decide({ pathParameters: { link } }, { answer }) {
  if (!['approve', 'decline'].includes(answer)) return message(400, 'answer must be approve or decline');
  return approvals.decide(link, answer === 'approve');
}

const WORDS = {
  packing: () => ['SendTaskHeartbeat'],
  sent: (id) => ['SendTaskSuccess', { output: JSON.stringify({ tracking: `T-${id}` }) }],
  cancelled: () => ['SendTaskFailure', { error: 'ShipmentCancelled', cause: 'The warehouse cannot send it' }],
};

// A word from the warehouse. A real one would have to say who it is.
async function shipment({ pathParameters: { order: id } }, { event }) {
  if (!Object.hasOwn(WORDS, event ?? '')) return message(400, 'event must be packing, sent or cancelled');
  const row = await table.get(ORDERS, `SHIPMENT#${id}`);
  if (!row?.token) return message(404, 'There is no shipment for this order');
  const [operation, rest] = WORDS[event](id);
  if (!(await send(operation, row.token, rest))) return message(409, 'Nobody waits for this shipment any more: do not send it');
  await table.set(ORDERS, `SHIPMENT#${id}`, { status: event });
  return message(200, 'Thank you');
}
