//! Allow and deny rules by country, autonomous system and CIDR, each with an expiry.
//!
//! Sorted once and searched by bisection; a lookup allocates nothing.

use crate::cidr_map::CidrMap;
use crate::facts::{Facts, Limit};
use crate::tick::Tick;
use types::DenyTarget;

/// Allow or deny rules by source.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceRules {
    countries: Vec<([u8; 2], Rule)>,
    asns: Vec<(u32, Rule)>,
    nets: CidrMap<Rule>,
}

/// A rule's end, and its number among the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    until: Tick,
    number: u32,
}

impl SourceRules {
    /// Each rule holds until its tick.
    pub(crate) fn new<'a>(rules: impl IntoIterator<Item = (&'a DenyTarget, Tick)>) -> Self {
        let mut places = Self::default();
        let mut nets = Vec::new();
        for (number, (what, until)) in (0..).zip(rules) {
            let rule = Rule { until, number };
            match what {
                DenyTarget::Country(code) => {
                    if let Ok(code) = code.to_ascii_uppercase().as_bytes().try_into() {
                        places.countries.push((code, rule));
                    }
                }
                DenyTarget::Asn(asn) => places.asns.push((*asn, rule)),
                DenyTarget::Cidr(net) => nets.push((types::deny_target::plain(*net), rule)),
            }
        }
        places.countries.sort_unstable();
        places.asns.sort_unstable();
        places.nets = CidrMap::new(nets);
        places
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.countries.is_empty() && self.asns.is_empty() && self.nets.is_empty()
    }

    /// The rule that a request falls under now, the narrowest kind first, and its number.
    pub(crate) fn matching(&self, facts: &Facts<'_>, now: Tick) -> Option<(Limit, u32)> {
        let live = |rule: &Rule| rule.until > now;
        let net = || self.nets.covering(facts.address).find(|rule| live(rule));
        let system = || facts.asn.and_then(|asn| of(&self.asns, asn).find(|rule| live(rule)));
        let country = || facts.country.and_then(|code| of(&self.countries, code).find(|rule| live(rule)));
        net()
            .map(|rule| (Limit::DeniedCidr, rule.number))
            .or_else(|| system().map(|rule| (Limit::DeniedAsn, rule.number)))
            .or_else(|| country().map(|rule| (Limit::DeniedCountry, rule.number)))
    }
}

fn of<K: Ord + Copy>(sorted: &[(K, Rule)], key: K) -> impl Iterator<Item = &Rule> {
    let from = sorted.partition_point(|(other, _)| *other < key);
    sorted[from..].iter().take_while(move |(other, _)| *other == key).map(|(_, rule)| rule)
}
