// The booking saga as a stack, in what both versions of CDK have: nine functions, a table, a state machine, a REST API.
'use strict';

const path = require('path');

module.exports = function sagaStack({ cdk, apigateway, dynamodb, lambda, tasks, sfn, define }, app) {
  const stack = new cdk.Stack(app, 'TheSagaStepfunctionSingleTableStack');

  const table = new dynamodb.Table(stack, 'Bookings', {
    partitionKey: { name: 'pk', type: dynamodb.AttributeType.STRING },
    sortKey: { name: 'sk', type: dynamodb.AttributeType.STRING },
  });

  // Nothing is bundled: the SDK is the runtime's.
  const code = () => lambda.Code.fromAsset(path.join(__dirname, 'lambdas'));
  const node = (id, handler, environment) =>
    new lambda.Function(stack, id, { runtime: lambda.Runtime.NODEJS_16_X, code: code(), handler, environment });

  function booking(id, handler) {
    const environment = { TABLE_NAME: table.tableName, FAILURE_RATE: process.env.FAILURE_RATE || '0.4' };
    const fn = node(id, handler, environment);
    table.grantReadWriteData(fn);
    return fn;
  }

  const invoke = (id, handler) =>
    new tasks.LambdaInvoke(stack, id, { lambdaFunction: booking(`${id}Lambda`, handler), resultPath: `$.${id}Result` });
  const compensation = (id, handler) => invoke(id, handler).addRetry({ maxAttempts: 3 });
  const step = (id, handler, compensated) => invoke(id, handler).addCatch(compensated, { resultPath: `$.${id}Error` });

  const failed = new sfn.Fail(stack, "Sorry, We Couldn't make the booking", {});
  const succeeded = new sfn.Succeed(stack, 'We have made your booking!');

  const cancelHotel = compensation('CancelHotelReservation', 'hotel.cancel').next(failed);
  const cancelFlight = compensation('CancelFlightReservation', 'flight.cancel').next(cancelHotel);
  const refund = compensation('RefundPayment', 'payment.refund').next(cancelFlight);

  const chain = step('ReserveHotel', 'hotel.reserve', cancelHotel)
    .next(step('ReserveFlight', 'flight.reserve', cancelFlight))
    .next(step('TakePayment', 'payment.take', refund))
    .next(step('ConfirmHotelBooking', 'hotel.confirm', refund))
    .next(step('ConfirmFlight', 'flight.confirm', refund))
    .next(succeeded);

  const saga = new sfn.StateMachine(stack, 'BookingSaga', { ...define(chain), timeout: cdk.Duration.minutes(5) });

  const front = node('sagaLambdaHandler', 'saga.handler', { statemachine_arn: saga.stateMachineArn });
  saga.grantStartExecution(front);
  new apigateway.LambdaRestApi(stack, 'SagaPatternSingleTable', { handler: front });
};
