//! The `ithaca` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    ithaca::cli::main()
}
