//! aws-states.
