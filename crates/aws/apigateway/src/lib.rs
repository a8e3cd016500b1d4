//! aws-apigateway.
