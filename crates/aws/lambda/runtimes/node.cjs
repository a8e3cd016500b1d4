// The client of the Runtime API for Node.js functions: finds the handler, asks for work, answers.
//
// It is what AWS's managed runtime is to a function there: the handler may take a callback, return a promise or stream its answer;
// errors have AWS's form; the console's lines carry time, request and level. It runs with whatever `node` the machine has, from 12 on, so
// it is one plain CommonJS file without dependencies.
//
// It does not know Ithaca: everything comes by the environment, as on AWS.

'use strict';

const http = require('http');
const fs = require('fs');
const path = require('path');
const util = require('util');
const Module = require('module');
const { Writable } = require('stream');
const { pathToFileURL } = require('url');

const [HOST, PORT] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const ROOT = process.env.LAMBDA_TASK_ROOT || process.cwd();
const BASE = '/2018-06-01/runtime';

// One connection, kept: a process has one invocation at a time.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

// --- The Runtime API

function request(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const options = { host: HOST, port: PORT, method, path: BASE + url, headers, agent };
    const sent = http.request(options, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }));
      answer.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function post(url, value, headers) {
  const body = Buffer.from(value);
  return request('POST', url, { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers }, body);
}

function postError(url, error) {
  const shape = errorShape(error);
  const headers = { 'Lambda-Runtime-Function-Error-Type': asciiOnly(shape.errorType) };
  return post(url, JSON.stringify(shape), headers);
}

const asciiOnly = (text) => String(text).replace(/[^\x20-\x7e]/g, '?');

// AWS's form: an object with errorType, errorMessage and trace, whatever was thrown.
function errorShape(error) {
  try {
    if (util.types.isNativeError(error) || error instanceof Error || (error && error.name && error.message && error.stack)) {
      return {
        errorType: String(error.name).replace(/\x7F/g, '%7F'),
        errorMessage: String(error.message).replace(/\x7F/g, '%7F'),
        trace: String(error.stack).replace(/\x7F/g, '%7F').split('\n'),
      };
    }
    return {
      errorType: error === null ? 'object' : typeof error,
      errorMessage: error === undefined || error === null ? String(error) : error.toString(),
      trace: [],
    };
  } catch (_) {
    return { errorType: 'handled', errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack', trace: [] };
  }
}

function named(name, message) {
  const error = new Error(message);
  error.name = name;
  return error;
}

// --- The log

let requestId;

function patchConsole() {
  const line = (level) => (...args) => {
    const text = util.format(...args).replace(/\n/g, '\r');
    process.stdout.write(`${new Date().toISOString()}\t${requestId || 'undefined'}\t${level}\t${text}\n`);
  };
  console.log = line('INFO');
  console.info = line('INFO');
  console.debug = line('DEBUG');
  console.warn = line('WARN');
  console.error = line('ERROR');
  console.trace = (...args) => {
    const trace = {};
    Error.captureStackTrace(trace, console.trace);
    line('TRACE')(...args, trace.stack);
  };
  console.fatal = line('FATAL');
}

// --- AWS's SDK for JavaScript, version 2

// It does not read AWS_ENDPOINT_URL, so it is told when it is loaded. AWS's own runtimes up to nodejs16.x bring it along; here it is the
// app's or the machine's.
function patchSdk() {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  const load = Module._load;
  const seen = new Set();
  Module._load = function (name, parent, isMain) {
    let loaded;
    try {
      loaded = load.apply(this, arguments);
    } catch (error) {
      throw isMissingSdk(error, name) ? withAdvice(error, name) : error;
    }
    if (endpoint && isSdkV2(name, loaded) && !seen.has(loaded)) {
      seen.add(loaded);
      loaded.config.update({ endpoint, s3ForcePathStyle: true, hostPrefixEnabled: false });
    }
    return loaded;
  };
}

function isSdkV2(name, loaded) {
  if (name !== 'aws-sdk' && !/aws-sdk(\/(global|lib\/(aws|core)))?(\.js)?$/.test(name)) return false;
  return Boolean(loaded && loaded.config && typeof loaded.config.update === 'function' && loaded.VERSION);
}

const isMissingSdk = (error, name) =>
  error.code === 'MODULE_NOT_FOUND' && /^(aws-sdk|@aws-sdk\/)/.test(name) && error.message.includes(name);

function withAdvice(error, name) {
  const what = name.startsWith('@') ? name.split('/').slice(0, 2).join('/') : name.split('/')[0];
  error.message = `Cannot find module '${what}'. On AWS the runtime brings it along; here install it beside the function ` +
    `('npm install ${what}' in its folder or a folder above), or for all ('npm install --global ${what}').\n${error.message}`;
  return error;
}

// --- Layers

// `import` does not look at NODE_PATH, where packages of layers are; AWS's runtimes see to it that it finds them. Only what is not found
// otherwise is looked for there.
function importFromLayers() {
  const folders = (process.env.NODE_PATH || '').split(':').filter(Boolean);
  const parents = folders.map((folder) => pathToFileURL(path.join(folder, '..', 'layer.js')).href);
  if (parents.length === 0) return;
  const isElsewhere = (error, name) => error.code === 'ERR_MODULE_NOT_FOUND' && !/^([./#]|[a-z]+:)/i.test(name);
  if (typeof Module.registerHooks === 'function') {
    Module.registerHooks({
      resolve(name, context, next) {
        try {
          return next(name, context);
        } catch (error) {
          if (!isElsewhere(error, name)) throw error;
          for (const parentURL of parents) {
            try {
              return next(name, { ...context, parentURL });
            } catch (_) {}
          }
          throw error;
        }
      },
    });
  } else if (typeof Module.register === 'function') {
    const source = `const parents = ${JSON.stringify(parents)}; const isElsewhere = ${isElsewhere};
      export async function resolve(name, context, next) {
        try { return await next(name, context); } catch (error) {
          if (!isElsewhere(error, name)) throw error;
          for (const parentURL of parents) { try { return await next(name, { ...context, parentURL }); } catch (_) {} }
          throw error;
        }
      }`;
    Module.register(`data:text/javascript,${encodeURIComponent(source)}`);
  }
}

// --- The handler

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

function offerStreaming() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = true;
      if (options && options.highWaterMark) handler.highWaterMark = options.highWaterMark;
      return handler;
    },
    HttpResponseStream: {
      // Status and headers go before the body: JSON, then eight zeros, as AWS has it.
      from(stream, prelude) {
        stream.setContentType('application/vnd.awslambda.http-integration-response');
        stream.write(JSON.stringify(prelude || {}));
        stream.write(Buffer.alloc(8));
        return stream;
      },
    },
  };
}

