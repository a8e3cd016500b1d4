// The front door: requests come in, and so do the answers of those who approve.
import * as approvals from './approvals.mjs';
import { baseUrl, message, start } from './http.mjs';

const ROUTES = {
  'POST /requests': request,
  'GET /approvals/{link}': ({ pathParameters: { link } }) => approvals.show(link),
  'POST /approvals/{link}': decide,
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

// The request's id is the name of its execution: sent again, it is not a second request.
async function request(event, { id = '', amount = '', from = '' }) {
  if (!/^[\w-]{1,80}$/.test(id)) return message(400, 'id must be 1 to 80 letters, digits, - or _');
  if (!/^[1-9]\d{0,8}$/.test(amount)) return message(400, 'amount must be a whole number from 1 on');
  if (!/^[^@\s]+@[^@\s]+$/.test(from)) return message(400, 'from must be an address');
  const input = { request: { id, amount: Number(amount), from }, base_url: baseUrl(event) };
  return (await start(id, input)) ? message(202, 'We have asked for approval') : message(409, 'There is a request with this id already');
}

async function decide({ pathParameters: { link } }, { answer }) {
  if (!['approve', 'decline'].includes(answer)) return message(400, 'answer must be approve or decline');
  return approvals.decide(link, answer === 'approve');
}
