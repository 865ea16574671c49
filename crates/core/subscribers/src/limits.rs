//! Limits of requests to subscribe: a form that sends mails to any address must not become a weapon.

use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use types::{Time, time};

/// Time between two confirmation mails to one address.
const ADDRESS_EVERY: Duration = Duration::from_secs(3_600);
/// Requests of one subnet in a day.
const SUBNET_MAX: u32 = 20;
const SUBNET_WINDOW: Duration = Duration::from_secs(86_400);
/// Requests of everyone in an hour.
const ALL_MAX: u32 = 300;
const ALL_WINDOW: Duration = Duration::from_secs(3_600);
/// Maximum number of subscribers.
pub const SUBSCRIBERS_MAX: u64 = 200_000;
/// Maximum number of addresses that are not confirmed: more than the requests of everyone in the lifetime of the link, which
/// starts of the process do not multiply then.
pub const PENDING_MAX: u64 = 10_000;
/// Maximum number of components of one subscription.
pub const COMPONENTS_MAX: usize = 500;
/// Lifetime of the link that confirms; an address that is not confirmed is deleted then.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(86_400);
/// Lifetime of the links in a mail, from its sending.
pub const MANAGE_WITHIN: Duration = Duration::from_secs(400 * 86_400);

/// Whether a time is within a window before now. One in the future was taken before the clock was set back, and is not.
fn is_within(at: Time, window: Duration, now: Time) -> bool {
    at <= now && time::between(at, now) < window
}

/// Whether an address may get another confirmation mail.
#[must_use]
pub fn may_ask_again(last: Option<Time>, now: Time) -> bool {
    last.is_none_or(|last| !is_within(last, ADDRESS_EVERY, now))
}

/// Requests within a window of time.
#[derive(Clone, Copy, Debug)]
struct Count {
    since: Time,
    count: u32,
}

impl Count {
    fn current(self, window: Duration, now: Time) -> Self {
        if is_within(self.since, window, now) { self } else { Self { since: now, count: 0 } }
    }
}

/// Counts of requests since the start. The limit of everyone bounds the number of subnets that are kept.
#[derive(Debug, Default)]
pub struct RequestLimits {
    all: Option<Count>,
    subnets: BTreeMap<IpNet, Count>,
}

impl RequestLimits {
    /// Counts a request of a client; `false` when it is one too many.
    pub fn allow(&mut self, client: IpAddr, now: Time) -> bool {
        let new = Count { since: now, count: 0 };
        let all = self.all.unwrap_or(new).current(ALL_WINDOW, now);
        self.subnets.retain(|_, count| is_within(count.since, SUBNET_WINDOW, now));
        let subnet = types::traffic::subnet(client);
        let own = self.subnets.get(&subnet).copied().unwrap_or(new);
        if all.count >= ALL_MAX || own.count >= SUBNET_MAX {
            return false;
        }
        self.all = Some(Count { count: all.count + 1, ..all });
        self.subnets.insert(subnet, Count { count: own.count + 1, ..own });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Time {
        Time::from_second(1_800_000_000 + secs).unwrap()
    }

    #[test]
    fn subnet_has_twenty_requests_a_day() {
        let mut limits = RequestLimits::default();
        let allowed = |limits: &mut RequestLimits, ip: &str, secs| {
            (0..30).filter(|_| limits.allow(ip.parse().unwrap(), at(secs))).count()
        };
        assert_eq!(allowed(&mut limits, "192.0.2.1", 0), 20);
        assert_eq!(allowed(&mut limits, "192.0.2.99", 3_600), 0, "the same subnet");
        assert_eq!(allowed(&mut limits, "::ffff:192.0.2.7", 3_600), 0, "the same as IPv6");
        assert_eq!(allowed(&mut limits, "192.0.3.1", 3_600), 20);
        assert_eq!(allowed(&mut limits, "2001:db8:1:2::1", 3_600), 20);
        assert_eq!(allowed(&mut limits, "2001:db8:1:3::1", 3_600), 0);
        assert_eq!(allowed(&mut limits, "192.0.2.1", 86_400), 20, "the next day");
    }

    #[test]
    fn everyone_together_has_a_limit_too() {
        let mut limits = RequestLimits::default();
        let mut all = |secs| {
            let ip = |n: u32| IpAddr::from((0x0a00_0000 + (n << 8)).to_be_bytes());
            (0..5_000).filter(|n| limits.allow(ip(*n), at(secs))).count()
        };
        assert_eq!((all(0), all(60), all(3_600)), (300, 0, 300));
        assert!(limits.subnets.len() <= 600, "refused requests are not kept");
    }

    #[test]
    fn clock_that_is_set_back_refuses_nobody() {
        let mut limits = RequestLimits::default();
        let mut allowed = |secs| (0..30).filter(|_| limits.allow([192, 0, 2, 1].into(), at(secs))).count();
        assert_eq!((allowed(86_400), allowed(0), allowed(60)), (20, 20, 0));
        assert!(may_ask_again(Some(at(86_400)), at(0)));
    }

    #[test]
    fn address_is_asked_once_an_hour() {
        assert!(may_ask_again(None, at(0)));
        assert!(!may_ask_again(Some(at(0)), at(3_599)));
        assert!(may_ask_again(Some(at(0)), at(3_600)));
    }
}
