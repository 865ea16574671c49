//! Small numbers for the names of the configuration, so that a record need not own text.
//!
//! Numbers are given once and stay for the life of the process, through every reload of the configuration: old
//! records keep their meaning. The table is bounded; names beyond it share the number of "none".

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use types::{CallerId, PoolId, ServiceId};

/// A service together with the pool that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey(pub(super) u16);

impl RouteKey {
    /// No service of ours.
    pub const NONE: Self = Self(0);
}

/// A program of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(pub(super) u16);

/// Lanes and callers at most; a configuration that needs more has other worries.
const NAMES_MAX: usize = 4096;

/// The names by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    routes: RwLock<Table<(ServiceId, PoolId)>>,
    callers: RwLock<Table<CallerId>>,
}

#[derive(Debug)]
struct Table<N> {
    by_name: HashMap<N, u16>,
    by_number: Vec<N>,
}

impl<N> Default for Table<N> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), by_number: Vec::new() }
    }
}

/// The number of a name, counted from 1; 0 where the table is full.
fn number<N: Clone + Eq + std::hash::Hash>(table: &RwLock<Table<N>>, name: &N) -> u16 {
    if let Some(known) = table.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name) {
        return *known;
    }
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = table.by_name.get(name) {
        return *known;
    }
    let next = table.by_number.len() + 1;
    let Some(number) = u16::try_from(next).ok().filter(|_| next <= NAMES_MAX) else { return 0 };
    table.by_number.push(name.clone());
    table.by_name.insert(name.clone(), number);
    number
}

fn name<N: Clone>(table: &RwLock<Table<N>>, number: u16) -> Option<N> {
    let at = usize::from(number).checked_sub(1)?;
    table.read().unwrap_or_else(PoisonError::into_inner).by_number.get(at).cloned()
}

impl Names {
    pub(super) fn route(&self, service: &ServiceId, pool: &PoolId) -> RouteKey {
        RouteKey(number(&self.routes, &(service.clone(), pool.clone())))
    }

    pub(super) fn caller(&self, caller: &CallerId) -> Option<Caller> {
        Some(number(&self.callers, caller)).filter(|number| *number != 0).map(Caller)
    }

    pub(super) fn of_route(&self, route: RouteKey) -> Option<(ServiceId, PoolId)> {
        name(&self.routes, route.0)
    }

    pub(super) fn of_caller(&self, caller: Caller) -> Option<CallerId> {
        name(&self.callers, caller.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_the_table_has_an_end() {
        let names = Names::default();
        let auth = names.route(&"auth".into(), &"auth".into());
        assert_ne!(auth, RouteKey::NONE);
        assert_ne!(auth, names.route(&"auth".into(), &"other".into()));
        assert_eq!(auth, names.route(&"auth".into(), &"auth".into()));
        assert_eq!(names.of_route(auth), Some(("auth".into(), "auth".into())));
        assert_eq!(names.of_route(RouteKey::NONE), None);
        for each in 0..NAMES_MAX + 10 {
            let _ = names.caller(&CallerId(each.to_string()));
        }
        assert_eq!(names.caller(&"one-more".into()), None);
        let first = names.caller(&"0".into()).unwrap();
        assert_eq!(names.of_caller(first), Some("0".into()));
    }
}
