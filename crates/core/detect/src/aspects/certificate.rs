//! Served certificate chains.
//!
//! Lifetimes of certificates are the issuer's choice and become shorter, so expiry is judged by the remaining share of
//! the lifetime: below a third (33), a tenth (10) and a thirtieth (3) the alert is a warning. It is critical only in
//! the last 24 hours, and only below a tenth: a certificate for six days is renewed in its last two days without a
//! page.

use crate::aspect::Aspect;
use crate::violation::{Verdict, Violation};
use std::time::Duration;
use types::fault::TlsFault;
use types::probe_result::{Certificate, TlsSeen};
use types::time::{between, spoken};
use types::{Fault, Severity, Time};

const DAY: Duration = Duration::from_secs(86_400);

/// Judges a served chain.
pub(crate) fn judge(seen: &TlsSeen, now: Time) -> Verdict {
    if let Some(fault) = TlsFault::refusal(&seen.faults) {
        let others = seen.faults.len().saturating_sub(1);
        let fault = Fault::Tls { tls: fault.clone() };
        let seen_text = match others {
            0 => format!("{} {fault}", seen.address),
            1 => format!("{} {fault}, and has 1 further fault", seen.address),
            _ => format!("{} {fault}, and has {others} further faults", seen.address),
        };
        return Verdict::default().bad(Violation::new(fault, Severity::Critical).seen(seen_text));
    }
    let verdict = match &seen.outdated {
        // The certificate could be read, but no request is possible.
        Some(version) => {
            let fault = Fault::TlsUnsupported { what: format!("it supports nothing newer than {version}") };
            Verdict::default().bad(Violation::new(fault, Severity::Warning))
        }
        None => Verdict::default().good(Aspect::Answer),
    };
    match shortest(seen, now) {
        Some((certificate, step, severity)) => {
            let at = certificate.not_after;
            let fault = Fault::Tls { tls: TlsFault::Expiring { at, left_percent: step } };
            let seen_text = format!("`{}` has {} left", certificate.subject, spoken(between(now, at)));
            verdict.bad(Violation::new(fault, severity).seen(seen_text).after_count(1))
        }
        None => verdict.good(Aspect::Lifetime),
    }
}

/// The certificate of the chain with the shortest remaining lifetime, when it has reached a step.
fn shortest(seen: &TlsSeen, now: Time) -> Option<(&Certificate, u8, Severity)> {
    let chain = seen.chain.iter().enumerate();
    // Clients use their own copy of a root, and no certificate outside the best verified path, such as an old
    // cross-signature.
    let used = chain.filter(|(place, certificate)| {
        *place == 0 || certificate.subject != certificate.issuer && !seen.spare.contains(place)
    });
    used.filter_map(|(_, certificate)| {
        step(certificate, now).map(|(step, severity)| (certificate, step, severity))
    })
    .min_by_key(|(certificate, step, severity)| (std::cmp::Reverse(*severity), *step, certificate.not_after))
}

/// The step that a certificate has reached, with its severity.
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
    fn certificates_outside_the_verified_path_do_not_count() {
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
        // The leaf always counts.
        seen.chain[0] = named("CN=a", 12);
        seen.spare = vec![0, 2];
        assert_eq!(shortest(&seen, now).unwrap().0.subject, "CN=a");
    }

    #[test]
    fn old_tls_version_warns_independently_of_expiry() {
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
        for (aspect, severity) in
            [(Aspect::Answer, Severity::Warning), (Aspect::Lifetime, Severity::Critical)]
        {
            match &verdict.aspects[&aspect] {
                crate::violation::Judgement::Bad(violation) => {
                    assert_eq!(violation.severity, severity, "{aspect:?}")
                }
                crate::violation::Judgement::Good => panic!("{aspect:?} is good"),
            }
        }
    }

    #[test]
    fn expiry_steps_follow_lifetime_and_last_day_is_critical() {
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
