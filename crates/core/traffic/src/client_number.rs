//! Numbers of clients and of their subnets: what limits, the pool and the valve tell clients apart by.

use crate::facts::{Facts, Identity};
use crate::random::mix;
use std::net::IpAddr;

const AS_RECOGNIZED: u64 = 1;
const AS_V4: u64 = 2;
const AS_V6: u64 = 3;
const AS_CALLER: u64 = 4;

/// The number of a recognized client, from the number in its cookie.
pub(crate) fn of_cookie(number: u64) -> u64 {
    mix(AS_RECOGNIZED, number)
}

/// The number of a client.
pub(crate) fn client_number(facts: &Facts<'_>) -> u64 {
    match facts.identity {
        Identity::Recognized(number) | Identity::NewlyRecognized(number) => of_cookie(number),
        Identity::Caller(caller) => mix(AS_CALLER, caller.number),
        Identity::FirstTime => of_address(facts.address),
    }
}

/// The number of an address, an IPv6 one by its /64.
pub(crate) fn of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => mix(AS_V4, u64::from(v4.to_bits())),
        IpAddr::V6(v6) => mix(AS_V6, (v6.to_bits() >> 64) as u64),
    }
}

/// The number of a /24 or /48.
#[must_use]
pub fn subnet_number(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => mix(AS_V4, u64::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => mix(AS_V6, (v6.to_bits() >> 80) as u64),
    }
}
