//! asl.
