//! Services that need each other in a circle: nobody could tell the cause among them.

use crate::diagnostics::Diagnostics;
use crate::raw::RawService;
use crate::suggest::shown;
use std::collections::BTreeMap;
use types::Kind;

/// Marks every need that closes a circle.
pub(crate) fn check(services: &BTreeMap<String, RawService>, diagnostics: &mut Diagnostics) {
    // Not recursive: a configuration may hold a chain of many thousand services.
    let mut state: BTreeMap<&str, State> = BTreeMap::new();
    for start in services.keys() {
        let mut path: Vec<(&str, usize)> = Vec::new();
        enter(start, &mut path, &mut state);
        while let Some((name, next)) = path.last_mut() {
            let need = services.get(*name).and_then(|service| service.needs.get(*next));
            *next += 1;
            match need {
                None => {
                    state.insert(name, State::Done);
                    path.pop();
                }
                Some(need) if need.value.kind != Kind::Service => {}
                Some(need) => match state.get(need.value.name.as_str()) {
                    Some(State::Open) if diagnostics.is_full() => diagnostics.omit(),
                    Some(State::Open) => {
                        let from = path.iter().position(|(name, _)| *name == need.value.name).unwrap_or(0);
                        let circle: Vec<&str> = path.iter().skip(from).map(|(name, _)| *name).collect();
                        let hint = "take out the need that is not one: what works without the other?";
                        diagnostics.conflict(need.place.clone(), told(&circle), hint);
                    }
                    Some(State::Done) => {}
                    None => {
                        if let Some((name, _)) = services.get_key_value(&need.value.name) {
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
    /// On the way from the start to here.
    Open,
    /// Looked at, with all that it needs.
    Done,
}

fn enter<'s>(name: &'s str, path: &mut Vec<(&'s str, usize)>, state: &mut BTreeMap<&'s str, State>) {
    if !state.contains_key(name) {
        state.insert(name, State::Open);
        path.push((name, 0));
    }
}

fn told(circle: &[&str]) -> String {
    let first = circle.first().copied().unwrap_or_default();
    match circle {
        [only] => format!("`{}` needs itself", shown(only)),
        _ if circle.len() > 8 => {
            format!("{} services need each other in a circle, `{}` among them", circle.len(), shown(first))
        }
        _ => {
            let all: Vec<String> = circle.iter().chain([&first]).map(|name| shown(name)).collect();
            format!("services need each other in a circle: {}", all.join(" -> "))
        }
    }
}
