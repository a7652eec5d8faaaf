//! The `peshub` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    peshub::cli::run()
}
