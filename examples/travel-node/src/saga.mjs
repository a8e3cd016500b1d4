// The front door: an HTTP request becomes an execution of the saga, and is answered before the trip is booked.
import { call } from './aws.mjs';

const DEFAULT_TRIP_ID = '5c12d94a-ee6a-40d9-889b-1d49142248b7';

// The one journey on offer: London to Dublin, two nights.
function trip({ tripID, runType } = {}) {
  return {
    trip_id: tripID || DEFAULT_TRIP_ID,
    depart: 'London',
    depart_at: '2021-07-10T06:00:00.000Z',
    arrive: 'Dublin',
    arrive_at: '2021-07-12T08:00:00.000Z',
    hotel: 'holiday inn',
    check_in: '2021-07-10T12:00:00.000Z',
    check_out: '2021-07-12T14:00:00.000Z',
    rental: 'Volvo',
    rental_from: '2021-07-10T00:00:00.000Z',
    rental_to: '2021-07-12T00:00:00.000Z',
    run_type: runType || 'success',
  };
}

export async function handler(event) {
  try {
    const input = JSON.stringify(trip(event.queryStringParameters ?? {}));
    const { executionArn } = await call('states', 'StartExecution', { stateMachineArn: process.env.STATE_MACHINE_ARN, input });
    console.log('started', executionArn);
    return message(200, 'The holiday booking system is processing your order');
  } catch (error) {
    console.error(error);
    return message(500, 'There was an error');
  }
}

function message(statusCode, text) {
  return { statusCode, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ message: text }) };
}
