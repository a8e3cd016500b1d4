//! One file per state type: what it does when it is entered, and when what it waited for has come.

pub mod choice;
pub mod fail;
pub mod map;
pub mod map_run;
pub mod parallel;
pub mod pass;
pub mod succeed;
pub mod task;
pub mod wait;
