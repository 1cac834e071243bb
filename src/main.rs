//! The `debpoint` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    debpoint::run::main()
}
