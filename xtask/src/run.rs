//! Runs other programs; errors name the command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The workspace's folder: that of the `cargo run` at hand, otherwise that of the build.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var("CARGO_MANIFEST_DIR");
    Path::new(manifest.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR")))
        .parent()
        .map_or_else(PathBuf::new, PathBuf::from)
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let metadata = output("cargo", &["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).map_err(|why| why.to_string())?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
    Ok(PathBuf::from(folder))
}

pub(crate) fn step(name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("\n== {name}");
    let began = Instant::now();
    work().map_err(|why| format!("{name}: {why}"))?;
    println!("== {name}: fine, {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

pub(crate) fn cargo(args: &[&str]) -> Result<(), String> {
    command("cargo", args, &[])
}

pub(crate) fn command(program: &str, args: &[&str], vars: &[(&str, &str)]) -> Result<(), String> {
    let shown = format!("{program} {}", args.join(" "));
    let status = Command::new(program)
        .args(args)
        .envs(vars.iter().copied())
        .status()
        .map_err(|why| format!("`{shown}` cannot be started: {why}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}

/// Runs a program; returns what it printed, and whether it succeeded.
pub(crate) fn captured(program: &str, args: &[&str]) -> (String, Result<(), String>) {
    let shown = format!("{program} {}", args.join(" "));
    match Command::new(program).args(args).output() {
        Ok(output) => {
            let said =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let done = if output.status.success() {
                Ok(())
            } else {
                Err(format!("`{shown}` failed ({})", output.status))
            };
            (said.concat(), done)
        }
        Err(why) => (String::new(), Err(format!("`{shown}` cannot be started: {why}"))),
    }
}

/// Whether a program runs and exits with success. Its output is dropped.
pub(crate) fn quiet(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

pub(crate) fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|why| format!("`{program}` cannot be started: {why}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    String::from_utf8(output.stdout).map_err(|why| why.to_string())
}
