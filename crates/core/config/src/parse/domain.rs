//! The registrable domain behind a name: what somebody registered, pays for, and can lose.
//!
//! The public suffix list has two parts. Names below an entry of its ICANN part (`com`, `co.uk`) are registered at a
//! registry and run out. Names below an entry of its private part (`github.io`, `herokuapp.com`) are given out by the
//! owner of a registration, and nobody can ask a registry about them. So the private part is passed over: behind
//! `acme.github.io` stands `github.io`.
//!
//! Some entries of the private part are sold like registrations all the same (`uk.com`, `co.ua`, `eu.org`): those that
//! [`types::reseller`] knows, and those that the configuration declares.

use psl::{List, Psl, Type};
use std::collections::BTreeSet;
use types::reseller;

/// Names below these are in nobody's registry, by RFC 6761, 6762, 7686, 8375 or by ICANN's word (`internal`).
const NOBODYS: [&str; 5] = ["localhost", "local", "internal", "onion", "home.arpa"];

/// What the configuration itself says about where registrations begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Suffixes below which names are registered.
    pub(crate) suffixes: BTreeSet<String>,
    /// Names that are registrations of their own.
    pub(crate) registrations: BTreeSet<String>,
}

impl Declared {
    /// The longest declared registration that the name is, or lies below.
    fn registration(&self, name: &str) -> Option<String> {
        let own = ends(name).find(|end| self.registrations.contains(*end));
        let is_sold = |suffix: &str| self.suffixes.contains(suffix) || reseller::of(suffix).is_some();
        let sold = || {
            let suffix = ends(name).skip(1).find(|end| is_sold(end))?;
            below(name, suffix)
        };
        own.map(str::to_owned).or_else(sold)
    }

    /// The suffix of a registration that no ICANN registry has, so that nobody asks the one above it.
    pub(crate) fn suffix_of(&self, registration: &str) -> Option<String> {
        let (_, suffix) = registration.split_once('.')?;
        let is_own = self.registrations.contains(registration) || self.suffixes.contains(suffix);
        let is_private = suffix_of(registration)
            .is_none_or(|(found, kind)| found != suffix || kind == Some(Type::Private));
        (is_own && is_private).then(|| suffix.to_owned())
    }
}

/// The name and everything above it.
fn ends(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |end| end.split_once('.').map(|(_, rest)| rest))
}

/// Whether a name stands directly below a suffix of the private part, which may be a registration of its own.
pub(crate) fn may_be_declared(name: &str) -> bool {
    name.split_once('.').is_some_and(|(_, suffix)| {
        suffix_of(name).is_some_and(|(found, kind)| found == suffix && kind == Some(Type::Private))
    })
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// A registrable domain below a suffix of the list.
    Known(String),
    /// What would be the registrable domain if its top-level domain, which the list does not know, gives names out
    /// directly: a domain newer than the list, a laboratory, or an inner name.
    Unlisted(String),
    /// Nothing: one label, a suffix itself, or a name that nobody registers.
    None,
}

impl Registration {
    /// The registration behind a DNS name in lower case.
    pub(crate) fn of(name: &str, declared: &Declared) -> Self {
        let is_nobodys = |suffix: &str| {
            name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if NOBODYS.into_iter().any(is_nobodys) {
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
                    // A private suffix is itself a name below some other suffix: climb.
                    Some((_, parent)) => suffix = parent,
                    None => return Self::None,
                },
                Some(Type::Private) => suffix = found,
                Some(Type::Icann) => return below(name, found).map_or(Self::None, Self::Known),
                None => return below(name, found).map_or(Self::None, Self::Unlisted),
            }
        }
    }

    /// The registrable domain, listed or not.
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

/// The name cut to one label more than the suffix.
fn below(name: &str, suffix: &str) -> Option<String> {
    let rest = name.strip_suffix(suffix)?.strip_suffix('.')?;
    let label = rest.rsplit('.').next().filter(|label| !label.is_empty())?;
    Some(format!("{label}.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_lost() {
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
    fn what_is_sold_below_a_private_suffix_can_be_lost_too() {
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
