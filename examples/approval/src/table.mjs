// Rows whose attributes are texts, by their key `pk`. Each verb may be repeated.
import { call } from './aws.mjs';

const text = (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, { S: String(value) }]));

// The row, or undefined.
export async function get(TableName, pk) {
  const { Item } = await call('dynamodb', 'GetItem', { TableName, Key: text({ pk }), ConsistentRead: true });
  return Item && Object.fromEntries(Object.entries(Item).map(([name, { S }]) => [name, S]));
}

// Sets attributes of a row, and leaves its others alone. A row that is not there is made.
export async function set(TableName, pk, attributes) {
  // Names such as `status` and `token` are reserved words.
  const names = Object.keys(attributes);
  await call('dynamodb', 'UpdateItem', {
    TableName,
    Key: text({ pk }),
    UpdateExpression: `SET ${names.map((_, number) => `#n${number} = :v${number}`).join(', ')}`,
    ExpressionAttributeNames: Object.fromEntries(names.map((name, number) => [`#n${number}`, name])),
    ExpressionAttributeValues: text(Object.fromEntries(names.map((name, number) => [`:v${number}`, attributes[name]]))),
  });
}
