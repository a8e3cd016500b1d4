// Every page in light, dark and on a phone: no error, nothing that has to be scrolled sideways, nothing that keeps
// people out who do not see or point. Each leaves a picture.

import { mkdir } from "node:fs/promises";
import { MACHINES, execution, machine, order, trip } from "./actions.mjs";
import { BOUND_MS, LOOKS, check } from "./browser.mjs";

/** Of the first page, with everything it asks for. */
const FIRST_PAGE_BYTES = 100_000;
const WIDE_STATES = 100;
const LONG_ITEMS = 300;
const MANY_CHILDREN = 12;

const made = (name) => `arn:aws:states:us-east-1:000000000000:stateMachine:${name}`;

const PAGES = (at) => ({
  overview: "/console",
  machines: "/console/machines",
  "machine-travel": MACHINES.travel,
  "machine-checkout": MACHINES.checkout,
  "machine-wide": machine(made("wide")),
  compensated: trip("trip-7"),
  "compensated-state": `${trip("trip-7")}?state=TakePayment`,
  "compensated-events": `${trip("trip-7")}/events`,
  redriven: at.stuck,
  shipped: order("order-yes"),
  declined: order("order-no"),
  stopped: order("order-stopped"),
  "waiting-execution": order("order-waiting"),
  long: execution(made("long"), "long"),
  "long-events": `${execution(made("long"), "long")}/events`,
  many: execution(made("many"), "many"),
  waiting: "/console/waiting",
  functions: "/console/functions",
  function: "/console/functions/travel-ReserveHotelFunction",
  tables: "/console/tables",
  table: "/console/tables/travel-BookingsTable",
  item: (page) => href(page, "/console/tables/travel-BookingsTable", "[data-item] a"),
  apis: "/console/apis",
  api: (page) => href(page, "/console/apis", "a:has-text('Try it')"),
  "map-run": (page) => href(page, execution(made("many"), "many"), "a[href*='/map-runs/']"),
  outbox: "/console/outbox",
  sent: (page) => href(page, "/console/outbox", "[data-sent] a"),
  health: "/console/health",
  trouble: "/console/tables/none",
});

/** Pages that are answered with another status than 200. */
const REFUSED = ["trouble"];

async function href(page, on, selector) {
  await page.goto(on);
  return page.locator(selector).first().getAttribute("href");
}

