// The calls of scenarios.json by the SDK for JavaScript, as it comes: only told where Ithaca is, and not to put `sync-` before
// its host, for which this SDK has no environment variable.
//
//     node scenarios.mjs FOLDER PREFIX ENDPOINT
//
// FOLDER is where the SDK is installed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as after } from "node:timers/promises";

const [folder, prefix, endpoint] = process.argv.slice(2);
const sdk = createRequire(`${folder}/`)("@aws-sdk/client-sfn");
const client = new sdk.SFNClient({ endpoint, disableHostPrefix: true, maxAttempts: 1 });
const SECONDS_MAX = 60;

/** The answer, or the name of the error. */
async function call(operation, given) {
  try {
    const { $metadata, ...answer } = await client.send(new sdk[`${operation}Command`](given));
    assert.match($metadata.requestId, /^[0-9a-f-]{36}$/);
    return { answer };
  } catch (error) {
    if (!(error instanceof sdk.SFNServiceException)) throw error;
    return { answer: error, error: error.name };
  }
}

/** The value with `${name}` and `{"$json": value}` replaced. */
function filled(value, known) {
  if (typeof value === "string") return value.replace(/\$\{(\w+)\}/g, (_, name) => known[name]);
  if (Array.isArray(value)) return value.map((inner) => filled(inner, known));
  if (value === null || typeof value !== "object") return value;
  if ("$json" in value) return JSON.stringify(filled(value.$json, known));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filled(inner, known)]));
}

/** Has `found` all that `expect` has? Lists are of the same length. */
function holds(found, expect) {
  if (expect === null || typeof expect !== "object") return found === expect;
  if (Array.isArray(expect) && found?.length !== expect.length) return false;
  return Object.entries(expect).every(([key, inner]) => holds(found?.[key], inner));
}

const table = JSON.parse(readFileSync(new URL("scenarios.json", import.meta.url)));
const known = { ...table.given, prefix };
for (const [number, step] of table.steps.entries()) {
  const given = filled(step.with, known);
  const where = `step ${number}, ${step.call} ${JSON.stringify(given)}`;
  const deadline = Date.now() + SECONDS_MAX * 1000;
  let answer;
  for (;;) {
    const told = await call(step.call, given);
    answer = told.answer;
    assert.equal(told.error, step.error, `${where}: ${JSON.stringify(answer)} ${answer.message ?? ""}`);
    if (holds(answer, filled(step.until ?? {}, known))) break;
    assert(Date.now() < deadline, `${where}: ${JSON.stringify(answer)} does not become ${JSON.stringify(step.until)}`);
    await after(20);
  }
  assert(holds(answer, filled(step.expect ?? {}, known)), `${where}: ${JSON.stringify(answer)}`);
  for (const [name, path] of Object.entries(step.keep ?? {})) {
    known[name] = path.split(".").reduce((value, part) => value[part], answer);
  }
}
