//! The graph of sibling modules, and its cycles.

use super::{Module, paths::Reference};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

type Path = Vec<String>;

/// Siblings under one parent: from, to -> the first reference that makes the edge.
type Edges = BTreeMap<(Path, Path), String>;

pub(super) fn cycles(modules: &[Module]) -> Vec<String> {
    let test_only: BTreeSet<&Path> = modules.iter().flat_map(|module| &module.test_only).collect();
    let is_tested = |path: &Path| (1..=path.len()).any(|end| test_only.contains(&path[..end].to_vec()));
    let by_path: BTreeMap<&Path, &Module> = modules.iter().map(|module| (&module.path, module)).collect();
    let mut edges = Edges::new();
    for module in modules.iter().filter(|module| !is_tested(&module.path)) {
        for reference in &module.references {
            let target = resolve(&reference.target, &by_path, 0);
            add(&mut edges, module, &target, reference);
        }
    }
    let mut found = BTreeSet::new();
    let mut seen: BTreeSet<BTreeSet<Path>> = BTreeSet::new();
    for (from, to) in edges.keys() {
        let Some(way) = shortest(&edges, to, from) else { continue };
        if seen.insert(way.iter().cloned().collect()) {
            found.insert(shown(&edges, from, &way));
        }
    }
    found.into_iter().collect()
}

/// The module that a path leads to. A name that a module imports leads to where it is imported from.
fn resolve(target: &[String], modules: &BTreeMap<&Path, &Module>, depth: usize) -> Path {
    for end in (0..=target.len()).rev() {
        let path = target[..end].to_vec();
        let Some(module) = modules.get(&path) else { continue };
        let imported = target.get(end).and_then(|name| module.imports.get(name));
        return match imported {
            Some(from) if depth < 8 && from.as_slice() != target => resolve(from, modules, depth + 1),
            _ => path,
        };
    }
    Path::new()
}

/// Adds the edge between the two siblings at which the paths part. Nothing where one is beneath the other.
fn add(edges: &mut Edges, module: &Module, target: &[String], reference: &Reference) {
    let common = module.path.iter().zip(target).take_while(|(a, b)| a == b).count();
    let (Some(from), Some(to)) = (module.path.get(..=common), target.get(..=common)) else { return };
    edges
        .entry((from.to_vec(), to.to_vec()))
        .or_insert_with(|| format!("{}:{} {}", module.file, reference.line, reference.written));
}

/// The shortest way between two siblings, both included.
fn shortest(edges: &Edges, from: &Path, to: &Path) -> Option<Vec<Path>> {
    let mut before: BTreeMap<&Path, Option<&Path>> = BTreeMap::from([(from, None)]);
    let mut todo = VecDeque::from([from]);
    while let Some(at) = todo.pop_front() {
        if at == to {
            let mut way = vec![at.clone()];
            let mut at = at;
            while let Some(Some(previous)) = before.get(at) {
                way.push((*previous).clone());
                at = previous;
            }
            way.reverse();
            return Some(way);
        }
        for (_, next) in edges.keys().filter(|(start, _)| start == at) {
            if !before.contains_key(next) {
                before.insert(next, Some(at));
                todo.push_back(next);
            }
        }
    }
    None
}

fn shown(edges: &Edges, from: &Path, way: &[Path]) -> String {
    let mut nodes = vec![from.clone()];
    nodes.extend(way.iter().cloned());
    let names: Vec<String> = nodes.iter().map(|node| node.join("::")).collect();
    let examples: Vec<&str> = nodes
        .windows(2)
        .filter_map(|pair| edges.get(&(pair[0].clone(), pair[1].clone())).map(String::as_str))
        .collect();
    format!("{}: {}", names.join(" -> "), examples.join("; "))
}
