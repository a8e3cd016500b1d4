// A payment provider as providers are: it may refuse, be busy, or answer too late, and it does nothing twice for one key.
//
// It stands in for a real one. Replace the bodies with calls of your provider, and hand on the key as its idempotency key:
// a request whose outcome is unknown can then be repeated, or compensated, without asking what became of it.
import { call, failure } from './aws.mjs';

const TABLE = process.env.PROVIDER_TABLE;
// Longer than the state machine waits.
const TOO_LONG_MS = 7000;

// Cards that go wrong: what becomes of a request. Given its work and its key.
const TROUBLE = {
  declined: { authorise: () => { throw failure('CardDeclined', 'The bank has declined the card'); } },
  blocked: { capture: () => { throw failure('CaptureRefused', 'The bank has blocked the card since'); } },
  busy: { authorise: busyOnce },
  slow: { authorise: answerTooLate },
};

export const authorise = (event) => once('authorise', 'authorised', event);
export const capture = (event) => once('capture', 'captured', event);

// Both compensations may come though nothing was done: then they only see to it that nothing will be.
export const refund = ({ key }) => takeBack(`${key}#capture`, 'refunded');
export const voidAuthorisation = ({ key }) => takeBack(`${key}#authorise`, 'voided');

async function once(request, status, { key, payment }) {
  const pk = `${key}#${request}`;
  const work = () => write(pk, status, payment);
  await (TROUBLE[payment.card]?.[request] ?? work)(work, pk);
  return { [`${request}_id`]: pk };
}

// What was taken back is not taken again: a repeated request that comes late changes nothing.
async function write(pk, status, payment) {
  await call('dynamodb', 'UpdateItem', {
    TableName: TABLE,
    Key: { pk: { S: pk } },
    UpdateExpression: 'SET #status = :status, amount = :amount',
    ConditionExpression: 'attribute_not_exists(#status) OR #status = :status',
    ExpressionAttributeNames: { '#status': 'status' },
    ExpressionAttributeValues: { ':status': { S: status }, ':amount': { N: String(payment.amount) } },
  });
}

async function takeBack(pk, status) {
  await call('dynamodb', 'UpdateItem', {
    TableName: TABLE,
    Key: { pk: { S: pk } },
    UpdateExpression: 'SET #status = :status',
    ExpressionAttributeNames: { '#status': 'status' },
    ExpressionAttributeValues: { ':status': { S: status } },
  });
  return { status };
}

async function busyOnce(work, pk) {
  const { Attributes } = await call('dynamodb', 'UpdateItem', {
    TableName: TABLE,
    Key: { pk: { S: `${pk}#asked` } },
    UpdateExpression: 'ADD times :one',
    ExpressionAttributeValues: { ':one': { N: '1' } },
    ReturnValues: 'UPDATED_NEW',
  });
  if (Attributes.times.N === '1') throw failure('ProviderBusy', 'Try again');
  await work();
}

// The money is held, and nobody hears of it.
async function answerTooLate(work) {
  await work();
  await new Promise((resolve) => setTimeout(resolve, TOO_LONG_MS));
}
