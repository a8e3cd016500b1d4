// What people do in the console, and that they see what comes of it without loading the page anew.

import { check, BOUND_MS } from "./browser.mjs";

const TRAVEL = "arn:aws:states:us-east-1:000000000000:stateMachine:travel-BookingSaga";
const CHECKOUT = "arn:aws:states:us-east-1:000000000000:stateMachine:checkout-CheckoutSaga";
const BOOKINGS = "/console/tables/travel-BookingsTable";
const REFUND = "/2017-10-31/functions/travel-RefundPaymentFunction/concurrency";

export const machine = (arn) => `/console/machines/${arn}`;
export const execution = (arn, name) => `/console/executions/${arn.replace("stateMachine", "execution")}:${name}`;

export const MACHINES = { travel: machine(TRAVEL), checkout: machine(CHECKOUT) };
export const trip = (name) => execution(TRAVEL, name);
export const order = (name) => execution(CHECKOUT, name);

// Refunds are held back as an operator would do it: the function may not run, and the saga's Retry waits for it.
const hold = (at) => told(at, REFUND, "PUT", { ReservedConcurrentExecutions: 0 });
const release = (at) => told(at, REFUND, "DELETE");

async function told(at, path, method, body) {
  const answer = await fetch(at.browser.endpoint + path, { method, body: body && JSON.stringify(body) });
  check(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`);
}

/** Keeps what the drawing shows from now on; lost when the page is loaded anew. */
async function watch(page) {
  await page.evaluate(() => {
    window.seen = [];
    const note = (state) => window.seen.push(`${state.dataset.state}: ${state.dataset.status}`);
    const observer = new MutationObserver((changes) => changes.forEach((change) => note(change.target)));
    observer.observe(document.querySelector("svg.ithaca-graph"), { subtree: true, attributeFilter: ["data-status"] });
  });
}

/** That the drawing went through these, in this order, while it was watched. */
async function went(page, expected) {
  const seen = await page.evaluate(() => window.seen);
  check(seen, "the page was loaded anew");
  let from = 0;
  for (const step of expected) {
    from = seen.indexOf(step, from) + 1;
    check(from > 0, `${step} is not where it should be in ${JSON.stringify(seen)}`);
  }
}

const state = (page, name, status) => page.locator(`g[data-state="${name}"][data-status="${status}"]`).waitFor();
// The first on the page is that of the execution itself.
const ended = (page, words) => page.locator("[data-part=head] [data-execution-status]", { hasText: words }).waitFor();
const says = (page, words) => page.locator("[data-part=story]", { hasText: words }).waitFor();

/** The rows of a trip, in a window beside. */
async function rows(at, id) {
  const page = await at.window.newPage();
  await page.goto(`${BOOKINGS}?hash=${id}`);
  const number = (count) => page.waitForFunction((count) => document.querySelectorAll("[data-item]").length === count, count, { timeout: BOUND_MS });
  return { page, number };
}

async function start(page, path, name, input) {
  await page.goto(path);
  await page.fill("textarea#input", JSON.stringify(input, null, 2));
  await page.fill("input#name", name);
  await page.click("section#start button.primary, form:has(#input) button.primary");
  await page.waitForURL(/\/console\/executions\//);
}

const TRIP = {
  depart: "London", depart_at: "2021-07-10T06:00:00.000Z", arrive: "Dublin", arrive_at: "2021-07-12T08:00:00.000Z",
  hotel: "holiday inn", check_in: "2021-07-10T12:00:00.000Z", check_out: "2021-07-12T14:00:00.000Z",
  rental: "Volvo", rental_from: "2021-07-10T00:00:00.000Z", rental_to: "2021-07-12T00:00:00.000Z",
};

async function comesHome(at) {
  const page = await at.window.newPage();
  const booked = await rows(at, "trip-7");
  await hold(at);
  await start(page, MACHINES.travel, "trip-7", { trip_id: "trip-7", ...TRIP, run_type: "failPayment" });
  await state(page, "TakePayment", "caught");
  await state(page, "RefundPayment", "in-progress");
  await watch(page);
  await booked.number(2);
  await release(at);
  await ended(page, "Failed");
  await state(page, "CancelHotelReservation", "compensated");
  await went(page, ["RefundPayment", "CancelFlightReservation", "CancelHotelReservation"].map((name) => `${name}: compensated`));
  await says(page, "TakePayment failed");
  await says(page, "RefundPayment, CancelFlightReservation and CancelHotelReservation compensated");
  await says(page, "Nothing is left over.");
  await booked.number(0);
}

async function isRedriven(at) {
  const page = await at.window.newPage();
  await hold(at);
  await page.goto("/console/apis");
  await page.click("[data-way=failPayment]");
  await page.click("[data-started]");
  const id = JSON.parse(await page.locator("#input pre, section:has(#input-title) pre").first().textContent()).trip_id;
  const booked = await rows(at, id);
  await booked.number(2);
  await ended(page, "Failed");
  await state(page, "RefundPayment", "failed");
  await says(page, "RefundPayment did not compensate TakePayment");
  at.stuck = new URL(page.url()).pathname;
  await release(at);
  await page.click("button:has-text('Redrive')");
  await state(page, "CancelHotelReservation", "compensated");
  await page.locator("text=redriven 1 time").waitFor();
  await booked.number(0);
}

const RULES = { approval_from: 100, approval_seconds: 3600, heartbeat_seconds: 600, shipment_seconds: 86400 };

async function ordered(at, id) {
  const page = await at.window.newPage();
  const input = { base_url: at.browser.endpoint, order: { id, amount: 250, email: "ann@example.com" }, rules: RULES };
  await start(page, MACHINES.checkout, id, input);
  await state(page, "RequestApproval", "waiting");
  return page;
}

async function isApproved(at) {
  const page = await ordered(at, "order-yes");
  await watch(page);
  const desk = await at.window.newPage();
  await desk.goto("/console/waiting");
  const task = desk.locator("article[data-waiting]", { hasText: "order-yes" });
  await task.locator("button[value=success]").click();
  // The page of the order was not touched.
  await state(page, "RequestShipment", "waiting");
  await went(page, ["RequestApproval: succeeded", "RequestShipment: waiting"]);
  const shipment = page.locator("article[data-waiting=RequestShipment]");
  await shipment.locator("textarea").fill('{"tracking": ');
  await shipment.locator("text=Not JSON yet").waitFor();
  await shipment.locator("textarea").fill('{"tracking": "T-1"}');
  await shipment.locator("button[value=success]").click();
  await ended(page, "Succeeded");
  await state(page, "SayShipped", "succeeded");
  await page.locator("[data-part=data]", { hasText: "T-1" }).waitFor();
}

async function isDeclined(at) {
  const page = await ordered(at, "order-no");
  const task = page.locator("article[data-waiting=RequestApproval]");
  await task.locator("input[name=error]").fill("TooDear");
  await task.locator("input[name=cause]").fill("Not this year");
  await task.locator("button[value=failure]").click();
  await ended(page, "Failed");
  await state(page, "RequestApproval", "caught");
  await state(page, "SayDeclined", "succeeded");
  await says(page, "TooDear: Not this year");
}

async function isStopped(at) {
  const page = await ordered(at, "order-stopped");
  await page.click("summary:has-text('Stop…')");
  await page.fill("#cause", "Not wanted any more");
  await page.click("button:has-text('Stop the execution')");
  await ended(page, "Stopped");
  await state(page, "RequestApproval", "cancelled");
  await page.locator("[data-part=data]", { hasText: "Not wanted any more" }).waitFor();
}

/** What looks.mjs opens besides: something goes on while the pages are seen. */
async function goesOn(at) {
  await ordered(at, "order-waiting");
}

export const ACTIONS = { comesHome, isRedriven, isApproved, isDeclined, isStopped, goesOn };
