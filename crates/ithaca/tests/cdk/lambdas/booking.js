// What the functions share: the row of a booking. Version 2 of the SDK, as Lambda's runtimes had it up to nodejs16.x.
'use strict';

const AWS = require('aws-sdk');

const dynamo = new AWS.DynamoDB();
const TableName = process.env.TABLE_NAME;

const text = (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, { S: value }]));
const key = (type, tripId, id) => text({ pk: tripId, sk: `${type.toUpperCase()}#${id}` });

exports.hash = (...parts) => {
  const units = parts.join('').split('').map((unit) => unit.charCodeAt(0));
  return String(Math.abs(units.reduce((h, unit) => (Math.imul(31, h) + unit) | 0, 0)));
};

exports.fail = (event, runType, message) => {
  if (event.run_type === runType) throw new Error(message);
};

exports.failAtRandom = () => {
  if (Math.random() < Number(process.env.FAILURE_RATE)) throw new Error('Internal Server Error');
};

exports.put = (type, row) => dynamo.putItem({ TableName, Item: { ...key(type, row.trip_id, row.id), ...text({ type, ...row }) } }).promise();

// In the older style, which takes a callback.
exports.confirm = (type, tripId, id, callback) => {
  const update = {
    TableName,
    Key: key(type, tripId, id),
    UpdateExpression: 'set transaction_status = :confirmed',
    ExpressionAttributeValues: text({ ':confirmed': 'confirmed' }),
  };
  dynamo.updateItem(update, (error) => callback(error, { status: 'ok', booking_id: id }));
};

exports.remove = (type, tripId, id) => dynamo.deleteItem({ TableName, Key: key(type, tripId, id) }).promise();
