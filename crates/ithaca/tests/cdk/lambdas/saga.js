'use strict';

const AWS = require('aws-sdk');

const stepFunctions = new AWS.StepFunctions({ region: 'us-east-1' });

function trip({ tripID, runType }) {
  return {
    trip_id: tripID || '5c12d94a-ee6a-40d9-889b-1d49142248b7',
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

exports.handler = (event, context, callback) => {
  const input = JSON.stringify(trip(event.queryStringParameters || {}));
  stepFunctions.startExecution({ stateMachineArn: process.env.statemachine_arn, input }, (error) => {
    const [statusCode, message] = error
      ? [500, 'There was an error']
      : [200, 'The holiday booking system is processing your order'];
    callback(null, { statusCode, body: JSON.stringify({ message }) });
  });
};
