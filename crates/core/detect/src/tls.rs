//! What a served certificate chain means now.
//!
//! How long a certificate lives is its issuer's choice and getting shorter, so its age is judged by the part of its
//! lifetime that is left: under a third (33) and under a tenth (10) it warns, under a thirtieth (3) too. It wakes
//! somebody only in its last 24 hours, and only when that is less than a tenth of its life: a certificate made for six
//! days is renewed in its last two without anybody being called.

use crate::lane::Lane;
use crate::verdict::{Charge, Verdict};
use std::time::Duration;
use types::fault::TlsFault;
use types::probe_result::{Certificate, TlsSeen};
use types::time::{between, spoken};
use types::{Fault, Severity, Time};

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn judge(seen: &TlsSeen, now: Time) -> Verdict {
    let worst = seen.faults.iter().find(|fault| !matches!(fault, TlsFault::Expiring { .. }));
    if let Some(fault) = worst {
        let others = seen.faults.len().saturating_sub(1);
        let fault = Fault::Tls { tls: fault.clone() };
        let told = match others {
            0 => format!("{} {fault}", seen.address),
            1 => format!("{} {fault}, and has 1 further fault", seen.address),
            _ => format!("{} {fault}, and has {others} further faults", seen.address),
        };
        return Verdict::default().bad(Charge::new(fault, Severity::Critical).seen(told));
    }
    let verdict = match &seen.outdated {
        // Its certificate could be read; nothing else can be asked of it.
        Some(version) => {
            let fault = Fault::TlsUnsupported { what: format!("nothing newer than {version}") };
            Verdict::default().bad(Charge::new(fault, Severity::Warning))
        }
        None => Verdict::default().well(Lane::Answer),
    };
    match shortest(seen, now) {
        Some((certificate, step, severity)) => {
            let at = certificate.not_after;
            let fault = Fault::Tls { tls: TlsFault::Expiring { at, left_percent: step } };
            let told = format!("`{}` has {} left", certificate.subject, spoken(between(now, at)));
            verdict.bad(Charge::new(fault, severity).seen(told).sure(1))
        }
        None => verdict.well(Lane::Lifetime),
    }
}

/// The certificate of the chain with the least of its life left, when that is little.
fn shortest(seen: &TlsSeen, now: Time) -> Option<(&Certificate, u8, Severity)> {
    let chain = seen.chain.iter().enumerate();
    // A root that is sent along is not used by anybody: only the client's own copy counts. Nor is a certificate that the best
    // verified path does without, such as an old cross-signature.
    let used = chain.filter(|(place, certificate)| {
        *place == 0 || certificate.subject != certificate.issuer && !seen.spare.contains(place)
    });
    used.filter_map(|(_, certificate)| {
        step(certificate, now).map(|(step, severity)| (certificate, step, severity))
    })
    .min_by_key(|(certificate, step, severity)| (std::cmp::Reverse(*severity), *step, certificate.not_after))
}

/// The step that a certificate has reached, and what it weighs.
fn step(certificate: &Certificate, now: Time) -> Option<(u8, Severity)> {
    let life = between(certificate.not_before, certificate.not_after).as_secs();
    let left = between(now, certificate.not_after);
    let under = |part: u64| left.as_secs().saturating_mul(part) < life;
    let severity = if left < DAY && under(10) { Severity::Critical } else { Severity::Warning };
    match () {
        () if under(30) => Some((3, severity)),
        () if under(10) => Some((10, severity)),
        () if under(3) => Some((33, severity)),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::{earlier, later};

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
    fn only_certificates_that_a_client_needs_count() {
        let now: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let named = |subject: &str, left_hours| Certificate {
            subject: subject.into(),
            ..certificate(24 * 1000, left_hours, now)
        };
        let mut seen = TlsSeen {
            address: "192.0.2.1:443".parse().unwrap(),
            name: "a".into(),
            chain: vec![named("CN=a", 24 * 500), named("CN=inter", 24 * 800), named("CN=cross", 0)],
            faults: vec![],
            spare: vec![2],
            outdated: None,
        };
        assert!(shortest(&seen, now).is_none());
        seen.spare.clear();
        assert_eq!(shortest(&seen, now).unwrap().0.subject, "CN=cross");
        // The leaf is never spare.
        seen.chain[0] = named("CN=a", 12);
        seen.spare = vec![0, 2];
        assert_eq!(shortest(&seen, now).unwrap().0.subject, "CN=a");
    }

    #[test]
    fn an_old_version_is_a_warning_beside_the_dates() {
        let now: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let seen = TlsSeen {
            address: "192.0.2.1:443".parse().unwrap(),
            name: "a".into(),
            chain: vec![certificate(24 * 90, 20, now)],
            faults: vec![],
            spare: vec![],
            outdated: Some("TLS 1.0".into()),
        };
        let verdict = judge(&seen, now);
        for (lane, severity) in [(Lane::Answer, Severity::Warning), (Lane::Lifetime, Severity::Critical)] {
            match &verdict.lanes[&lane] {
                crate::verdict::Judged::Bad(charge) => assert_eq!(charge.severity, severity, "{lane:?}"),
                crate::verdict::Judged::Well => panic!("{lane:?} is well"),
            }
        }
    }

    #[test]
    fn steps_follow_the_lifetime_and_only_the_last_day_wakes() {
        let now: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let days = |n: u64| n * 24;
        for (life, left, expected) in [
            (days(90), days(31), None),
            (days(90), days(29), Some((33, Severity::Warning))),
            (days(90), days(8), Some((10, Severity::Warning))),
            (days(90), days(2), Some((3, Severity::Warning))),
            (days(90), 20, Some((3, Severity::Critical))),
            (days(365), days(100), Some((33, Severity::Warning))),
            (days(6), 47, Some((33, Severity::Warning))),
            (days(6), 20, Some((33, Severity::Warning))),
            (days(6), 10, Some((10, Severity::Critical))),
            (24, 3, Some((33, Severity::Warning))),
            (24, 2, Some((10, Severity::Critical))),
        ] {
            assert_eq!(step(&certificate(life, left, now), now), expected, "{life} h of life, {left} h left");
        }
    }
}
