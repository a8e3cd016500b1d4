//! What the world likes to do: a scenario is a column of weights.
//!
//! A seed draws its scenario too, unless one is named.

/// Something that may happen next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A start with a new name.
    Start,
    /// The same request once more.
    StartAgain,
    /// An Express execution that is waited for.
    StartSync,
    /// More starts at once than a batch takes.
    Flood,
    Stop,
    Redrive,
    /// A task gets an outcome, good or bad, or is given up.
    Outcome,
    /// An outcome comes once more.
    Repeat,
    /// Somebody answers with a token.
    Answer,
    /// The same with a token that nobody was given.
    Forge,
    /// A worker asks for an activity's task.
    Poll,
    /// A worker goes away while it asks.
    Hang,
    /// Items of a Map Run are read, or its results written.
    Objects,
    UpdateRun,
    /// A machine gets another definition, and a version.
    Update,
    Delete,
    /// Some time passes.
    Pass,
    /// Until the next timer.
    Timer,
    /// The clock is set forward or back.
    SetClock,
    /// Days pass.
    Days,
    /// All shards take a turn.
    Turn,
    /// Batches arrive.
    Arrive,
    /// A batch does not arrive, or nobody is told that it did.
    FailCommit,
    Refuse,
    /// The disk fails, and the process must begin anew.
    FailDisk,
    Crash,
    /// Another process takes over while this one goes on.
    TakeOver,
}

use Action::*;

pub const NAMES: [&str; 7] = ["everything", "quiet", "saga", "longer", "takeover", "overload", "retention"];

/// How often each action is drawn, in each scenario.
#[rustfmt::skip]
pub const ACTIONS: [(Action, [u64; 7]); 27] = [
    //            everything quiet saga longer takeover overload retention
    (Start,      [        40,   40,  40,    30,      30,      40,       40]),
    (StartAgain, [        10,    5,   5,     5,      10,      20,        5]),
    (StartSync,  [         4,    5,   0,     0,       2,       5,        0]),
    (Flood,      [         0,    0,   0,     0,       0,       1,        0]),
    (Stop,       [         4,    2,   1,     4,       4,       2,        2]),
    (Redrive,    [        10,    5,   2,    15,       8,       5,        5]),
    (Outcome,    [        90,   90, 120,    90,      80,      90,       90]),
    (Repeat,     [        10,    5,  10,    10,      15,       5,        5]),
    (Answer,     [        25,   20,   0,    50,      25,      15,       10]),
    (Forge,      [         3,    2,   0,     5,       2,       0,        0]),
    (Poll,       [        12,   10,   0,    25,      10,       5,        5]),
    (Hang,       [         3,    0,   0,     6,       2,       0,        0]),
    (Objects,    [        20,   20,   0,    30,      15,      15,       15]),
    (UpdateRun,  [         3,    2,   0,     6,       2,       0,        0]),
    (Update,     [         3,    2,   0,     2,       2,       0,        0]),
    (Delete,     [         1,    0,   0,     1,       1,       0,        0]),
    (Pass,       [        25,   20,  15,    25,      15,      15,       20]),
    (Timer,      [        20,   25,  20,    20,      10,      10,       30]),
    (SetClock,   [         3,    0,   1,     3,       3,       2,        3]),
    (Days,       [         0,    0,   0,     0,       0,       0,        6]),
    (Turn,       [       150,  150, 100,   150,     150,      80,      150]),
    (Arrive,     [        90,  100,  80,    90,      80,      60,       90]),
    (FailCommit, [         4,    0,   3,     4,      10,       3,        2]),
    (Refuse,     [         2,    0,   1,     2,       2,       8,        2]),
    (FailDisk,   [         2,    0,   1,     2,       3,       2,        2]),
    (Crash,      [         5,    0,   4,     5,       5,       4,        5]),
    (TakeOver,   [         2,    0,   1,     2,      10,       1,        1]),
];

/// The number of a scenario.
pub fn find(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}
