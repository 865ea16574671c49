//! Licences and bans of deny.toml without cargo-deny, from `cargo metadata`.

use crate::run::{cargo, quiet, root};
use crate::tidy::metadata;
use std::collections::BTreeSet;
use std::fs;

/// Runs cargo-deny; where it is not installed the licences are checked from `cargo metadata` alone.
pub(crate) fn check() -> Result<(), String> {
    if quiet("cargo", &["deny", "--version"]) {
        return cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]);
    }
    println!(
        "cargo-deny is not installed (cargo install cargo-deny): checking deny.toml's licences and bans by metadata"
    );
    by_metadata()
}

/// Every dependency's licence expression offers one that deny.toml allows, and nothing that it bans is in the tree.
fn by_metadata() -> Result<(), String> {
    let deny = fs::read_to_string(root().join("deny.toml")).map_err(|error| format!("deny.toml: {error}"))?;
    let list = |from: &str| -> BTreeSet<String> {
        let part =
            deny.split_once(from).map_or("", |(_, rest)| rest.split_once(']').map_or("", |(list, _)| list));
        part.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let (allowed, banned) = (list("allow = ["), list("deny = ["));
    let mut faults = Vec::new();
    for package in metadata()?["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or("none");
        if banned.contains(name) {
            faults.push(format!("{name} is banned by deny.toml"));
        }
        if !offers(licence, &allowed) {
            faults.push(format!("{name}: licence `{licence}` is not allowed by deny.toml"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n  ")) }
}

/// Whether one of the alternatives consists of allowed licences only. Understands OR, AND, `/` and flat brackets.
fn offers(licence: &str, allowed: &BTreeSet<String>) -> bool {
    let flat = licence.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" OR ").any(|choice| choice.split(" AND ").all(|one| allowed.contains(one.trim())))
        || flat.split(" AND ").all(|all| all.split(" OR ").any(|one| allowed.contains(one.trim())))
}
