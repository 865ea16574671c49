//! A map from CIDR ranges to values with lookup of all ranges that cover an address.

use ipnet::IpNet;
use std::net::IpAddr;

/// Values by CIDR range. Ranges are nested or disjoint, so they form a forest; it is stored as intervals of addresses,
/// each of which knows the narrowest range that covers it.
#[derive(Clone, Debug)]
pub(crate) struct CidrMap<T> {
    rules: Vec<Entry<T>>,
    /// The start of an interval, and the narrowest range from there on. IPv4 as IPv6-mapped numbers.
    intervals: Vec<(u128, Option<u32>)>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    value: T,
    /// IPv6 ranges may cover the mapped form of IPv4, but do not apply to it.
    v4: bool,
    /// The network around it.
    parent: Option<u32>,
}

impl<T> Default for CidrMap<T> {
    fn default() -> Self {
        Self { rules: Vec::new(), intervals: Vec::new() }
    }
}

impl<T> CidrMap<T> {
    pub(crate) fn new(nets: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let ends = |net: IpNet| (number(net.network()), number(net.broadcast()));
        let mut sorted: Vec<_> = nets
            .into_iter()
            .map(|(net, value)| (ends(net), Entry { value, v4: net.addr().is_ipv4(), parent: None }))
            .collect();
        // The wider first where they begin alike.
        sorted.sort_by_key(|((first, last), _)| (*first, std::cmp::Reverse(*last)));
        let mut built = Self { rules: Vec::with_capacity(sorted.len()), intervals: Vec::new() };
        let mut open: Vec<(u128, u32)> = Vec::new();
        for ((first, last), rule) in sorted {
            built.close(&mut open, Some(first));
            let index = u32::try_from(built.rules.len()).unwrap_or(u32::MAX);
            built.rules.push(Entry { parent: open.last().map(|(_, rule)| *rule), ..rule });
            built.intervals.push((first, Some(index)));
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
                self.intervals.push((next, open.last().map(|(_, rule)| *rule)));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the values of the ranges that cover an address, the narrowest first.
    pub(crate) fn covering(&self, address: IpAddr) -> impl Iterator<Item = &T> {
        let at = number(address);
        let past = self.intervals.partition_point(|(first, _)| *first <= at);
        let mut next = past.checked_sub(1).and_then(|index| self.intervals[index].1);
        std::iter::from_fn(move || {
            let rule = self.rules.get(next? as usize)?;
            next = rule.parent;
            Some(rule)
        })
        .filter(move |rule| rule.v4 == address.is_ipv4())
        .map(|rule| &rule.value)
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
        /// Every range that covers an address is found, the narrowest first, as by a linear search.
        #[test]
        fn finds_what_looking_at_all_finds(
            nets in prop::collection::vec(net(), 0..40),
            addresses in prop::collection::vec(near(), 1..40),
        ) {
            let built = CidrMap::new(nets.iter().copied().zip(0..));
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
