//! The repository's own rules, checked: the drawing in ARCHITECTURE.md cannot lie, thinkers cannot wait.

use crate::run::{output, root};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows of the picture from top to bottom: a crate imports only from rows beneath its own.
const ROWS: [(&str, &[&str]); 8] = [
    ("wires", &["mainstay"]),
    ("box", &["sim", "lab"]),
    ("touch", &["site", "prober", "notifier", "edge"]),
    ("memory", &["journal"]),
    ("order", &["engine"]),
    ("think", &["watch", "diagnose", "wake", "tell", "guard", "drill", "config"]),
    ("seal", &["seal"]),
    ("words", &["model"]),
];

/// Crates that may not wait, fail or look at a clock, with everything that they stand on.
const PURE: [&str; 10] =
    ["model", "config", "watch", "diagnose", "wake", "tell", "guard", "drill", "engine", "seal"];
/// What would let them.
const IMPURE: [&str; 8] = ["tokio", "hyper", "reqwest", "rusqlite", "axum", "rustls", "mio", "socket2"];

const BEGIN: &str = "<!-- drawn by cargo xtask bless -->";
const END: &str = "<!-- end of drawing -->";
const NAMES_THAT_SAY_NOTHING: [&str; 7] = ["util", "utils", "helper", "helpers", "manager", "common", "misc"];
const LINES_MAX: usize = 700;
/// Copies of crates with changes of ours.
const THIRD_PARTY: &str = "third_party";

pub(crate) fn check() -> Result<(), String> {
    let house = House::read()?;
    let mut faults = Vec::new();
    faults.extend(house.upward());
    faults.extend(house.impure());
    faults.extend(drawing_differs(&house)?);
    faults.extend(files()?);
    faults.extend(manifests(&house)?);
    faults.extend(vendored()?);
    report(faults)
}

/// Writes the picture into ARCHITECTURE.md.
pub(crate) fn draw() -> Result<(), String> {
    let house = House::read()?;
    let path = root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path).map_err(|why| format!("ARCHITECTURE.md: {why}"))?;
    let (before, _, after) = cut(&text)?;
    fs::write(&path, format!("{before}{BEGIN}\n{}{END}{after}", house.drawing()))
        .map_err(|why| why.to_string())
}

/// A licence check without cargo-deny: every dependency's licence expression offers one that deny.toml allows, and
/// nothing that it bans is in the tree.
pub(crate) fn licences() -> Result<(), String> {
    let deny = fs::read_to_string(root().join("deny.toml")).map_err(|why| format!("deny.toml: {why}"))?;
    let list = |from: &str| -> BTreeSet<String> {
        let part =
            deny.split_once(from).map_or("", |(_, rest)| rest.split_once(']').map_or("", |(list, _)| list));
        part.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let (allowed, banned) = (list("allow = ["), list("deny = ["));
    let metadata = metadata(&[])?;
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or("none");
        if banned.contains(name) {
            faults.push(format!("{name} is banned by deny.toml"));
        }
        if !offers(licence, &allowed) {
            faults.push(format!("{name}: licence `{licence}` is not allowed by deny.toml"));
        }
    }
    report(faults)
}

/// Whether one of the alternatives consists of allowed licences only. Understands OR, AND, `/` and flat brackets.
fn offers(licence: &str, allowed: &BTreeSet<String>) -> bool {
    let flat = licence.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" OR ").any(|choice| choice.split(" AND ").all(|one| allowed.contains(one.trim())))
        || flat.split(" AND ").all(|all| all.split(" OR ").any(|one| allowed.contains(one.trim())))
}

struct House {
    /// Workspace crate -> workspace crates that it imports, tests not counted.
    imports: BTreeMap<String, BTreeSet<String>>,
    /// Workspace crate -> everything that it stands on.
    beneath: BTreeMap<String, BTreeSet<String>>,
}

