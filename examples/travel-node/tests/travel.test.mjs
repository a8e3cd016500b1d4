// Each way that a trip can go, on a running Ithaca: `node --test` in the app's folder.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { until, up } from './ithaca.mjs';

let app;
before(async () => { app = await up({ FailureRate: 0 }); });
after(() => app?.stop());

const STEPS = ['ReserveHotel', 'ReserveFlight', 'TakePayment', 'ConfirmHotelBooking', 'ConfirmFlight'];
const COMPENSATIONS = ['RefundPayment', 'CancelFlightReservation', 'CancelHotelReservation'];

// How many steps are entered, and how many of the compensations, which come in this order, are left out.
const ways = [
  { runType: 'success', steps: 5 },
  { runType: 'failHotelReservation', steps: 1, without: 2 },
  { runType: 'failFlightsReservation', steps: 2, without: 1 },
  { runType: 'failPayment', steps: 3, without: 0 },
  { runType: 'failHotelConfirmation', steps: 4, without: 0 },
  { runType: 'failFlightsConfirmation', steps: 5, without: 0 },
];

async function booked(tripID, query = '') {
  const answer = await fetch(`${app.url}/?tripID=${tripID}${query}`);
  assert.deepEqual([answer.status, await answer.json()], [200, { message: 'The holiday booking system is processing your order' }]);
  const executionArn = await until(`the execution of ${tripID}`, async () => {
    const { executions } = await app.states('ListExecutions', { stateMachineArn: await app.machine('BookingSaga') });
    const inputs = await Promise.all(executions.map((execution) => app.states('DescribeExecution', execution)));
    return inputs.find(({ input }) => JSON.parse(input).trip_id === tripID)?.executionArn;
  });
  return app.ended(executionArn);
}

async function rows(tripID) {
  const all = await app.rows('BookingsTable');
  return all.filter(({ pk }) => pk === tripID).map(({ sk, transaction_status }) => `${sk} ${transaction_status}`).sort();
}

for (const { runType, steps, without } of ways) {
  test(`run type ${runType}`, async () => {
    const ended = await booked(runType, `&runType=${runType}`);
    const isBooked = without === undefined;
    const rest = isBooked ? ['We have made your booking!'] : [...COMPENSATIONS.slice(without), "Sorry, We Couldn't make the booking"];
    assert.deepEqual(ended.states, [...STEPS.slice(0, steps), ...rest]);
    assert.equal(ended.status, isBooked ? 'SUCCEEDED' : 'FAILED');
    assert.equal((await rows(runType)).length, isBooked ? 3 : 0);
  });
}

test('the rows of a trip follow from the trip', async () => {
  const tripID = '5c12d94a-ee6a-40d9-889b-1d49142248b7';
  await booked(tripID);
  assert.deepEqual(await rows(tripID), ['FLIGHT#2039533926 confirmed', 'HOTEL#265846601 confirmed', 'PAYMENT#613052072 confirmed']);
});
