//! Finds dependency cycles of services: among them no cause could be determined.

use crate::diagnostics::Diagnostics;
use crate::raw::service::RawService;
use crate::suggest::shown;
use std::collections::BTreeMap;
use types::Kind;

/// Reports every dependency that closes a cycle.
pub(crate) fn check(services: &BTreeMap<String, RawService>, diagnostics: &mut Diagnostics) {
    // Not recursive: a configuration may hold a chain of many thousand services.
    let mut state: BTreeMap<&str, State> = BTreeMap::new();
    for start in services.keys() {
        let mut path: Vec<(&str, usize)> = Vec::new();
        enter(start, &mut path, &mut state);
        while let Some((name, next)) = path.last_mut() {
            let dependency = services.get(*name).and_then(|service| service.depends_on.get(*next));
            *next += 1;
            match dependency {
                None => {
                    state.insert(name, State::Done);
                    path.pop();
                }
                Some(dependency) if dependency.value.kind != Kind::Service => {}
                Some(dependency) => match state.get(dependency.value.name.as_str()) {
                    Some(State::Open) if diagnostics.is_full() => diagnostics.omit(),
                    Some(State::Open) => {
                        let from =
                            path.iter().position(|(name, _)| *name == dependency.value.name).unwrap_or(0);
                        let cycle: Vec<&str> = path.iter().skip(from).map(|(name, _)| *name).collect();
                        let hint = "remove one dependency: which service works without the other?";
                        diagnostics.conflict(dependency.place.clone(), message(&cycle), hint);
                    }
                    Some(State::Done) => {}
                    None => {
                        if let Some((name, _)) = services.get_key_value(&dependency.value.name) {
                            enter(name, &mut path, &mut state);
                        }
                    }
                },
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// On the current path.
    Open,
    /// Visited, with all its dependencies.
    Done,
}

fn enter<'s>(name: &'s str, path: &mut Vec<(&'s str, usize)>, state: &mut BTreeMap<&'s str, State>) {
    if !state.contains_key(name) {
        state.insert(name, State::Open);
        path.push((name, 0));
    }
}

fn message(cycle: &[&str]) -> String {
    let first = cycle.first().copied().unwrap_or_default();
    match cycle {
        [only] => format!("`{}` depends on itself", shown(only)),
        _ if cycle.len() > 8 => {
            format!("dependency cycle of {} services, `{}` among them", cycle.len(), shown(first))
        }
        _ => {
            let all: Vec<String> = cycle.iter().chain([&first]).map(|name| shown(name)).collect();
            format!("dependency cycle: {}", all.join(" -> "))
        }
    }
}
