//! The product: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mainstay::run(std::env::args_os())
}
