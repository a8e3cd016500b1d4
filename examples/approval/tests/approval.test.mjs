// Each way that a request can go, on a running Ithaca: `node --test` in the app's folder.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { until, up } from './ithaca.mjs';

let app;
before(async () => { app = await up({ Budget: 500 }); });
after(() => app?.stop());

const RESERVED = ['Accept', 'IsWithinBudget', 'ReserveBudget'];
const ASKED = [...RESERVED, 'AskForApproval'];
const ORDERED = ['PlaceOrder', 'Ordered'];
const RELEASED = ['ReleaseBudget', 'TellRequester', 'Not approved'];

async function post(path, status) {
  const answer = await fetch(`${app.url}${path}`, { method: 'POST' });
  assert.equal(answer.status, status, await answer.text());
}

const request = (id, amount) => post(`/requests?id=${id}&amount=${amount}&from=ann@example.com`, 202);

async function row(table, pk) {
  return (await app.rows(table)).find((row) => row.pk === pk);
}

// The path of the link that the approver gets.
async function link(id) {
  const mail = await until(`the mail of ${id}`, () => row('OutboxTable', `${id}#approval`));
  return mail.text.slice(app.url.length);
}

async function ended(id, status, states, cause) {
  const ended = await app.ended(await app.execution('ApprovalSaga', id));
  assert.deepEqual(ended.states, states);
  assert.deepEqual([ended.status, ended.cause], [status, cause]);
}

async function left(id, isOrdered) {
  assert.equal((await row('RequestsTable', `ORDER#${id}`)) !== undefined, isOrdered);
  assert.equal((await row('RequestsTable', `RESERVED#${id}`)) !== undefined, isOrdered);
}

const spent = async () => (await row('RequestsTable', 'BUDGET')).spent;

test('approved by the link', async () => {
  await request('desk', 100);
  const path = await link('desk');
  assert.match(await (await fetch(app.url + path)).text(), /The request desk over 100 EUR waits for you/);
  await post(`${path}?answer=approve`, 200);
  await ended('desk', 'SUCCEEDED', [...ASKED, ...ORDERED]);
  await left('desk', true);
  assert.equal(await spent(), 100);
  await post(`${path}?answer=decline`, 410);
});

test('approved by ithaca answer', async () => {
  await app.start('ApprovalSaga', { request: { id: 'lamp', amount: 50, from: 'ann@example.com' } }, 'lamp');
  await link('lamp');
  execFileSync(process.env.ITHACA ?? 'ithaca', ['answer', 'lamp', '--output', '{}', '--endpoint', app.endpoint]);
  await ended('lamp', 'SUCCEEDED', [...ASKED, ...ORDERED]);
  assert.equal(await spent(), 150);
});

test('declined', async () => {
  await request('sofa', 300);
  await post(`${await link('sofa')}?answer=decline`, 200);
  await ended('sofa', 'FAILED', [...ASKED, ...RELEASED], 'ApprovalDeclined');
  await left('sofa', false);
  assert.equal(await spent(), 150);
});

test('there is no money for it', async () => {
  await request('yacht', 400);
  await ended('yacht', 'FAILED', [...RESERVED, 'Not approved'], 'NoBudget');
  await request('house', 501);
  await ended('house', 'FAILED', [...RESERVED.slice(0, 2), 'Not approved'], 'NoBudget');
  await left('yacht', false);
  assert.equal(await spent(), 150);
});

test('a request is one request', () => post('/requests?id=desk&amount=100&from=ann@example.com', 409));

test('nobody answers in time', async () => {
  await app.stop();
  app = await up({ ApprovalSeconds: 1 });
  await request('late', 300);
  await ended('late', 'FAILED', [...ASKED, ...RELEASED], 'States.Timeout');
  await left('late', false);
  assert.equal(await spent(), 0);
  await post(`${await link('late')}?answer=approve`, 410);
});
