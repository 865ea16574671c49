//! Layers of crates: arrows point down. Read from `cargo metadata`; a crate's layer is its folder under `crates/`.

use super::allow::Allowed;
use crate::run::{output, root};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const PREFIX: &str = "mainstay-";
/// From the top to the bottom.
pub(super) const LAYERS: [&str; 5] = ["bin", "test", "io", "core", "support"];
/// The crate of core that may import its siblings, and the one that all of them may import.
const COMPOSER: &str = "engine";
const BASE: &str = "types";
/// Dependencies with sockets, disks or clocks, on which nothing in core may depend.
const IMPURE: [&str; 8] = ["tokio", "hyper", "reqwest", "rusqlite", "axum", "rustls", "mio", "socket2"];

/// A package of the workspace, without `xtask`.
pub(super) struct Package {
    /// Without the prefix; of a program in full.
    pub name: String,
    pub layer: String,
    /// As in its manifest.
    full_name: String,
    /// Path of the manifest in the repository.
    manifest: String,
    /// Packages of the workspace that it imports.
    pub imports: BTreeSet<String>,
    /// The same for its tests only.
    pub dev_imports: BTreeSet<String>,
    /// Every package of the workspace or a registry on which it depends, directly or not.
    beneath: BTreeSet<String>,
}

pub(super) struct Workspace {
    pub packages: Vec<Package>,
}

impl Workspace {
    pub(super) fn read() -> Result<Self, String> {
        Ok(Self::from_metadata(&metadata()?))
    }

    fn from_metadata(metadata: &Value) -> Self {
        let members: BTreeSet<&str> =
            array(&metadata["workspace_members"]).iter().filter_map(Value::as_str).collect();
        let names: BTreeMap<&str, &str> = array(&metadata["packages"])
            .iter()
            .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
            .collect();
        let graph = normal_dependencies(metadata);
        let base = format!("{}/", metadata["workspace_root"].as_str().unwrap_or_default());
        let shown = |name: &str, folder: &str| {
            // A program has its whole name, so that it differs from the crate of core with the same subject.
            let is_program = folder.strip_prefix(&base).is_some_and(|path| path.starts_with("crates/bin/"));
            if is_program { name.to_owned() } else { name.strip_prefix(PREFIX).unwrap_or(name).to_owned() }
        };
        let mut packages = Vec::new();
        for package in array(&metadata["packages"]) {
            let (Some(id), Some(full_name)) = (package["id"].as_str(), package["name"].as_str()) else {
                continue;
            };
            let manifest = package["manifest_path"].as_str().unwrap_or_default();
            let manifest = manifest.strip_prefix(&base).unwrap_or(manifest);
            if !members.contains(id) || !manifest.starts_with("crates/") {
                continue;
            }
            packages.push(Package {
                name: shown(full_name, package["manifest_path"].as_str().unwrap_or_default()),
                layer: manifest.split('/').nth(1).unwrap_or_default().to_owned(),
                full_name: full_name.to_owned(),
                manifest: manifest.to_owned(),
                imports: siblings(package, shown, |kind| kind.is_null() || kind == "build"),
                dev_imports: siblings(package, shown, |kind| kind == "dev"),
                beneath: closure(id, &graph)
                    .iter()
                    .filter_map(|id| names.get(id.as_str()))
                    .map(|name| (*name).to_owned())
                    .collect(),
            });
        }
        Self { packages }
    }

