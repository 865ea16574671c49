//! The drawing of imports in ARCHITECTURE.md, which is what `cargo metadata` says.

use super::layers::{LAYERS, Workspace};
use crate::run::root;
use std::fmt::Write as _;
use std::fs;

const FILE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- drawn by cargo xtask bless -->";
const END: &str = "<!-- end of drawing -->";

/// Writes the drawing into ARCHITECTURE.md.
pub(crate) fn draw() -> Result<(), String> {
    let text = read()?;
    let (before, _, after) = cut(&text)?;
    let drawing = drawing(&Workspace::read()?);
    fs::write(root().join(FILE), format!("{before}{BEGIN}\n{drawing}{END}{after}"))
        .map_err(|error| error.to_string())
}

/// A fault where ARCHITECTURE.md shows other imports, or lacks a row for a crate.
pub(super) fn differs(workspace: &Workspace) -> Result<Vec<String>, String> {
    let text = read()?;
    let (before, drawn, after) = cut(&text)?;
    let mut faults = Vec::new();
    if drawn.trim() != drawing(workspace).trim() {
        faults.push(format!("the drawing in {FILE} is not what cargo metadata says: cargo xtask draw"));
    }
    for package in &workspace.packages {
        let mention = format!("`{}`", package.name);
        if !before.contains(&mention) && !after.contains(&mention) {
            faults.push(format!("{FILE} does not describe the crate {mention}"));
        }
    }
    Ok(faults)
}

fn read() -> Result<String, String> {
    fs::read_to_string(root().join(FILE)).map_err(|error| format!("{FILE}: {error}"))
}

fn cut(text: &str) -> Result<(&str, &str, &str), String> {
    let marks = || format!("{FILE} lacks the marks `{BEGIN}` and `{END}`");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(marks)?;
    let (drawn, after) = rest.split_once(END).ok_or_else(marks)?;
    Ok((before, drawn, after))
}

/// One line a crate, layer by layer; within core the crate that composes it first and the types last.
fn drawing(workspace: &Workspace) -> String {
    let mut out = String::from("```text\n");
    for layer in LAYERS {
        let mut packages: Vec<_> =
            workspace.packages.iter().filter(|package| package.layer == layer).collect();
        packages.sort_by_key(|package| {
            let place = match package.name.as_str() {
                "engine" => 0,
                "types" => 2,
                _ => 1,
            };
            (place, &package.name)
        });
        for package in packages {
            let imports: Vec<&str> = package.imports.iter().map(String::as_str).collect();
            let arrow = if imports.is_empty() { String::new() } else { format!("--> {}", imports.join(" ")) };
            let line = format!("{layer:<9}{:<15}{arrow}", package.name);
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    out + "```\n"
}
