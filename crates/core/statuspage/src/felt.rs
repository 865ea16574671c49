//! What clients experience of a finding, whatever its weight for the team.
//!
//! | finding | experienced as |
//! |---|---|
//! | breaks a host, a certificate, a probe, a name | failing |
//! | fails now and then: a share of its answers, or for minutes again and again | failing at times |
//! | one of its addresses answers, and badly | failing at times |
//! | one of its addresses does not answer: clients take another | nothing |
//! | slow answers | slow |
//! | a pool below its floor that still serves | nothing |
//! | a certificate or registration that still holds | nothing |
//! | an expired registration that is still delegated as before | nothing |
//! | any other warning or note | nothing |

use types::fault::{DomainFault, TlsFault};
use types::{Fault, Finding, Incident, Kind, Weight};
use std::collections::BTreeMap;

/// What clients experience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Felt {
    Nothing,
    Slow,
    AtTimes,
    Failing,
}

/// What clients experience of one finding.
pub(crate) fn felt(finding: &Finding) -> Felt {
    match (&finding.fault, finding.weight) {
        // Redundancy is lost: the servers that are left answer. When they fail too, the probes say so.
        (Fault::PoolBelowFloor { serving, .. }, _) if *serving > 0 => Felt::Nothing,
        // A server with another's certificate is out; the others answer.
        (Fault::ServerCertificate { .. }, _) => Felt::Nothing,
        // Still good.
        (Fault::Tls { tls: TlsFault::Expiring { .. } }, _) => Felt::Nothing,
        (Fault::Domain { domain }, _) if !is_taken_away(domain) => Felt::Nothing,
        // Trouble of our own.
        (Fault::Blind { .. } | Fault::EdgeSilent { .. } | Fault::Unwatched | Fault::Lookup { .. }, _) => {
            Felt::Nothing
        }
        (Fault::Slow { .. }, Weight::Warns | Weight::Breaks) => Felt::Slow,
        (Fault::SomeAddresses { answers: false, .. }, _) => Felt::Nothing,
        (Fault::SomeAddresses { .. } | Fault::Intermittent { .. } | Fault::Unstable { .. }, _) => {
            Felt::AtTimes
        }
        (_, Weight::Breaks) => Felt::Failing,
        (_, Weight::Warns | Weight::Notes) => Felt::Nothing,
    }
}

/// Whether the name no longer leads where it should.
fn is_taken_away(fault: &DomainFault) -> bool {
    match fault {
        DomainFault::Expired { parked_on, .. } => parked_on.is_some(),
        DomainFault::Held { .. } | DomainFault::Redemption | DomainFault::PendingDelete => true,
        DomainFault::NotRegistered => true,
        DomainFault::Expires { .. }
        | DomainFault::AutoRenew
        | DomainFault::Undated
        | DomainFault::PendingTransfer
        | DomainFault::Stale { .. } => false,
    }
}

/// Open findings of an incident that clients are told of: what fails, and what fails for half of them.
pub(crate) fn failing<'a>(
    incident: &'a Incident,
    findings: &'a BTreeMap<types::FindingId, Finding>,
) -> impl Iterator<Item = &'a Finding> {
    let own = incident.diagnosis.findings.iter().filter_map(|id| findings.get(id));
    own.filter(|finding| match felt(finding) {
        Felt::Failing => true,
        Felt::AtTimes => finding.weight == Weight::Breaks,
        Felt::Nothing | Felt::Slow => false,
    })
}

/// Whether a thing is what clients meet themselves, and not what stands behind it.
pub(crate) fn is_met(kind: Kind) -> bool {
    matches!(kind, Kind::Host | Kind::Tls | Kind::Probe)
}
