// Each way that an order can go, on a running Ithaca: `node --test` in the app's folder.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { until, up } from './ithaca.mjs';

let app;
before(async () => { app = await up(); });
after(() => app?.stop());

const SMALL = ['Accept', 'NeedsApproval', 'ChargeCustomer', 'RequestShipment'];
const LARGE = ['Accept', 'NeedsApproval', 'RequestApproval', 'ChargeCustomer', 'RequestShipment'];
const SENT = ['SayShipped', 'Order shipped'];
const CANCELLED = ['RefundCustomer', 'SayCancelled', 'Order cancelled'];
const DECLINED = ['SayDeclined', 'Order declined'];

async function post(path, status) {
  const answer = await fetch(`${app.url}${path}`, { method: 'POST' });
  assert.equal(answer.status, status, await answer.text());
}

const order = (id, amount) => post(`/orders?id=${id}&amount=${amount}&email=ann@example.com`, 202);

async function row(table, pk) {
  return (await app.rows(table)).find((row) => row.pk === pk);
}

// The warehouse's word, once the shipment has been asked for.
async function ship(id, event) {
  await until(`the shipment ${id}`, () => row('OrdersTable', `SHIPMENT#${id}`));
  await post(`/shipments/${id}?event=${event}`, 200);
}

// The path of the link that a human gets.
async function link(id) {
  const mail = await until(`the mail of ${id}`, () => row('OutboxTable', `${id}#approval`));
  return mail.text.slice(app.url.length);
}

async function ended(id, status, states, cause) {
  const ended = await app.ended(await app.execution('CheckoutSaga', id));
  assert.deepEqual(ended.states, states);
  assert.deepEqual([ended.status, ended.cause], [status, cause]);
}

async function payment(id) {
  return (await row('OrdersTable', `PAYMENT#${id}`))?.status;
}

test('a small order is paid and sent', async () => {
  await order('small', 20);
  await ship('small', 'packing');
  await ship('small', 'sent');
  await ended('small', 'SUCCEEDED', [...SMALL, ...SENT]);
  assert.equal(await payment('small'), 'taken');
  await post('/shipments/small?event=sent', 409);
  await post('/orders?id=small&amount=20&email=ann@example.com', 409);
});

test('a large order waits for a human, who approves', async () => {
  await order('large', 250);
  const path = await link('large');
  assert.match(await (await fetch(app.url + path)).text(), /The order large over 250 EUR waits for you/);
  await post(`${path}?answer=approve`, 200);
  await post(`${path}?answer=decline`, 410);
  await ship('large', 'sent');
  await ended('large', 'SUCCEEDED', [...LARGE, ...SENT]);
});

test('a human declines, and nothing was taken', async () => {
  await order('declined', 250);
  await post(`${await link('declined')}?answer=decline`, 200);
  await ended('declined', 'FAILED', [...LARGE.slice(0, 3), ...DECLINED], 'ApprovalDeclined');
  assert.equal(await payment('declined'), undefined);
});

test('a payment that is refused is compensated', async () => {
  await order('unpaid', 13);
  await ended('unpaid', 'FAILED', [...SMALL.slice(0, 3), ...CANCELLED], 'PaymentRefused');
  assert.equal(await payment('unpaid'), 'refunded');
});

test('a shipment that is cancelled is compensated', async () => {
  await order('unsent', 20);
  await ship('unsent', 'cancelled');
  await ended('unsent', 'FAILED', [...SMALL, 'CancelShipment', ...CANCELLED], 'ShipmentCancelled');
  assert.equal(await payment('unsent'), 'refunded');
});

test('who is late or silent is not waited for', async () => {
  await app.stop();
  app = await up({ ApprovalSeconds: 1, HeartbeatSeconds: 1 });
  await order('late', 250);
  await order('silent', 20);
  await ended('late', 'FAILED', [...LARGE.slice(0, 3), ...DECLINED], 'States.Timeout');
  await ended('silent', 'FAILED', [...SMALL, 'CancelShipment', ...CANCELLED], 'States.Timeout');
  await post(`${await link('late')}?answer=approve`, 410);
  assert.equal(await payment('silent'), 'refunded');
});
