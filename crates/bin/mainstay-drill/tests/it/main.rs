//! The program from outside: its commands, and the product that it runs as a child process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

fn output(args: &[&str]) -> (Option<i32>, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_mainstay-drill")).args(args).output().unwrap();
    (run.status.code(), String::from_utf8(run.stdout).unwrap())
}

#[test]
fn help_lists_demo_and_every_drill() {
    let (code, help) = output(&["--help"]);
    assert_eq!(code, Some(0));
    for command in ["demo", "expired-name", "surge"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}:\n{help}");
    }
}

#[test]
fn unknown_drill_is_a_usage_error() {
    assert_eq!(output(&["no-such-drill"]).0, Some(2));
}

#[test]
fn hidden_product_command_runs_the_product() {
    let (code, version) = output(&["product", "--version"]);
    assert_eq!((code, version.starts_with("mainstay ")), (Some(0), true), "{version}");
    let (code, help) = output(&["product", "--help"]);
    assert_eq!(code, Some(0));
    assert!(!help.contains("drill"), "{help}");
}
