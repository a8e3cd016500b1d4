// Each way that a payment can go, on a running Ithaca: `node --test` in the app's folder.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { up } from './ithaca.mjs';

let app;
before(async () => { app = await up(); });
after(() => app?.stop());

const STEPS = ['Accept', 'Authorise', 'Capture', 'WriteLedger'];
const CAPTURE = (name) => `${name}#capture`;
const TAKEN_BACK = ['Refund', 'VoidAuthorisation', 'Not paid'];

// What the provider knows of a payment, and whether it is in the books.
async function left(name) {
  const rows = (await app.rows('ProviderTable')).filter(({ pk }) => pk.startsWith(`${name}#`) && !pk.endsWith('#asked'));
  const provider = Object.fromEntries(rows.map(({ pk, status }) => [pk.split('#')[1], status]));
  const row = (await app.rows('LedgerTable')).find(({ pk }) => pk === name);
  return { provider, capture: row?.capture };
}

const ways = [
  { name: 'paid', states: [...STEPS, 'Paid'], provider: { authorise: 'authorised', capture: 'captured' }, capture: CAPTURE },
  { name: 'busy', card: 'busy', states: [...STEPS, 'Paid'], provider: { authorise: 'authorised', capture: 'captured' }, capture: CAPTURE },
  { name: 'declined', card: 'declined', states: [...STEPS.slice(0, 2), ...TAKEN_BACK.slice(1)], cause: 'CardDeclined', provider: { authorise: 'voided' } },
  { name: 'slow', card: 'slow', states: [...STEPS.slice(0, 2), ...TAKEN_BACK.slice(1)], cause: 'States.Timeout', provider: { authorise: 'voided' } },
  { name: 'blocked', card: 'blocked', states: [...STEPS.slice(0, 3), ...TAKEN_BACK], cause: 'CaptureRefused', provider: { authorise: 'voided', capture: 'refunded' } },
  { name: 'unbooked', inBooks: 'another payment', states: [...STEPS, ...TAKEN_BACK], cause: 'DynamoDB.ConditionalCheckFailedException', provider: { authorise: 'voided', capture: 'refunded' } },
];

for (const { name, card = 'good', inBooks, states, cause, provider, capture } of ways) {
  test(`a payment that is ${name}`, async () => {
    if (inBooks) await app.put('LedgerTable', { pk: name, capture: inBooks });
    const ended = await app.run('PaymentSaga', { account: 'shop', amount: 4200, currency: 'EUR', card }, name);
    assert.deepEqual(ended.states, states);
    assert.equal(ended.status, cause ? 'FAILED' : 'SUCCEEDED');
    assert.equal(ended.cause, cause);
    assert.deepEqual(await left(name), { provider, capture: capture?.(name) ?? inBooks });
  });
}

test('a payment that is sent twice is one payment', async () => {
  const payment = { account: 'shop', amount: 7, currency: 'EUR', card: 'good' };
  const [first, second] = [await app.start('PaymentSaga', payment, 'twice'), await app.start('PaymentSaga', payment, 'twice')];
  assert.equal(first, second);
  assert.equal((await app.ended(first)).status, 'SUCCEEDED');
});
