// Runs this app on an Ithaca of its own for the tests: ports and data folder are fresh, nothing is left behind.
// The program is `ithaca` on the PATH, or what the variable ITHACA says.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const APP = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const WAIT_MS = 60_000;

// `parameters` are the template's.
export async function up(parameters = {}) {
  const data = mkdtempSync(path.join(tmpdir(), 'ithaca-'));
  const settings = Object.entries(parameters).flatMap(([key, value]) => ['--parameter', `${key}=${value}`]);
  const ports = ['--port', '0', '--api-port', '0'];
  const child = spawn(process.env.ITHACA ?? 'ithaca', ['up', APP, '--json', '--data', data, ...ports, ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
  ended.catch(() => {});
  const lines = readline.createInterface({ input: child.stdout });
  const first = new Promise((resolve) => lines.once('line', resolve));
  const said = await Promise.race([first, ended.then((code) => Promise.reject(new Error(`ithaca up ended with ${code}`)))]);
  return new App(JSON.parse(said), async () => {
    child.kill('SIGINT');
    await ended;
    rmSync(data, { recursive: true });
  });
}

class App {
  constructor({ endpoint, apis }, stop) {
    Object.assign(this, { endpoint, stop, url: apis[0]?.url });
  }

  async call(target, input) {
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': target };
    const answer = await fetch(this.endpoint, { method: 'POST', headers, body: JSON.stringify(input) });
    const output = await answer.json();
    if (!answer.ok) throw new Error(`${target}: ${JSON.stringify(output)}`);
    return output;
  }

  states(operation, input) {
    return this.call(`AWSStepFunctions.${operation}`, input);
  }

  // The ARN of a state machine by the end of its name, which is its logical id in the template.
  async machine(id) {
    const { stateMachines } = await this.states('ListStateMachines', {});
    return stateMachines.find(({ name }) => name.endsWith(`-${id}`)).stateMachineArn;
  }

  async start(id, input, name) {
    const stateMachineArn = await this.machine(id);
    const started = await this.states('StartExecution', { stateMachineArn, name, input: JSON.stringify(input) });
    return started.executionArn;
  }

  // An execution of this name, as soon as there is one.
  execution(id, name) {
    return until(`the execution ${name}`, async () => {
      const { executions } = await this.states('ListExecutions', { stateMachineArn: await this.machine(id) });
      return executions.find((execution) => execution.name === name)?.executionArn;
    });
  }

  // How an execution ended: its status, error, output, and the states it entered.
  async ended(executionArn) {
    const description = await until(`the end of ${executionArn}`, async () => {
      const now = await this.states('DescribeExecution', { executionArn });
      return now.status !== 'RUNNING' && now;
    });
    const { events } = await this.states('GetExecutionHistory', { executionArn, maxResults: 1000 });
    const states = events.map((event) => event.stateEnteredEventDetails?.name).filter(Boolean);
    return { ...description, output: description.output && JSON.parse(description.output), states };
  }

  // Starts an execution and waits for its end.
  async run(id, input, name) {
    return this.ended(await this.start(id, input, name));
  }

  async table(id) {
    const { TableNames } = await this.call('DynamoDB_20120810.ListTables', {});
    return TableNames.find((name) => name.endsWith(`-${id}`));
  }

  // All rows of a table by its logical id, as plain objects.
  async rows(id) {
    const TableName = await this.table(id);
    const { Items } = await this.call('DynamoDB_20120810.Scan', { TableName, ConsistentRead: true });
    return Items.map((item) => Object.fromEntries(Object.entries(item).map(([key, value]) => [key, plain(value)])));
  }

  // Writes a row of texts and numbers.
  async put(id, row) {
    const wire = (value) => (typeof value === 'number' ? { N: String(value) } : { S: value });
    const Item = Object.fromEntries(Object.entries(row).map(([key, value]) => [key, wire(value)]));
    await this.call('DynamoDB_20120810.PutItem', { TableName: await this.table(id), Item });
  }
}

function plain(value) {
  const [[type, it]] = Object.entries(value);
  return type === 'N' ? Number(it) : it;
}

// Asks again until there is something, but not for ever.
export async function until(what, ask) {
  const late = Date.now() + WAIT_MS;
  for (;;) {
    const found = await ask();
    if (found) return found;
    if (Date.now() > late) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
