//! What a served certificate chain means now.
//!
//! How long a certificate lives is its issuer's choice and getting shorter, so its age is judged by the part of its
//! lifetime that is left: under a third (33) and under a tenth (10) it warns, under a thirtieth (3) too. It wakes
//! somebody only in its last 24 hours, and only when that is less than a tenth of its life: a certificate made for six
//! days is renewed in its last two without anybody being called.

use crate::lane::Lane;
use crate::verdict::{Charge, Verdict};
use model::fault::TlsFault;
use model::sample::{Certificate, TlsSeen};
use model::time::{between, spoken};
use model::{Fault, Time, Weight};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn judge(seen: &TlsSeen, now: Time) -> Verdict {
    let worst = seen.faults.iter().find(|fault| !matches!(fault, TlsFault::Expiring { .. }));
    if let Some(fault) = worst {
        let others = seen.faults.len().saturating_sub(1);
        let fault = Fault::Tls { tls: fault.clone() };
        let told = match others {
            0 => format!("{} {fault}", seen.address),
            _ => format!("{} {fault}, and has {others} further faults", seen.address),
        };
        return Verdict::default().bad(Charge::new(fault, Weight::Breaks).seen(told));
    }
    let verdict = Verdict::default().well(Lane::Answer);
    match shortest(seen, now) {
        Some((certificate, step, weight)) => {
            let at = certificate.not_after;
            let fault = Fault::Tls { tls: TlsFault::Expiring { at, left_percent: step } };
            let told = format!("`{}` has {} left", certificate.subject, spoken(between(now, at)));
            verdict.bad(Charge::new(fault, weight).seen(told).sure(1))
        }
        None => verdict.well(Lane::Lifetime),
    }
}

/// The certificate of the chain with the least of its life left, when that is little.
fn shortest(seen: &TlsSeen, now: Time) -> Option<(&Certificate, u8, Weight)> {
    let chain = seen.chain.iter().enumerate();
    // A root that is sent along is not used by anybody: only the client's own copy counts.
    let used = chain.filter(|(place, certificate)| *place == 0 || certificate.subject != certificate.issuer);
    used.filter_map(|(_, certificate)| {
        step(certificate, now).map(|(step, weight)| (certificate, step, weight))
    })
    .min_by_key(|(certificate, step, weight)| (std::cmp::Reverse(*weight), *step, certificate.not_after))
}

/// The step that a certificate has reached, and what it weighs.
fn step(certificate: &Certificate, now: Time) -> Option<(u8, Weight)> {
    let life = between(certificate.not_before, certificate.not_after).as_secs();
    let left = between(now, certificate.not_after);
    let under = |part: u64| left.as_secs().saturating_mul(part) < life;
    let weight = if left < DAY && under(10) { Weight::Breaks } else { Weight::Warns };
    match () {
        () if under(30) => Some((3, weight)),
        () if under(10) => Some((10, weight)),
        () if under(3) => Some((33, weight)),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::{earlier, later};

    fn certificate(life_hours: u64, left_hours: u64, now: Time) -> Certificate {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        let not_after = later(now, hours(left_hours));
        Certificate {
            subject: "CN=a".into(),
            issuer: "CN=ca".into(),
            names: vec![],
            not_before: earlier(not_after, hours(life_hours)),
            not_after,
            key: "EC P-256".into(),
        }
    }

    #[test]
    fn steps_follow_the_lifetime_and_only_the_last_day_wakes() {
        let now: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let days = |n: u64| n * 24;
        for (life, left, expected) in [
            (days(90), days(31), None),
            (days(90), days(29), Some((33, Weight::Warns))),
            (days(90), days(8), Some((10, Weight::Warns))),
            (days(90), days(2), Some((3, Weight::Warns))),
            (days(90), 20, Some((3, Weight::Breaks))),
            (days(365), days(100), Some((33, Weight::Warns))),
            (days(6), 47, Some((33, Weight::Warns))),
            (days(6), 20, Some((33, Weight::Warns))),
            (days(6), 10, Some((10, Weight::Breaks))),
            (24, 3, Some((33, Weight::Warns))),
            (24, 2, Some((10, Weight::Breaks))),
        ] {
            assert_eq!(step(&certificate(life, left, now), now), expected, "{life} h of life, {left} h left");
        }
    }
}