// 'folder/file.name.of.function': the file up to the first dot after the last slash, then a path of exports.
async function findHandler(text) {
  if (text.includes('..')) {
    throw named('Runtime.MalformedHandlerName', `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const folder = path.dirname(text);
  const match = /^([^.]*)\.(.+)$/.exec(path.basename(text));
  if (!match) throw named('Runtime.MalformedHandlerName', 'Bad handler');
  const [, file, name] = match;
  const module = await loadFile(path.resolve(ROOT, folder, file));
  const find = (object) => name.split('.').reduce((value, key) => (value === undefined || value === null ? undefined : value[key]), object);
  let handler = find(module);
  if (handler === undefined && module && module.default) handler = find(module.default);
  if (handler === undefined) {
    throw named('Runtime.HandlerNotFound', `${text} is undefined or not exported`);
  }
  if (typeof handler !== 'function') throw named('Runtime.HandlerNotFound', `${text} is not a function`);
  return handler;
}

async function loadFile(stem) {
  const candidates = [stem, `${stem}.js`, `${stem}.mjs`, `${stem}.cjs`];
  const found = candidates.find((file) => fs.existsSync(file) && fs.statSync(file).isFile());
  const asFolder = !found && fs.existsSync(stem);
  if (!found && !asFolder) {
    const trace = `Require stack:\n- ${stem}.js`;
    throw named('Runtime.ImportModuleError', `Error: Cannot find module '${path.basename(stem)}'\n${trace}`);
  }
  try {
    return found && isModule(found) ? await import(pathToFileURL(found).href) : require(found || stem);
  } catch (error) {
    if (error instanceof SyntaxError) throw Object.assign(named('Runtime.UserCodeSyntaxError', `SyntaxError: ${error.message}`), { stack: error.stack });
    if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) {
      const advised = error.code === 'ERR_MODULE_NOT_FOUND' ? adviseOnImport(error) : error;
      throw Object.assign(named('Runtime.ImportModuleError', `Error: ${advised.message}`), { stack: error.stack });
    }
    throw error;
  }
}

function adviseOnImport(error) {
  const missing = /Cannot find package '([^']+)'/.exec(error.message);
  return missing && isMissingSdk({ code: 'MODULE_NOT_FOUND', message: missing[1] }, missing[1]) ? withAdvice(error, missing[1]) : error;
}

function isModule(file) {
  if (file.endsWith('.mjs')) return true;
  if (file.endsWith('.cjs')) return false;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const description = path.join(folder, 'package.json');
    if (fs.existsSync(description)) return JSON.parse(fs.readFileSync(description, 'utf8')).type === 'module';
    if (folder === path.dirname(folder) || folder === ROOT) return false;
  }
}

// --- One invocation

function context(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const json = (text) => (text ? JSON.parse(text) : undefined);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: json(headers['lambda-runtime-client-context']),
    identity: json(headers['lambda-runtime-cognito-identity']),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

// Resolves with the value to answer, or rejects. A handler that takes a callback is done when it has called it and, unless it says
// otherwise, nothing is left to do. One that leaves nothing to do and has not answered has answered null, whatever it has promised.
function run(handler, event, about) {
  if (handler[STREAMING]) return stream(handler, event, about);
  return new Promise((resolve, reject) => {
    const settle = (error, value) => (error !== undefined && error !== null ? reject(error) : resolve(value));
    let called = false;
    const callback = (error, value) => {
      if (called) return;
      called = true;
      if (!about.callbackWaitsForEmptyEventLoop || (error !== undefined && error !== null)) return settle(error, value);
      idle = () => settle(error, value);
    };
    idle = () => resolve(null);
    about.done = callback;
    about.succeed = (value) => callback(null, value);
    about.fail = (error) => callback(error === undefined || error === null ? 'handled' : error);
    const returned = handler(event, about, callback);
    if (returned && typeof returned.then === 'function') {
      returned.then(resolve, (error) => reject(error === undefined || error === null ? new Error(String(error)) : error));
    }
  });
}

// What to do when nothing is left to do. `beforeExit` is Node's word for an empty event loop; the connection to the Runtime API is idle
// while a handler runs and does not count.
let idle;
process.on('beforeExit', () => {
  const act = idle;
  idle = undefined;
  if (act) act();
});

function stream(handler, event, about) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    const sink = new Writable({
      write(chunk, encoding, done) {
        chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, encoding));
        done();
      },
    });
    const whole = () => resolve({ [STREAMING]: Buffer.concat(chunks), type: sink.contentType });
    sink.setContentType = (type) => {
      sink.contentType = type;
    };
    sink.on('finish', whole);
    sink.on('error', reject);
    idle = whole;
    Promise.resolve(handler(event, sink, about)).catch(reject);
  });
}

async function answer(id, value) {
  if (value && value[STREAMING]) {
    const headers = value.type ? { 'Content-Type': value.type } : {};
    return refused(id, await post(`/invocation/${id}/response`, value[STREAMING], headers));
  }
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    return postError(`/invocation/${id}/error`, named('Runtime.MarshalError', `Unable to stringify response body: ${error.message}`));
  }
  return refused(id, await post(`/invocation/${id}/response`, text === undefined ? 'null' : text));
}

// An answer that is too large is the function's error; the host has told who asked.
async function refused(id, { status, body }) {
  if (status >= 400 && status !== 413) throw new Error(`The Runtime API refused the answer of ${id}: ${status} ${body}`);
}

let current;
let isInitialised = false;

// What nobody catches ends the process, and the invocation with it.
function onUnhandled(type) {
  return async (thrown) => {
    const error = type === 'Runtime.UnhandledPromiseRejection' ? named(type, thrown && thrown.message ? `${thrown.name || 'Error'}: ${thrown.message}` : String(thrown)) : thrown;
    if (type === 'Runtime.UnhandledPromiseRejection' && thrown && thrown.stack) error.stack = thrown.stack;
    console.error(type === 'Runtime.UnhandledPromiseRejection' ? 'Unhandled Promise Rejection' : 'Uncaught Exception', '\t', JSON.stringify(errorShape(error)));
    // Between two invocations there is nobody to tell; the next one gets a fresh process.
    if (!current && isInitialised) process.exit(type === 'Runtime.UnhandledPromiseRejection' ? 128 : 129);
    try {
      if (current) await postError(`/invocation/${current}/error`, error);
      else await postError('/init/error', error);
    } finally {
      process.exit(type === 'Runtime.UnhandledPromiseRejection' ? 128 : 129);
    }
  };
}

async function main() {
  patchConsole();
  patchSdk();
  importFromLayers();
  offerStreaming();
  process.on('uncaughtException', onUnhandled('uncaughtException'));
  process.on('unhandledRejection', onUnhandled('Runtime.UnhandledPromiseRejection'));
  let handler;
  try {
    handler = await findHandler(process.env._HANDLER);
  } catch (error) {
    console.error('Uncaught Exception', '\t', JSON.stringify(errorShape(error)));
    await postError('/init/error', error);
    process.exit(1);
  }
  isInitialised = true;
  for (;;) await serveOne(handler);
}

async function serveOne(handler) {
  const next = await request('GET', '/invocation/next', {});
  const id = next.headers['lambda-runtime-aws-request-id'];
  current = id;
  requestId = id;
  if (next.headers['lambda-runtime-trace-id']) process.env._X_AMZN_TRACE_ID = next.headers['lambda-runtime-trace-id'];
  else delete process.env._X_AMZN_TRACE_ID;
  try {
    const event = JSON.parse(next.body.toString());
    const value = await run(handler, event, context(next.headers));
    await answer(id, value);
  } catch (error) {
    console.error('Invoke Error', '\t', JSON.stringify(errorShape(error)));
    await postError(`/invocation/${id}/error`, error);
  }
  current = undefined;
  idle = undefined;
}

main();
