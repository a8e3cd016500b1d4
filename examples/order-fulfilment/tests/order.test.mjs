// Each way that an order can go, on a running Ithaca: `node --test` in the app's folder.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { up } from './ithaca.mjs';

const SHELF = { tea: 10, cup: 4, pot: 1 };

let app;
before(async () => { app = await up(); });
after(() => app?.stop());
beforeEach(async () => {
  const items = Object.entries(SHELF).map(([sku, quantity]) => ({ sku, quantity }));
  assert.equal((await app.run('Restock', { items })).status, 'SUCCEEDED');
});

const RESERVED = ['Accept', 'ReserveStock', 'IsAllReserved'];
// Each item is released or was never reserved; in which order items come is not told.
const INNER = ['ReserveItem', 'Not reserved', 'FindReservation', 'WasReserved', 'ReleaseItem', 'Released'];

const ways = [
  { id: 'shipped', states: ['Charge', 'Ship', 'Shipped'], shelf: { tea: 7, cup: 2, pot: 1 }, reserved: 2, left: ['charged', 'sent'] },
  { id: 'short', pots: 2, states: ['ReleaseStock', 'Order cancelled'], cause: 'OutOfStock', left: [] },
  { id: 'unpaid', card: 'declined', states: ['Charge', 'Refund', 'ReleaseStock', 'Order cancelled'], cause: 'CardDeclined', left: ['refunded'] },
  { id: 'unsent', address: 'nowhere', states: ['Charge', 'Ship', 'CancelShipment', 'Refund', 'ReleaseStock', 'Order cancelled'], cause: 'AddressUnknown', left: ['refunded', 'cancelled'] },
];

for (const { id, card = 'good', address = 'Vathy', pots, states, cause, shelf = SHELF, reserved = 0, left } of ways) {
  test(`an order that is ${id}`, async () => {
    const items = [{ sku: 'tea', quantity: 3 }, { sku: 'cup', quantity: 2 }, ...(pots ? [{ sku: 'pot', quantity: pots }] : [])];
    const ended = await app.run('OrderSaga', { id, card, address, items }, id);
    assert.deepEqual(ended.states.filter((state) => !INNER.includes(state)), [...RESERVED, ...states]);
    assert.deepEqual([ended.status, ended.cause], [cause ? 'FAILED' : 'SUCCEEDED', cause]);
    const rows = await app.rows('StockTable');
    const stock = rows.filter(({ pk }) => pk.startsWith('STOCK#')).map(({ pk, quantity }) => [pk.slice(6), quantity]);
    assert.deepEqual(Object.fromEntries(stock), shelf);
    assert.equal(rows.filter(({ pk }) => pk.startsWith(`RESERVED#${id}#`)).length, reserved);
    const orders = (await app.rows('OrdersTable')).filter(({ pk }) => pk.endsWith(`#${id}`));
    assert.deepEqual(orders.sort((a, b) => a.pk.localeCompare(b.pk)).map(({ status }) => status), left);
  });
}
