//! Which subscriber gets an update.

use std::collections::BTreeSet;
use types::{PublicUpdate, ServiceId};

/// Whether a subscriber of these components gets an update. Without components it gets all of them.
///
/// An update that concerns no service is for those who get all: it says nothing about the components of the others.
#[must_use]
pub fn is_for(components: &BTreeSet<ServiceId>, update: &PublicUpdate) -> bool {
    components.is_empty() || components.intersection(&update.concerned).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::fixture::update;

    #[test]
    fn components_select_updates() {
        let set = |names: &[&str]| names.iter().map(|name| ServiceId::from(*name)).collect::<BTreeSet<_>>();
        for (components, concerned, gets) in [
            (&[][..], &["auth"][..], true),
            (&[], &[], true),
            (&["auth"], &["auth", "api"], true),
            (&["shop", "api"], &["auth", "api"], true),
            (&["shop"], &["auth", "api"], false),
            (&["shop"], &[], false),
        ] {
            let update = PublicUpdate { concerned: set(concerned), ..update() };
            assert_eq!(is_for(&set(components), &update), gets, "{components:?} {concerned:?}");
        }
    }
}