impl House {
    fn read() -> Result<Self, String> {
        let metadata = metadata(&[])?;
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names: BTreeMap<String, String> = array(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let members: BTreeSet<String> = array(&metadata["workspace_members"]).iter().map(text).collect();
        let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in array(&metadata["resolve"]["nodes"]) {
            let normal = |dep: &&Value| array(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let deps = array(&node["deps"]);
            needs
                .insert(text(&node["id"]), deps.iter().filter(normal).map(|dep| text(&dep["pkg"])).collect());
        }
        let name = |id: &String| names.get(id).cloned().unwrap_or_default();
        let mut house = Self { imports: BTreeMap::new(), beneath: BTreeMap::new() };
        for id in members.iter().filter(|id| name(id) != "xtask") {
            let direct = needs.get(id).into_iter().flatten();
            house.imports.insert(name(id), direct.filter(|dep| members.contains(*dep)).map(name).collect());
            let mut todo = vec![id.clone()];
            let mut seen = BTreeSet::new();
            while let Some(next) = todo.pop() {
                for dep in needs.get(&next).into_iter().flatten() {
                    if seen.insert(dep.clone()) {
                        todo.push(dep.clone());
                    }
                }
            }
            house.beneath.insert(name(id), seen.iter().map(name).collect());
        }
        Ok(house)
    }

    fn upward(&self) -> Vec<String> {
        let row = |name: &str| ROWS.iter().position(|(_, crates)| crates.contains(&name));
        let mut faults = Vec::new();
        for (above, imports) in &self.imports {
            let Some(from) = row(above) else {
                faults.push(format!("crate {above} has no row in xtask/src/tidy.rs"));
                continue;
            };
            for below in imports {
                if row(below).is_none_or(|to| to <= from) {
                    faults.push(format!(
                        "{above} imports {below}: arrows point down, within a row there are none"
                    ));
                }
            }
        }
        faults
    }

    fn impure(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for pure in PURE {
            for beneath in self.beneath.get(pure).into_iter().flatten() {
                if IMPURE.contains(&beneath.as_str()) {
                    faults.push(format!(
                        "{pure} thinks, but stands on {beneath}: a thinker cannot wait or touch"
                    ));
                }
            }
        }
        faults
    }

    fn drawing(&self) -> String {
        let mut out = String::from("```text\n");
        for (row, crates) in ROWS {
            for name in crates {
                let imports: Vec<&str> =
                    self.imports.get(*name).into_iter().flatten().map(String::as_str).collect();
                let arrow =
                    if imports.is_empty() { String::new() } else { format!("--> {}", imports.join(" ")) };
                let _ = writeln!(out, "{row:<8}{name:<10}{arrow}");
            }
        }
        out.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>() + "```\n"
    }
}

fn metadata(more: &[&str]) -> Result<Value, String> {
    let mut args = vec![
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    args.extend(more);
    serde_json::from_str(&output("cargo", &args)?).map_err(|why| why.to_string())
}

fn cut(text: &str) -> Result<(&str, &str, &str), String> {
    let marks = || format!("ARCHITECTURE.md lacks the marks `{BEGIN}` and `{END}`");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(marks)?;
    let (drawn, after) = rest.split_once(END).ok_or_else(marks)?;
    Ok((before, drawn, after))
}

fn drawing_differs(house: &House) -> Result<Option<String>, String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md"))
        .map_err(|why| format!("ARCHITECTURE.md: {why}"))?;
    let (_, drawn, _) = cut(&text)?;
    let same = drawn.trim() == house.drawing().trim();
    Ok((!same)
        .then(|| "ARCHITECTURE.md's picture is not what cargo metadata says: cargo xtask bless".to_owned()))
}

fn files() -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    for path in tracked()? {
        let shown = path.display();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|ext| ext == "rs") {
            if NAMES_THAT_SAY_NOTHING.contains(&stem) {
                faults.push(format!("{shown}: a name that says nothing"));
            }
            let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
            let lines = text.lines().count();
            if lines > LINES_MAX {
                faults.push(format!("{shown}: {lines} lines; one subject a file, {LINES_MAX} at most"));
            }
            if !text.starts_with("//!") && !text.starts_with("#!") {
                faults.push(format!("{shown}: does not begin by saying what it is (//! ...)"));
            }
        }
        if let Some(forgotten) = forgotten_test(&path) {
            faults.push(forgotten);
        }
    }
    Ok(faults)
}

