// What the front door needs of HTTP: answers to programs and people, the API's own address, and a token's way back.
import { call } from './aws.mjs';

export function message(statusCode, text) {
  return { statusCode, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ message: text }) };
}

// What stands in `content` is ours, or was checked to have no markup.
export function page(statusCode, title, content) {
  const body = `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><h1>${title}</h1>${content}`;
  return { statusCode, headers: { 'Content-Type': 'text/html; charset=utf-8' }, body };
}

// Where this API is, as its caller sees it. AWS's own addresses have the stage in their path.
export function baseUrl({ headers, requestContext: { domainName, stage } }) {
  const scheme = headers?.['X-Forwarded-Proto'] ?? headers?.['x-forwarded-proto'] ?? 'https';
  return `${scheme}://${domainName}${domainName.includes('.execute-api.') ? `/${stage}` : ''}`;
}

// The execution's name makes the start idempotent. False: the name is taken.
export async function start(name, input) {
  const stateMachineArn = process.env.STATE_MACHINE_ARN;
  return call('states', 'StartExecution', { stateMachineArn, name, input: JSON.stringify(input) })
    .then(() => true, only('ExecutionAlreadyExists'));
}

// Gives a task's token back: SendTaskSuccess, SendTaskFailure or SendTaskHeartbeat. False: nobody waits any more.
export async function send(operation, taskToken, rest = {}) {
  return call('states', operation, { taskToken, ...rest })
    .then(() => true, only('TaskTimedOut', 'TaskDoesNotExist', 'InvalidToken'));
}

function only(...names) {
  return (error) => {
    if (names.includes(error.name)) return false;
    throw error;
  };
}
