//! The program from outside: its commands, and the product that it runs as a child process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod preconditions;

use std::process::Command;

fn output(args: &[&str]) -> (Option<i32>, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_mainstay-drill")).args(args).output().unwrap();
    (run.status.code(), String::from_utf8(run.stdout).unwrap())
}

#[test]
fn help_lists_demo_and_every_drill() {
    let (code, help) = output(&["--help"]);
    assert_eq!(code, Some(0));
    for command in ["demo", "expired-name", "surge", "shrinking-pool", "power-cut", "rank"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}:\n{help}");
    }
}

/// A file of this process in the folder for temporary files, removed at the end.
struct TemporaryFile(std::path::PathBuf);

impl TemporaryFile {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mainstay-rank-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn rank_prints_a_line_for_each_case() {
    let set = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../core/statistics/tests/fixtures/nezha-online-boutique.json.gz"
    );
    let (code, lines) = output(&["rank", set]);
    assert_eq!((code, lines.lines().count()), (Some(0), 56));
    let one = r#" {"id": "x", "target": {"node": "a", "metric": "latency"}, "nodes": ["b", "a"]}"#;
    let file = TemporaryFile::new("one.json", one);
    let (code, line) = output(&["rank", file.0.to_str().unwrap()]);
    let expected = r#"{"id":"x","ranked":[{"node":"a","score":0.0},{"node":"b","score":0.0}],"verdict":"nothing stands out"}"#;
    assert_eq!((code, line.trim()), (Some(0), expected));
}

#[test]
fn rank_refuses_what_it_cannot_read() {
    assert_eq!(output(&["rank", "/no/such/file.json"]).0, Some(2));
    for (name, content) in [("empty", ""), ("text", "nodes"), ("target", r#"{"id": "x"}"#), ("open", "[{")] {
        let file = TemporaryFile::new(name, content);
        let (code, text) = output(&["rank", file.0.to_str().unwrap()]);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{name}");
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