    fn find(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Imports that do not point down and are not allowed by name. Those of tests are judged apart.
    pub(super) fn upward(&self, allowed: &mut Allowed) -> Vec<String> {
        let mut faults = Vec::new();
        for package in &self.packages {
            if !LAYERS.contains(&package.layer.as_str()) {
                faults.push(format!("{}: `{}` is no layer", package.manifest, package.layer));
            }
            for (imports, for_tests) in [(&package.imports, false), (&package.dev_imports, true)] {
                for name in imports.iter().filter(|name| !for_tests || !package.imports.contains(*name)) {
                    let Some(below) = self.find(name) else { continue };
                    let is_kit = for_tests && below.layer == "test";
                    if !is_downward(package, below)
                        && !is_kit
                        && !allowed.import(&package.name, name, for_tests)
                    {
                        let note = if for_tests { " in tests" } else { "" };
                        faults.push(format!(
                            "{} ({}) imports {name} ({}){note}: arrows point down",
                            package.name, package.layer, below.layer
                        ));
                    }
                }
            }
        }
        faults
    }

    /// Crates of core that could wait, fail or look at a clock.
    pub(super) fn impure(&self) -> Vec<String> {
        let core = self.packages.iter().filter(|package| package.layer == "core");
        core.flat_map(|package| {
            let impure = IMPURE.iter().filter(|name| package.beneath.contains(**name));
            impure.map(|name| format!("{} is in core and depends on {name}: core has no I/O", package.name))
        })
        .collect()
    }

    /// Packages that are not named after their folder.
    pub(super) fn names(&self) -> Vec<String> {
        let named = |package: &&Package| {
            let folder = package.manifest.split('/').nth(2).unwrap_or_default();
            package.full_name == folder && folder.starts_with("mainstay")
                || package.full_name == format!("{PREFIX}{folder}")
                || package.full_name.starts_with(&format!("{PREFIX}{folder}-"))
        };
        self.packages
            .iter()
            .filter(|package| !named(package))
            .map(|package| {
                format!(
                    "{}: package {} is not named {PREFIX}FOLDER or {PREFIX}FOLDER-...",
                    package.manifest, package.full_name
                )
            })
            .collect()
    }

    /// Manifests without the workspace's lints.
    pub(super) fn lints(&self) -> Vec<String> {
        let has_lints = |package: &&Package| {
            fs::read_to_string(root().join(&package.manifest))
                .is_ok_and(|text| text.contains("[lints]\nworkspace = true"))
        };
        self.packages
            .iter()
            .filter(|package| !has_lints(package))
            .map(|package| format!("{} does not take the workspace's lints", package.manifest))
            .collect()
    }
}

fn is_downward(above: &Package, below: &Package) -> bool {
    let row = |package: &Package| LAYERS.iter().position(|layer| *layer == package.layer);
    match (row(above), row(below)) {
        (Some(from), Some(to)) if from == to => {
            above.layer == "core" && above.name != BASE && (below.name == BASE || above.name == COMPOSER)
        }
        (Some(from), Some(to)) => from < to,
        _ => false,
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Dependencies by path of one package.
fn siblings(
    package: &Value,
    shown: impl Fn(&str, &str) -> String,
    is_kind: impl Fn(&Value) -> bool,
) -> BTreeSet<String> {
    array(&package["dependencies"])
        .iter()
        .filter(|dependency| is_kind(&dependency["kind"]))
        .filter_map(|dependency| Some(shown(dependency["name"].as_str()?, dependency["path"].as_str()?)))
        .collect()
}

fn normal_dependencies(metadata: &Value) -> BTreeMap<String, Vec<String>> {
    let is_normal =
        |dependency: &&Value| array(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
    array(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let dependencies = array(&node["deps"]).iter().filter(is_normal);
            let ids = dependencies.filter_map(|dependency| dependency["pkg"].as_str()).map(str::to_owned);
            (node["id"].as_str().unwrap_or_default().to_owned(), ids.collect())
        })
        .collect()
}

fn closure(id: &str, graph: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![id.to_owned()];
    while let Some(next) = todo.pop() {
        for dependency in graph.get(&next).into_iter().flatten() {
            if seen.insert(dependency.clone()) {
                todo.push(dependency.clone());
            }
        }
    }
    seen
}

/// What cargo knows of the workspace and everything below it.
pub(crate) fn metadata() -> Result<Value, String> {
    let args =
        ["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
    serde_json::from_str(&output("cargo", &args)?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Packages as (folder, name, imports, imports of tests).
    fn workspace(packages: &[(&str, &str, &[&str], &[&str])]) -> Workspace {
        let dependency = |name: &&str, kind: Value| match name.strip_prefix("registry:") {
            Some(name) => json!({"name": name, "kind": kind}),
            None => json!({"name": name, "kind": kind, "path": "/w"}),
        };
        let list: Vec<Value> = packages
            .iter()
            .map(|(folder, name, imports, dev)| {
                let mut all: Vec<Value> = imports.iter().map(|name| dependency(name, Value::Null)).collect();
                all.extend(dev.iter().map(|name| dependency(name, json!("dev"))));
                let manifest = format!("/w/crates/{folder}/Cargo.toml");
                json!({"id": name, "name": name, "manifest_path": manifest, "dependencies": all})
            })
            .chain([json!({"id": "tokio", "name": "tokio", "manifest_path": "/r/tokio/Cargo.toml"})])
            .collect();
        let nodes: Vec<Value> = packages
            .iter()
            .map(|(_, name, imports, _)| {
                let deps = imports.iter().map(|name| name.strip_prefix("registry:").unwrap_or(name));
                let deps: Vec<Value> =
                    deps.map(|name| json!({"pkg": name, "dep_kinds": [{"kind": null}]})).collect();
                json!({"id": name, "deps": deps})
            })
            .collect();
        let members: Vec<&str> = packages.iter().map(|(_, name, ..)| *name).collect();
        Workspace::from_metadata(&json!({
            "workspace_root": "/w", "workspace_members": members, "packages": list, "resolve": {"nodes": nodes}
        }))
    }

    fn upward(packages: &[(&str, &str, &[&str], &[&str])], allowed: &str) -> Vec<String> {
        workspace(packages).upward(&mut Allowed::parse(allowed).unwrap())
    }

    #[test]
    fn imports_down_the_layers_are_fine() {
        let packages: &[(&str, &str, &[&str], &[&str])] = &[
            ("bin/mainstay", "mainstay", &["mainstay-sim", "mainstay-edge", "mainstay-types"], &[]),
            ("test/sim", "mainstay-sim", &["mainstay-engine"], &[]),
            ("io/edge", "mainstay-edge", &["mainstay-oncall", "mainstay-netaddr"], &["mainstay-sim"]),
            ("core/engine", "mainstay-engine", &["mainstay-oncall", "mainstay-types"], &[]),
            ("core/oncall", "mainstay-oncall", &["mainstay-types"], &[]),
            ("core/types", "mainstay-types", &["mainstay-netaddr"], &[]),
            ("support/netaddr", "mainstay-netaddr", &[], &[]),
        ];
        assert_eq!(upward(packages, ""), Vec::<String>::new());
    }

    #[test]
    fn imports_up_and_sideways_are_faults_unless_allowed() {
        let packages: &[(&str, &str, &[&str], &[&str])] = &[
            ("io/edge", "mainstay-edge", &[], &[]),
            ("core/oncall", "mainstay-oncall", &["mainstay-edge", "mainstay-detect"], &[]),
            ("core/detect", "mainstay-detect", &[], &["mainstay-oncall"]),
            ("attic/old", "mainstay-old", &[], &[]),
        ];
        let found = upward(packages, "");
        assert_eq!(
            found,
            [
                "oncall (core) imports detect (core): arrows point down",
                "oncall (core) imports edge (io): arrows point down",
                "detect (core) imports oncall (core) in tests: arrows point down",
                "crates/attic/old/Cargo.toml: `attic` is no layer",
            ]
        );
        let entry = "[[import]]\nfrom = \"oncall\"\nto = \"detect\"\nreason = \"because\"\n\
                     [[dev_import]]\nfrom = \"detect\"\nto = \"oncall\"\nreason = \"a fixture\"\n";
        assert_eq!(upward(packages, entry).len(), 2);
    }

    #[test]
    fn core_that_depends_on_io_is_a_fault() {
        let packages: &[(&str, &str, &[&str], &[&str])] = &[
            ("core/oncall", "mainstay-oncall", &["mainstay-text"], &[]),
            ("support/text", "mainstay-text", &["registry:tokio"], &[]),
        ];
        assert_eq!(workspace(packages).impure(), ["oncall is in core and depends on tokio: core has no I/O"]);
    }

    #[test]
    fn package_is_named_after_its_folder() {
        let packages: &[(&str, &str, &[&str], &[&str])] = &[
            ("bin/mainstay", "mainstay", &[], &[]),
            ("bin/mainstay-drill", "mainstay-drill", &[], &[]),
            ("core/drill", "mainstay-drill-script", &[], &[]),
            ("core/detect", "mainstay-watch", &[], &[]),
            ("core/oncall", "oncall", &[], &[]),
        ];
        assert_eq!(workspace(packages).names().len(), 2);
    }
}