/// A file of `tests/it/` that `main.rs` does not name is never run.
fn forgotten_test(path: &Path) -> Option<String> {
    let folder = path.parent()?;
    let stem = path.file_stem()?.to_str()?;
    if !folder.ends_with("tests/it") || stem == "main" || path.extension()? != "rs" {
        return None;
    }
    let main = fs::read_to_string(root().join(folder).join("main.rs")).unwrap_or_default();
    (!main.contains(&format!("mod {stem};"))).then(|| format!("{}: forgotten by main.rs", path.display()))
}

fn manifests(house: &House) -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    for name in house.imports.keys() {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let text = fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        if !text.contains("[lints]\nworkspace = true") {
            faults.push(format!("crates/{name}/Cargo.toml does not take the workspace's lints"));
        }
    }
    Ok(faults)
}

/// Copies of other people's crates in third_party/: each is the one that is built, and says what was changed in it.
fn vendored() -> Result<Vec<String>, String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).map_err(|why| format!("Cargo.lock: {why}"))?;
    let mut faults = Vec::new();
    for entry in fs::read_dir(root().join(THIRD_PARTY)).into_iter().flatten().flatten() {
        let folder = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap_or_default();
        faults.extend(not_locked(&lock, &name, version.trim_matches('"')));
        for file in ["CHANGED.md", "LICENSE-APACHE"] {
            if !folder.join(file).exists() {
                faults.push(format!("{THIRD_PARTY}/{name} has no {file}"));
            }
        }
    }
    Ok(faults)
}

/// Says where Cargo.lock has not this very copy. A patch of another version is ignored with no more than a warning.
fn not_locked(lock: &str, name: &str, version: &str) -> Option<String> {
    let major = version.split('.').next().unwrap_or_default();
    let mut locked = lock.split("[[package]]").filter(|package| {
        package.contains(&format!("\nname = \"{name}\"\n"))
            && package.contains(&format!("\nversion = \"{major}."))
    });
    let ours = |package: &str| {
        package.contains(&format!("\nversion = \"{version}\"\n")) && !package.contains("\nsource = ")
    };
    let is_locked = locked.next().is_some_and(ours) && locked.next().is_none();
    (!is_locked).then(|| {
        format!(
            "{THIRD_PARTY}/{name} is {version}, and Cargo.lock has another: {THIRD_PARTY}/{name}/CHANGED.md"
        )
    })
}

fn tracked() -> Result<Vec<PathBuf>, String> {
    let files = output("git", &["ls-files"])?;
    let ours = files.lines().map(PathBuf::from).filter(|path| !path.starts_with(THIRD_PARTY));
    Ok(ours.filter(|path| root().join(path).exists()).collect())
}

fn report(faults: Vec<String>) -> Result<(), String> {
    for fault in &faults {
        eprintln!("  {fault}");
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("{} faults", faults.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_that_is_not_built_is_a_fault() {
        let package = |version: &str, source: &str| {
            format!("[[package]]\nname = \"http\"\nversion = \"{version}\"\n{source}dependencies = []\n")
        };
        let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        for (lock, is_built) in [
            (package("1.5.0", ""), true),
            (package("0.2.12", registry) + &package("1.5.0", ""), true),
            (package("1.5.0", registry), false),
            (package("1.6.0", registry), false),
            (package("1.5.0", "") + &package("1.6.0", registry), false),
            (String::new(), false),
        ] {
            assert_eq!(not_locked(&lock, "http", "1.5.0").is_none(), is_built, "{lock}");
        }
    }
}
