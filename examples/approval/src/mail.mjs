// Mails: rows of an outbox, and lines of the function's log. Whoever wants real ones reads the outbox, or replaces this file.
import * as table from './table.mjs';

// The key names the mail: sent twice, it is the same row.
export async function mail(key, to, subject, text) {
  await table.set(process.env.OUTBOX_TABLE, key, { to, subject, text });
  console.log(`mail to ${to}: ${subject}. ${text}`);
}