async function call(at, operation, body) {
  const headers = { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AWSStepFunctions.${operation}` };
  const answer = await fetch(at.browser.endpoint, { method: "POST", headers, body: JSON.stringify(body) });
  check(answer.ok, `${operation}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

async function make(at, name, states) {
  const definition = JSON.stringify({ StartAt: Object.keys(states)[0], States: states });
  await call(at, "CreateStateMachine", { name, definition, roleArn: "arn:aws:iam::000000000000:role/any" });
}

const begin = (at, name, input) => call(at, "StartExecution", { stateMachineArn: made(name), name, input: JSON.stringify(input) });

/** A long way with a branch at every tenth state. */
function wide() {
  const name = (at) => `Step ${at} of the long way`;
  const next = (at) => (at < WIDE_STATES ? { Next: name(at) } : { End: true });
  const one = (at) => {
    if (at % 10 !== 0 || at + 7 >= WIDE_STATES) return { Type: "Pass", ...next(at + 1) };
    return { Type: "Choice", Choices: [{ Variable: "$.skip", BooleanEquals: true, Next: name(at + 7) }], Default: name(at + 1) };
  };
  return Object.fromEntries(Array.from({ length: WIDE_STATES }, (_, at) => [name(at), one(at)]));
}

const inner = (mode) => ({
  ProcessorConfig: mode, StartAt: "Look", States: { Look: { Type: "Pass", Next: "Keep" }, Keep: { Type: "Pass", End: true } },
});

async function setTheScene(at) {
  await make(at, "wide", wide());
  await make(at, "long", { Every: { Type: "Map", ItemProcessor: inner({ Mode: "INLINE" }), End: true } });
  await make(at, "many", { Each: { Type: "Map", Label: "each", ItemProcessor: inner({ Mode: "DISTRIBUTED", ExecutionType: "STANDARD" }), End: true } });
  const Parameters = { TopicArn: "arn:aws:sns:us-east-1:000000000000:a-topic-of-a-long-name", "Message.$": "$" };
  await make(at, "tells", { Tell: { Type: "Task", Resource: "arn:aws:states:::sns:publish", Parameters, End: true } });
  await begin(at, "tells", { trip: "trip-7", words: "Booked, paid and confirmed. ".repeat(10) });
  await begin(at, "long", Array.from({ length: LONG_ITEMS }, (_, n) => ({ n })));
  await begin(at, "many", Array.from({ length: MANY_CHILDREN }, (_, n) => ({ n })));
  const page = await at.window.newPage();
  for (const name of ["long", "many", "tells"]) {
    await page.goto(execution(made(name), name));
    await page.locator("[data-part=head] [data-execution-status=SUCCEEDED]").waitFor();
  }
  // A trip that stays booked, so that tables have rows.
  await page.goto("/console/apis");
  await page.click("[data-way=success]");
  await page.click("[data-started]");
  await page.locator("[data-part=head] [data-execution-status=SUCCEEDED]").waitFor();
}

export async function looks(at, told) {
  await mkdir(told.screenshots, { recursive: true });
  await setTheScene(at);
  const found = await Promise.all(Object.keys(LOOKS).map((look) => lookAll(at, look, told.screenshots)));
  check(found.flat().length === 0, `\n${found.flat().join("\n")}`);
}

async function lookAll(at, look, folder) {
  const window = await at.browser.window(look);
  await window.addInitScript(at.browser.axe);
  const page = await window.newPage();
  const found = [];
  for (const [name, path] of Object.entries(PAGES(at))) {
    const address = typeof path === "function" ? await path(page) : path;
    const answer = await page.goto(address);
    // The stream of a page never ends, so there is no quiet to wait for: the scripts have run when the theme can be chosen.
    await page.locator("#theme").waitFor();
    found.push(...(await faults(page, answer, REFUSED.includes(name))).map((fault) => `${name}, ${look}: ${fault}`));
    await page.screenshot({ path: `${folder}/${name}-${look}.png`, fullPage: true });
  }
  await window.close();
  return found;
}

async function faults(page, answer, isRefused) {
  const found = [];
  if (answer.ok() === isRefused) found.push(`answered with ${answer.status()}`);
  const wider = await page.evaluate(() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth);
  if (wider > 0) found.push(`${wider} pixels wider than the window`);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const where = (violation) => violation.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary ?? ""}`).join("; ");
  return [...found, ...serious.map((violation) => `${violation.id} (${violation.impact}): ${where(violation)}`)];
}

/** The first page of somebody who was never here: what it weighs, and that all of it comes from here. */
export async function firstPage(at) {
  const page = await at.window.newPage();
  const sizes = [];
  page.on("requestfinished", (request) => sizes.push(request.sizes().then((size) => size.responseBodySize + size.responseHeadersSize)));
  await page.goto("/");
  await page.locator("#stream[data-state=live]").waitFor();
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  check(sizes.length >= 5, `only ${sizes.length} requests were seen`);
  check(bytes < FIRST_PAGE_BYTES, `the first page has ${bytes} bytes`);
}

/** Where they are taken, and how much of the page is on them. */
const PICTURES = {
  "console-execution": [trip("trip-7"), 1418],
  "console-overview": ["/console", 1000],
  "console-waiting": [order("order-waiting"), 1000],
};

/** What the documents show. */
export async function pictures(at, told) {
  const page = await at.window.newPage();
  for (const [name, [path, height]] of Object.entries(PICTURES)) {
    await page.setViewportSize({ width: LOOKS.light.viewport.width, height });
    await page.goto(path);
    await page.locator("#stream[data-state=live]").waitFor();
    await page.screenshot({ path: `${told.pictures}/${name}.png` });
  }
}
