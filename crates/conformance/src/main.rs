//! `conformance FOLDER [--area A] [--case NAME] [--diff]`
//!
//! Prints what failed, a table by area, what the failures have in common, and as its last line the count. A failed
//! case is a finding, not a failure of this program, so it ends well unless the folder cannot be read.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use conformance::{Selection, run};

#[derive(Parser)]
#[command(name = "conformance", about = "Holds Ithaca's Step Functions against recorded answers of AWS")]
struct Arguments {
    /// A folder of AREA/CASE.json
    folder: PathBuf,
    /// Only the cases of this area
    #[arg(long)]
    area: Option<String>,
    /// Only cases with this in their name, each with its differences
    #[arg(long)]
    case: Option<String>,
    /// Show the differences of every failed case
    #[arg(long)]
    diff: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let with_diff = arguments.diff || arguments.case.is_some();
    let selection = Selection { area: arguments.area, case: arguments.case };
    match run(&arguments.folder, &selection) {
        Ok(report) => {
            print!("{}", report.text(with_diff));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("conformance: {why}");
            ExitCode::FAILURE
        }
    }
}
