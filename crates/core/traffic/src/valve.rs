//! The valve of a service: which clients are let in, and when the others may come back.
//!
//! Each client has a place between 0 and 1, and is let in while its place is below the position of the valve: a client that
//! is let in at 20 % is also let in at 30 %. Places follow from a secret seed, so that no client can compute or choose
//! its own.
//!
//! Recognized clients precede the others. At position `p` (0 to 1) the share `p` of recognized clients is let in, and
//! `p * p` of the first-time clients: at 20 % these are 20 % and 4 %, at 50 % they are 50 % and 25 %. No kind of client
//! gets more than the position says, so the position is an upper bound of the load that returns. A service that never
//! sees a recognized client lets in the share `p` of all.
//!
//! A recognized client is let in by its number, or by its address as a first-time client: otherwise a client that was
//! let in could be held out as soon as it has signed in.

use crate::client_number::{of_address, of_cookie};
use crate::facts::{Class, Facts, Held, Identity};
use crate::random::{mix, unit};
use crate::tick::Tick;
use std::time::Duration;
use types::valve::{STEP_HOLD, step_after};

/// Bounds of the time until a client that is held out asks again, without jitter.
const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// The same while no one knows when the valve moves.
const AGAIN_UNKNOWN: Duration = Duration::from_secs(30);
/// Keeps the places by number and by address apart.
const BY_NUMBER: u64 = 0x6e75_6d62_6572;

/// A valve that is not fully open.
#[derive(Clone, Debug)]
pub(crate) struct Valve {
    /// 0 to 1.
    position: f64,
    percent: u8,
    limited: bool,
    /// When its ramp takes the next step, if all stays well.
    next_step: Option<Tick>,
    seed: u64,
    /// Whether the service may see recognized clients.
    precedence: bool,
    /// Paths that health checks request, for limited mode.
    health_paths: Vec<Box<str>>,
    text: Box<str>,
}

impl Valve {
    /// `elapsed`: time since it moved last.
    pub(crate) fn new(
        valve: &types::Valve,
        (elapsed, tick): (Duration, Tick),
        (seed, precedence): (u64, bool),
        health_paths: Vec<Box<str>>,
    ) -> Self {
        let next_step = valve.ramps().then(|| tick.after(STEP_HOLD.saturating_sub(elapsed)));
        Self {
            position: f64::from(valve.percent.min(100)) / 100.0,
            percent: valve.percent,
            limited: valve.limited,
            next_step,
            seed,
            precedence,
            health_paths,
            text: valve.to_string().into(),
        }
    }

    /// Its description: `valve 20 %`.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Its position in per cent, and whether it is in limited mode.
    pub(crate) fn position(&self) -> (u8, bool) {
        (self.percent, self.limited)
    }

    /// Judges a request. `None`: it passes.
    ///
    /// Priority paths always pass; in limited mode nothing else does, and they only for recognized clients, for those
    /// that are let in, and for health checks. The team's own callers on their own behalf are no clients: they pass
    /// unless the valve is closed entirely. mainstay's own probes always pass.
    pub(crate) fn hold(&self, facts: &Facts<'_>, class: Class, tick: Tick, chance: u64) -> Option<Held> {
        let is_priority = class == Class::Priority;
        if facts.is_probe || (is_priority && !self.limited) {
            return None;
        }
        if self.limited && !is_priority {
            return Some(self.held(None, chance));
        }
        let place = match facts.identity {
            Identity::Caller(_) if self.limited || self.percent > 0 => return None,
            Identity::Caller(_) => 1.0,
            Identity::Recognized(_) | Identity::NewlyRecognized(_) if self.limited => return None,
            _ if self.limited && self.health_paths.iter().any(|path| **path == *facts.path) => return None,
            _ => self.place(facts),
        };
        (place >= self.position && self.percent < 100).then(|| self.held(self.estimate(place, tick), chance))
    }

