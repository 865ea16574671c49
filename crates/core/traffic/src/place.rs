//! Where traffic comes from, looked up: countries, autonomous systems, networks - each with its end.
//!
//! Few rules, many questions: sorted once, searched by halving, nothing allocated when asked.

use crate::facts::{Facts, Limit};
use crate::tick::Tick;
use ipnet::IpNet;
use std::net::IpAddr;
use types::DenyWhat;

/// Rules about where traffic comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    countries: Vec<([u8; 2], Rule)>,
    systems: Vec<(u32, Rule)>,
    nets: Nets<Rule>,
}

/// A rule's end, and its number among the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    until: Tick,
    number: u32,
}

impl Places {
    /// Each rule holds until its tick.
    pub(crate) fn new<'a>(rules: impl IntoIterator<Item = (&'a DenyWhat, Tick)>) -> Self {
        let mut places = Self::default();
        let mut nets = Vec::new();
        for (number, (what, until)) in (0..).zip(rules) {
            let rule = Rule { until, number };
            match what {
                DenyWhat::Country(code) => {
                    if let Ok(code) = code.to_ascii_uppercase().as_bytes().try_into() {
                        places.countries.push((code, rule));
                    }
                }
                DenyWhat::Asn(asn) => places.systems.push((*asn, rule)),
                DenyWhat::Net(net) => nets.push((types::traffic::plain(*net), rule)),
            }
        }
        places.countries.sort_unstable();
        places.systems.sort_unstable();
        places.nets = Nets::new(nets);
        places
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.countries.is_empty() && self.systems.is_empty() && self.nets.is_empty()
    }

    /// The rule that a request falls under now, the narrowest kind first, and its number.
    pub(crate) fn hold(&self, facts: &Facts<'_>, now: Tick) -> Option<(Limit, u32)> {
        let live = |rule: &Rule| rule.until > now;
        let net = || self.nets.covering(facts.client).find(|rule| live(rule));
        let system = || facts.asn.and_then(|asn| of(&self.systems, asn).find(|rule| live(rule)));
        let country = || facts.country.and_then(|code| of(&self.countries, code).find(|rule| live(rule)));
        net()
            .map(|rule| (Limit::Address, rule.number))
            .or_else(|| system().map(|rule| (Limit::System, rule.number)))
            .or_else(|| country().map(|rule| (Limit::Country, rule.number)))
    }
}

fn of<K: Ord + Copy>(sorted: &[(K, Rule)], key: K) -> impl Iterator<Item = &Rule> {
    let from = sorted.partition_point(|(other, _)| *other < key);
    sorted[from..].iter().take_while(move |(other, _)| *other == key).map(|(_, rule)| rule)
}

/// Networks and what is said of each. Networks lie inside each other or apart, so they are a forest, laid out as stretches
/// of addresses that each know the innermost network over them.
#[derive(Clone, Debug)]
pub(crate) struct Nets<T> {
    rules: Vec<Said<T>>,
    /// Where a stretch begins, and the innermost network from there on. IPv4 as IPv6-mapped numbers.
    stretches: Vec<(u128, Option<u32>)>,
}

#[derive(Clone, Debug)]
struct Said<T> {
    said: T,
    /// All of IPv6 lies around IPv4's mapped form, but is not said of it.
    v4: bool,
    /// The network around it.
    around: Option<u32>,
}

impl<T> Default for Nets<T> {
    fn default() -> Self {
        Self { rules: Vec::new(), stretches: Vec::new() }
    }
}

impl<T> Nets<T> {
    pub(crate) fn new(nets: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let ends = |net: IpNet| (number(net.network()), number(net.broadcast()));
        let mut sorted: Vec<_> = nets
            .into_iter()
            .map(|(net, said)| (ends(net), Said { said, v4: net.addr().is_ipv4(), around: None }))
            .collect();
        // The wider first where they begin alike.
        sorted.sort_by_key(|((first, last), _)| (*first, std::cmp::Reverse(*last)));
        let mut built = Self { rules: Vec::with_capacity(sorted.len()), stretches: Vec::new() };
        let mut open: Vec<(u128, u32)> = Vec::new();
        for ((first, last), rule) in sorted {
            built.close(&mut open, Some(first));
            let index = u32::try_from(built.rules.len()).unwrap_or(u32::MAX);
            built.rules.push(Said { around: open.last().map(|(_, rule)| *rule), ..rule });
            built.stretches.push((first, Some(index)));
            open.push((last, index));
        }
        built.close(&mut open, None);
        built
    }

    /// Ends the networks that lie wholly before an address.
    fn close(&mut self, open: &mut Vec<(u128, u32)>, before: Option<u128>) {
        while let Some(&(last, _)) = open.last().filter(|(last, _)| before.is_none_or(|first| *last < first))
        {
            open.pop();
            if let Some(next) = last.checked_add(1) {
                self.stretches.push((next, open.last().map(|(_, rule)| *rule)));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What is said of the networks around an address, the narrowest first.
    pub(crate) fn covering(&self, address: IpAddr) -> impl Iterator<Item = &T> {
        let at = number(address);
        let past = self.stretches.partition_point(|(first, _)| *first <= at);
        let mut next = past.checked_sub(1).and_then(|index| self.stretches[index].1);
        std::iter::from_fn(move || {
            let rule = self.rules.get(next? as usize)?;
            next = rule.around;
            Some(rule)
        })
        .filter(move |rule| rule.v4 == address.is_ipv4())
        .map(|rule| &rule.said)
    }
}

/// IPv4 and IPv6 in one line of numbers, IPv4 as its mapped form.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Networks and addresses close together, so that they meet.
    fn near() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0_u32..64).prop_map(|low| IpAddr::V4(low.into())),
            (0_u32..64).prop_map(|low| IpAddr::V4((u32::MAX - low).into())),
            (0_u128..64).prop_map(|low| IpAddr::V6(low.into())),
            (0_u128..64).prop_map(|low| IpAddr::V6((u128::MAX - low).into())),
        ]
    }

    fn net() -> impl Strategy<Value = IpNet> {
        (near(), 0_u8..8).prop_map(|(address, wide)| {
            let most = if address.is_ipv4() { 32 } else { 128 };
            IpNet::new(address, if wide == 7 { 0 } else { most - wide }).unwrap().trunc()
        })
    }

    proptest! {
        /// Every network around an address is found, the narrowest first, as by looking at all of them.
        #[test]
        fn finds_what_looking_at_all_finds(
            nets in prop::collection::vec(net(), 0..40),
            addresses in prop::collection::vec(near(), 1..40),
        ) {
            let built = Nets::new(nets.iter().copied().zip(0..));
            for address in addresses {
                let found: Vec<usize> = built.covering(address).copied().collect();
                let mut wanted: Vec<usize> = (0..nets.len()).filter(|at| nets[*at].contains(&address)).collect();
                prop_assert!(found.windows(2).all(|two| nets[two[1]].contains(&nets[two[0]])));
                let mut sorted = found;
                sorted.sort_unstable();
                wanted.sort_unstable();
                prop_assert_eq!(sorted, wanted);
            }
        }
    }
}
