//! Finds the registrable domain of a name: the part that is registered at a registry, and that can expire.
//!
//! The public suffix list has two parts. Names below an entry of its ICANN part (`com`, `co.uk`) are registered at a
//! registry and expire. Names below an entry of its private part (`github.io`, `herokuapp.com`) are assigned by the
//! owner of a registration, and no registry can be queried about them. The private part is therefore skipped: the
//! registrable domain of `acme.github.io` is `github.io`.
//!
//! Some entries of the private part are sold like registrations all the same (`uk.com`, `co.ua`, `eu.org`): those that
//! [`types::reseller`] knows, and those that the configuration declares.

use psl::{List, Psl, Type};
use std::collections::BTreeSet;
use types::reseller;

/// Suffixes that no registry has, by RFC 6761, 6762, 7686, 8375 or by ICANN's decision (`internal`).
const SPECIAL_USE: [&str; 5] = ["localhost", "local", "internal", "onion", "home.arpa"];

/// Registrations and suffixes that the configuration declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Suffixes below which each name is a registration.
    pub(crate) suffixes: BTreeSet<String>,
    /// Names that are registrations of their own.
    pub(crate) registrations: BTreeSet<String>,
}

impl Declared {
    /// The longest declared registration that is the name or a parent of it.
    fn registration(&self, name: &str) -> Option<String> {
        let own = ends(name).find(|end| self.registrations.contains(*end));
        let is_sold = |suffix: &str| self.suffixes.contains(suffix) || reseller::of(suffix).is_some();
        let sold = || {
            let suffix = ends(name).skip(1).find(|end| is_sold(end))?;
            below(name, suffix)
        };
        own.map(str::to_owned).or_else(sold)
    }

    /// The suffix of a registration without an ICANN registry, so that the registry of its parent is not queried.
    pub(crate) fn suffix_of(&self, registration: &str) -> Option<String> {
        let (_, suffix) = registration.split_once('.')?;
        let is_own = self.registrations.contains(registration) || self.suffixes.contains(suffix);
        let is_private = suffix_of(registration)
            .is_none_or(|(found, kind)| found != suffix || kind == Some(Type::Private));
        (is_own && is_private).then(|| suffix.to_owned())
    }
}

/// The name and its parent domains.
fn ends(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |end| end.split_once('.').map(|(_, rest)| rest))
}

/// Whether a name is directly below a suffix of the private part, so that it may be a registration of its own.
pub(crate) fn may_be_declared(name: &str) -> bool {
    name.split_once('.').is_some_and(|(_, suffix)| {
        suffix_of(name).is_some_and(|(found, kind)| found == suffix && kind == Some(Type::Private))
    })
}

/// The registrable domain of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// A registrable domain below a suffix of the list.
    Known(String),
    /// The registrable domain, provided that its top-level domain, which is not on the list, assigns names directly: a
    /// top-level domain newer than the list, a test network, or a private name.
    Unlisted(String),
    /// None: a single label, a suffix, or a name that cannot be registered.
    None,
}

impl Registration {
    /// Returns the registrable domain of a DNS name in lower case.
    pub(crate) fn of(name: &str, declared: &Declared) -> Self {
        let is_below = |suffix: &str| {
            name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if SPECIAL_USE.into_iter().any(is_below) {
            return Self::None;
        }
        if let Some(zone) = declared.registration(name) {
            return Self::Known(zone);
        }
        let mut suffix = name;
        loop {
            let Some((found, kind)) = suffix_of(suffix) else { return Self::None };
            match kind {
                Some(Type::Private) if found == suffix => match suffix.split_once('.') {
                    // A private suffix is itself a name below another suffix.
                    Some((_, parent)) => suffix = parent,
                    None => return Self::None,
                },
                Some(Type::Private) => suffix = found,
                Some(Type::Icann) => return below(name, found).map_or(Self::None, Self::Known),
                None => return below(name, found).map_or(Self::None, Self::Unlisted),
            }
        }
    }

    /// The domain, listed or not.
    pub(crate) fn zone(&self) -> Option<&str> {
        match self {
            Self::Known(zone) | Self::Unlisted(zone) => Some(zone),
            Self::None => None,
        }
    }
}

fn suffix_of(name: &str) -> Option<(&str, Option<Type>)> {
    let suffix = List.suffix(name.as_bytes())?;
    let at = name.len().checked_sub(suffix.as_bytes().len())?;
    Some((name.get(at..)?, suffix.typ()))
}

/// The suffix with one more label of the name.
fn below(name: &str, suffix: &str) -> Option<String> {
    let rest = name.strip_suffix(suffix)?.strip_suffix('.')?;
    let label = rest.rsplit('.').next().filter(|label| !label.is_empty())?;
    Some(format!("{label}.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrable_domain_of_each_name() {
        let known = |zone: &str| Registration::Known(zone.to_owned());
        let unlisted = |zone: &str| Registration::Unlisted(zone.to_owned());
        for (name, behind) in [
            ("auth.acme.com", known("acme.com")),
            ("acme.com", known("acme.com")),
            ("www.acme.co.uk", known("acme.co.uk")),
            ("com", Registration::None),
            ("co.uk", Registration::None),
            ("acme.github.io", known("github.io")),
            ("github.io", known("github.io")),
            ("a.b.s3.amazonaws.com", known("amazonaws.com")),
            ("x.blogspot.com", known("blogspot.com")),
            ("auth.acme.test", unlisted("acme.test")),
            ("localhost", Registration::None),
            ("db.corp.internal", Registration::None),
            ("printer.local", Registration::None),
            ("nas.home.arpa", Registration::None),
            ("notlocal", Registration::None),
            ("x.notlocal", unlisted("x.notlocal")),
            ("www.city.kawasaki.jp", known("city.kawasaki.jp")),
        ] {
            assert_eq!(Registration::of(name, &Declared::default()), behind, "{name}");
        }
    }

    #[test]
    fn names_below_reselling_suffixes_are_registrations() {
        let known = |zone: &str| Registration::Known(zone.to_owned());
        let declared = Declared {
            suffixes: BTreeSet::from(["reseller.example".to_owned()]),
            registrations: BTreeSet::from(["acme.blogspot.com".to_owned()]),
        };
        for (name, behind) in [
            ("shop.acme.uk.com", known("acme.uk.com")),
            ("acme.eu.org", known("acme.eu.org")),
            ("acme.co.ua", known("acme.co.ua")),
            ("uk.com", known("uk.com")),
            ("eu.org", known("eu.org")),
            ("x.acme.blogspot.com", known("acme.blogspot.com")),
            ("other.blogspot.com", known("blogspot.com")),
            ("a.b.reseller.example", known("b.reseller.example")),
            ("x.acme.co.uk", known("acme.co.uk")),
        ] {
            assert_eq!(Registration::of(name, &declared), behind, "{name}");
        }
        for (zone, suffix) in [
            ("acme.blogspot.com", Some("blogspot.com")),
            ("b.reseller.example", Some("reseller.example")),
            ("acme.com", None),
        ] {
            assert_eq!(declared.suffix_of(zone).as_deref(), suffix, "{zone}");
        }
        assert!(may_be_declared("acme.github.io") && !may_be_declared("acme.com"));
        assert!(!may_be_declared("x.acme.github.io"));
    }
}
