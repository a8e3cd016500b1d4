//! aws-dynamodb.
