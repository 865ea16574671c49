//! Observations of `detect`, as diagnosis reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use types::{Alert, AlertId, LastResult, Resource, SeenAt};

/// Observations at the time of a reaction.
#[derive(Clone, Copy)]
pub struct Observations<'a> {
    /// Open alerts.
    pub alerts: &'a BTreeMap<AlertId, Alert>,
    /// Last result of a resource since boot.
    pub last_result: &'a dyn Fn(&Resource) -> Option<LastResult>,
    /// Resources that are measured at the addresses or behind the alias of an alert; at most the given number.
    pub colocated: &'a dyn Fn(&SeenAt, usize) -> BTreeSet<Resource>,
}

impl fmt::Debug for Observations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observations").field("alerts", self.alerts).finish_non_exhaustive()
    }
}
