//! What a scenario found: a table of figures, each with whether it is as promised, and every contradiction in words.

use std::fmt::Display;

/// So many problems are shown; their number is in the table.
const SHOWN_MAX: usize = 20;

#[derive(Debug)]
pub struct Verdict {
    pub scenario: String,
    rows: Vec<Row>,
    pub problems: Vec<String>,
}

#[derive(Debug)]
struct Row {
    what: String,
    found: String,
    /// None for what is only told.
    holds: Option<bool>,
}

impl Verdict {
    pub fn new(scenario: &str) -> Verdict {
        Verdict { scenario: scenario.to_owned(), rows: Vec::new(), problems: Vec::new() }
    }

    /// A figure of which something is promised.
    pub fn claim<T: Display>(&mut self, what: &str, found: T, holds: impl FnOnce(&T) -> bool) {
        let holds = Some(holds(&found));
        self.rows.push(Row { what: what.to_owned(), found: found.to_string(), holds });
    }

    /// A figure that is good to know.
    pub fn say(&mut self, what: &str, found: impl Display) {
        self.rows.push(Row { what: what.to_owned(), found: found.to_string(), holds: None });
    }

    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.rows.iter().all(|row| row.holds != Some(false))
    }

    /// The table, and the problems below it.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
        let row = |row: &Row| {
            let mark = match row.holds {
                Some(true) => "ok",
                Some(false) => "NO",
                None => "  ",
            };
            format!("  {mark}  {:<width$}  {}\n", row.what, row.found)
        };
        let rows: String = self.rows.iter().map(row).collect();
        let problems: String =
            self.problems.iter().take(SHOWN_MAX).map(|problem| format!("  problem: {problem}\n")).collect();
        let verdict = if self.is_good() { "all as promised" } else { "NOT as promised" };
        format!("{}: {verdict}\n{rows}{problems}", self.scenario)
    }

    /// For tests: panics with the table unless all is as promised.
    #[track_caller]
    pub fn expect_good(&self) {
        println!("{}", self.text());
        assert!(self.is_good(), "{}", self.text());
    }
}
