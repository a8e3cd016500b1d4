// What is told to humans on the way.
import * as approvals from './approvals.mjs';
import { mail } from './mail.mjs';

// A mail with a link that is good for one answer. Started without the front door there is no address for one: then
// `ithaca answer`, or SendTaskSuccess with the token, is the way.
export async function ask({ request, token, base_url }) {
  const link = await approvals.save(request, token);
  const subject = `Please approve the request ${request.id} over ${request.amount} EUR`;
  await mail(`${request.id}#approval`, process.env.APPROVER, subject, `${base_url}/approvals/${link}`);
}

const WORDS = { ApprovalDeclined: 'It was declined', 'States.Timeout': 'Nobody has answered in time' };

export async function tell({ request, reason }) {
  const text = `${WORDS[reason] ?? `It failed (${reason})`}. The money is free again.`;
  await mail(`${request.id}#told`, request.from, `Your request ${request.id}`, text);
}