    /// The position from which on a client is let in.
    fn place(&self, facts: &Facts<'_>) -> f64 {
        let of_address = unit(mix(self.seed, of_address(facts.address)));
        // The share p * p: the square root of a number is below p as often.
        let first = if self.precedence { of_address.sqrt() } else { of_address };
        match facts.identity {
            Identity::Recognized(number) | Identity::NewlyRecognized(number) if self.precedence => {
                let drawn = unit(mix(self.seed ^ BY_NUMBER, of_cookie(number)));
                // The share p / (1 + p). With p * p by address it is p: 1 - (1 - p / (1 + p)) * (1 - p * p) = p.
                first.min(drawn / (1.0 - drawn))
            }
            _ => first,
        }
    }

    /// Time until a client is let in, if the ramp goes on as planned.
    fn estimate(&self, place: f64, tick: Tick) -> Option<Duration> {
        let mut wait = self.next_step?.since(tick);
        let mut percent = step_after(self.percent);
        while percent < 100 && place >= f64::from(percent) / 100.0 {
            percent = step_after(percent);
            wait += STEP_HOLD;
        }
        Some(wait)
    }

    fn held(&self, estimate: Option<Duration>, chance: u64) -> Held {
        let again = estimate.map_or(AGAIN_UNKNOWN, |wait| wait.clamp(AGAIN.0, AGAIN.1));
        let retry_after = again.mul_f64(0.75 + unit(mix(chance, self.seed)) / 2.0);
        Held { retry_after, estimate, limited: self.limited }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    const NOW: Tick = Tick(5_000_000);

    fn valve(percent: u8, ramps: bool, precedence: bool) -> Valve {
        let at: types::Time = "2026-11-22T04:16:09Z".parse().unwrap();
        let valve = types::Valve {
            number: 1,
            service: "auth".into(),
            percent,
            limited: false,
            ramp_from: ramps.then_some(percent),
            since: at,
            changed: at,
            by: "ana".to_owned(),
            usual: None,
        };
        Valve::new(&valve, (Duration::from_secs(10), NOW), (0x5eed, precedence), vec!["/health".into()])
    }

    fn facts(identity: Identity<'_>, address: u32) -> Facts<'_> {
        Facts {
            address: IpAddr::V4(Ipv4Addr::from_bits(address)),
            country: None,
            asn: None,
            identity,
            forwarded_class: None,
            path: "/",
            agent: None,
            is_probe: false,
        }
    }

    fn is_in(valve: &Valve, facts: &Facts<'_>) -> bool {
        valve.hold(facts, Class::FirstTime, NOW, 7).is_none()
    }

    /// Of 20,000 clients with an address each.
    fn share(percent: u8, precedence: bool, identity: fn(u64) -> Identity<'static>) -> f64 {
        let valve = valve(percent, false, precedence);
        let clients = 20_000_u32;
        let inside =
            (0..clients).filter(|client| is_in(&valve, &facts(identity(u64::from(*client)), *client)));
        inside.count() as f64 / f64::from(clients)
    }

    #[test]
    fn share_of_recognized_is_the_position_and_of_others_its_square() {
        let first = |_| Identity::FirstTime;
        let recognized = |client| Identity::Recognized(client);
        for (percent, of_recognized, of_first) in [
            (0, 0.0, 0.0),
            (1, 0.01, 0.0001),
            (20, 0.2, 0.04),
            (50, 0.5, 0.25),
            (80, 0.8, 0.64),
            (100, 1.0, 1.0),
        ] {
            let near = |share: f64, wanted: f64| (share - wanted).abs() < 0.012;
            assert!(near(share(percent, true, recognized), of_recognized), "{percent} recognized");
            assert!(near(share(percent, true, first), of_first), "{percent} first-time");
            let plain = share(percent, false, first);
            assert!(near(plain, f64::from(percent) / 100.0), "{percent} without precedence: {plain}");
        }
    }

    #[test]
    fn what_passes_whatever_the_position() {
        let (closed, one) = (valve(0, false, true), valve(1, false, true));
        let limited = Valve { limited: true, ..valve(0, false, true) };
        let all = Valve { limited: true, ..valve(100, false, true) };
        let (first, recognized) = (facts(Identity::FirstTime, 9), facts(Identity::Recognized(4), 9));
        let health = Facts { path: "/health", ..first };
        let probe = Facts { is_probe: true, ..first };
        use Class::{FirstTime, Priority, Recognized};
        for (name, valve, facts, class, passes) in [
            ("priority path", &closed, first, Priority, true),
            ("another path", &closed, first, FirstTime, false),
            ("recognized", &closed, recognized, Recognized, false),
            ("own probe", &closed, probe, FirstTime, true),
            ("limited, another path of a recognized client", &limited, recognized, Recognized, false),
            ("limited, priority path of a recognized client", &limited, recognized, Priority, true),
            ("limited, priority path of another client", &limited, first, Priority, false),
            ("limited, health check", &limited, health, Priority, true),
            ("limited, own probe", &limited, probe, FirstTime, true),
            ("limited at 100 %, priority path", &all, first, Priority, true),
            ("limited at 100 %, another path", &all, recognized, Recognized, false),
        ] {
            assert_eq!(valve.hold(&facts, class, NOW, 1).is_none(), passes, "{name}");
        }
        let caller = crate::caller::Callers::new(
            &[(
                "web".into(),
                types::config::Caller {
                    id: "web".into(),
                    service: None,
                    token: None,
                    cidrs: vec!["192.0.2.0/24".parse().unwrap()],
                },
            )]
            .into(),
            &std::collections::BTreeMap::new(),
        );
        let caller = caller.find("192.0.2.1".parse().unwrap(), None).unwrap();
        let own = facts(Identity::Caller(caller), 9);
        assert!(one.hold(&own, Recognized, NOW, 1).is_none(), "own programs are no clients");
        assert!(closed.hold(&own, Recognized, NOW, 1).is_some(), "0 % is 0 %");
    }

    #[test]
    fn client_that_signs_in_stays_in() {
        let valve = valve(20, false, true);
        let inside = (0..5_000).filter(|client| is_in(&valve, &facts(Identity::FirstTime, *client)));
        let inside: Vec<u32> = inside.collect();
        assert!(inside.len() > 100);
        for address in inside {
            let signed_in = facts(Identity::NewlyRecognized(u64::from(address) * 77), address);
            assert!(is_in(&valve, &signed_in), "{address}");
        }
    }

    #[test]
    fn estimate_counts_the_steps_of_the_ramp() {
        let (ramp, still) = (valve(20, true, true), valve(20, false, true));
        // Ten seconds of the current position have gone.
        for (place, secs) in
            [(0.21, 20), (0.27, 50), (0.39, 50), (0.5, 80), (0.7, 110), (0.9, 140), (5.0, 140)]
        {
            assert_eq!(ramp.estimate(place, NOW), Some(Duration::from_secs(secs)), "{place}");
            assert_eq!(still.estimate(place, NOW), None);
        }
        let waits: Vec<Duration> = (0..1_000).map(|chance| still.held(None, chance).retry_after).collect();
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(*least >= Duration::from_millis(22_500) && *most <= Duration::from_millis(37_500));
        assert!(*most - *least > Duration::from_secs(14), "they spread: {least:?} to {most:?}");
    }

    proptest! {
        #[test]
        fn client_that_is_in_stays_in_when_it_opens(
            address in any::<u32>(), number in any::<u64>(), recognized in any::<bool>(), precedence in any::<bool>()
        ) {
            let identity = if recognized { Identity::Recognized(number) } else { Identity::FirstTime };
            let inside: Vec<bool> =
                (0..=100).map(|percent| is_in(&valve(percent, false, precedence), &facts(identity, address))).collect();
            prop_assert!(inside.is_sorted());
            prop_assert!(!inside[0] && inside[100]);
        }
    }
}
