// An approval that is waited for: the row behind a one-time link, and the page it leads to.
//
// The link is a hash of the task's token: who has only the link cannot make the token of it, and an attempt that runs twice
// makes the same link. What makes it one-time is the token: Step Functions takes it once.
import { createHash } from 'node:crypto';

import { page, send } from './http.mjs';
import * as table from './table.mjs';

const TABLE = process.env.REQUESTS_TABLE;

export async function save({ id, amount }, token) {
  const link = createHash('sha256').update(token).digest('hex').slice(0, 32);
  await table.set(TABLE, `APPROVAL#${link}`, { id, amount, token });
  return link;
}

// Pressing a button is a POST. Following a link decides nothing: mail programs do that by themselves.
export async function show(link) {
  const approval = await table.get(TABLE, `APPROVAL#${link}`);
  if (!approval) return unknown();
  if (approval.answer) return used(approval);
  const button = (answer, label) => `<form method="post" action="?answer=${answer}"><button>${label}</button></form>`;
  const question = `<p>The request ${approval.id} over ${approval.amount} EUR waits for you.</p>`;
  return page(200, 'Please decide', question + button('approve', 'Approve') + button('decline', 'Decline'));
}

// The token goes first and the row follows: a crash between them leaves a link that is used up without saying so, and no
// decision that is lost.
export async function decide(link, isApproved) {
  const approval = await table.get(TABLE, `APPROVAL#${link}`);
  if (!approval) return unknown();
  if (approval.answer) return used(approval);
  const isHeard = isApproved
    ? await send('SendTaskSuccess', approval.token, { output: '{}' })
    : await send('SendTaskFailure', approval.token, { error: 'ApprovalDeclined', cause: 'A human has declined it' });
  if (!isHeard) return page(410, 'Too late', `<p>The request ${approval.id} does not wait any more. Nothing was changed.</p>`);
  const answer = isApproved ? 'approved' : 'declined';
  await table.set(TABLE, `APPROVAL#${link}`, { answer });
  return page(200, 'Thank you', `<p>You have ${answer} the request ${approval.id}.</p>`);
}

function used({ id, answer }) {
  return page(410, 'Already decided', `<p>The request ${id} has been ${answer} already. This link is used up.</p>`);
}

function unknown() {
  return page(404, 'Unknown link', '<p>Is it complete? Copy it from the mail once more.</p>');
}
