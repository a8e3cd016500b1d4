// Calls AWS services that speak JSON, with nothing to install: a signed request (Signature Version 4), an answer or an error.
// `@aws-sdk/client-sfn` and `@aws-sdk/client-dynamodb`, which Lambda's Node.js runtimes bring along, do the same and more.
import { createHash, createHmac } from 'node:crypto';

const TARGETS = { states: 'AWSStepFunctions', dynamodb: 'DynamoDB_20120810' };
const SIGNED = 'content-type;host;x-amz-date;x-amz-security-token;x-amz-target';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();

// The name is AWS's code, which the caller and the state machine's Retry and Catch compare.
export function failure(name, message) {
  return Object.assign(new Error(message), { name });
}

export async function call(service, operation, input) {
  const { AWS_REGION: region, AWS_ENDPOINT_URL: endpoint } = process.env;
  const url = new URL(endpoint ?? `https://${service}.${region}.amazonaws.com`);
  const headers = {
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-date': new Date().toISOString().replace(/[-:]|\.\d+/g, ''),
    'x-amz-security-token': process.env.AWS_SESSION_TOKEN,
    'x-amz-target': `${TARGETS[service]}.${operation}`,
  };
  const body = JSON.stringify(input);
  headers.authorization = authorization(service, region, url.host, headers, body);
  const answer = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(5000) }).catch((error) => {
    throw failure('ServiceUnreachable', `${operation}: ${error.message}`);
  });
  const output = await answer.json();
  if (answer.ok) return output;
  throw failure(String(output.__type).split('#').pop(), output.message ?? output.Message ?? operation);
}

function authorization(service, region, host, headers, body) {
  const date = headers['x-amz-date'].slice(0, 8);
  const scope = `${date}/${region}/${service}/aws4_request`;
  const lines = SIGNED.split(';').map((name) => `${name}:${name === 'host' ? host : headers[name]}`);
  const request = ['POST', '/', '', ...lines, '', SIGNED, sha256(body)].join('\n');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(request)].join('\n');
  const secret = `AWS4${process.env.AWS_SECRET_ACCESS_KEY}`;
  const key = [date, region, service, 'aws4_request'].reduce(hmac, secret);
  const signature = createHmac('sha256', key).update(text).digest('hex');
  return `AWS4-HMAC-SHA256 Credential=${process.env.AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${SIGNED}, Signature=${signature}`;
}
