//! aws-cloudformation.
