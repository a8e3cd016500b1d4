//! aws-lambda.
