//! Aspects of an answer: faults of one aspect exclude one another. Also when two faults mean the same to a reader.

use std::time::Duration;
use types::Fault;
use types::fault::{DatabaseFault, DnsFault, DomainFault, TlsFault, UpsFault};

/// One aspect of a probe's answers. Within an aspect one fault replaces another; aspects are independent, so that a
/// slow answer does not hide an expiring certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Aspect {
    /// The answer itself, including certificates that a browser would refuse.
    Answer,
    /// Time to the answer.
    Latency,
    /// Time to the answer, or another level, compared with what is usual, which has its own counters.
    Slowness,
    /// Consistency of the addresses behind the name.
    Addresses,
    /// Share of bad answers over time.
    Intermittent,
    /// Remaining lifetime of the certificates.
    Lifetime,
    /// Name servers that the parent zone names.
    Delegation,
    /// Name servers that serve the zone.
    Servers,
    /// Agreement of the name servers.
    Agreement,
    /// Registration and its expiry.
    Registration,
    /// Hold by the registrar or the registry.
    Hold,
    /// Transfer to another registrar.
    Transfer,
    /// Age of the last confirmed registration data.
    Confirmation,
    /// One condition of a database, by the code of its faults.
    Database(&'static str),
    /// One condition of a pool behind another load balancer, by the code of its faults.
    Pool(&'static str),
    /// Members of a pool behind another load balancer that restart again and again.
    Restarts,
    /// Power of a UPS: from the mains, from the battery, low, off.
    Power,
    /// Another condition of a UPS, by the code of its fault.
    Ups(&'static str),
    /// Reports of jobs and of other systems, which have their own judgement.
    Report,
    /// mainstay's own connectivity.
    Connectivity,
    /// Traffic as the edge counts it, which has its own counters.
    Traffic,
}

impl Aspect {
    /// The aspect of a fault. Alerts folded from the journal are assigned by it.
    pub(crate) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Slow { .. } => Self::Latency,
            Fault::SlowerThanUsual { .. } | Fault::Creeping { .. } => Self::Slowness,
            Fault::SomeAddresses { .. } => Self::Addresses,
            Fault::Intermittent { .. } => Self::Intermittent,
            Fault::Unstable { last, .. } => Self::of(last),
            Fault::Tls { tls: TlsFault::Expiring { .. } } => Self::Lifetime,
            Fault::Isolated { .. } => Self::Connectivity,
            Fault::Heartbeat { .. } | Fault::External { .. } | Fault::SourceSilent { .. } => Self::Report,
            fault if is_edge_fault(fault) => Self::Traffic,
            // Too few servers by the minimum, or by what there was before.
            Fault::PoolBelowMinimum { .. } | Fault::PoolShrunken { .. } => Self::Pool("pool-below-minimum"),
            Fault::PoolUnseen { .. } => Self::Pool("pool-unseen"),
            Fault::PoolMemberIdle { .. } => Self::Pool("pool-member-idle"),
            // Of a host or database it replaces the refusals that it consists of.
            Fault::CrashLoop { crash_loop } if crash_loop.servers.is_empty() => Self::Answer,
            Fault::CrashLoop { .. } => Self::Restarts,
            Fault::Lookup { .. } => Self::Confirmation,
            // An unsound backup has no age that counts.
            Fault::Database { database: DatabaseFault::BackupOld { .. } } => {
                Self::Database("database-backup-fails")
            }
            Fault::Database { database } => Self::Database(database.as_str()),
            Fault::Ups { ups } => match ups {
                UpsFault::OnBattery { .. } | UpsFault::LowBattery { .. } | UpsFault::Off => Self::Power,
                UpsFault::Unknown { .. } => Self::Answer,
                _ => Self::Ups(ups.as_str()),
            },
            Fault::Dns { dns } => match dns {
                DnsFault::DelegationMoved { .. } | DnsFault::NotDelegated | DnsFault::NxDomain => {
                    Self::Delegation
                }
                DnsFault::Disagree { .. } => Self::Agreement,
                _ => Self::Servers,
            },
            Fault::Domain { domain } => match domain {
                DomainFault::Held { .. } => Self::Hold,
                DomainFault::PendingTransfer => Self::Transfer,
                DomainFault::Stale { .. } => Self::Confirmation,
                _ => Self::Registration,
            },
            _ => Self::Answer,
        }
    }
}

/// Whether a fault is one that only the edge can measure.
pub(crate) fn is_edge_fault(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Surge { .. }
            | Fault::LimitConflict { .. }
            | Fault::PoolBelowMinimum { balancer: None, .. }
            | Fault::PoolShrunken { balancer: None, .. }
            | Fault::ServerCertificate { .. }
            | Fault::ReconnectStorm { .. }
            | Fault::RetryStorm { .. }
            | Fault::EdgeSilent { .. }
            | Fault::Unmonitored
    )
}

/// Whether two faults mean the same to a reader. The library's wording, the phase of a timeout and 502 versus 503 do
/// not matter; another certificate, other servers and another number of days do.
pub(crate) fn same_meaning(one: &Fault, other: &Fault) -> bool {
    use Fault as F;
    match (one, other) {
        (F::Status { got: a }, F::Status { got: b }) => a / 100 == b / 100,
        (F::NameUnanswered { .. }, F::NameUnanswered { .. })
        | (F::Unreachable { .. }, F::Unreachable { .. })
        | (F::TimedOut { .. }, F::TimedOut { .. })
        | (F::Handshake { .. }, F::Handshake { .. })
        | (F::TlsUnsupported { .. }, F::TlsUnsupported { .. })
        | (F::Garbage { .. }, F::Garbage { .. })
        | (F::TooLarge { .. }, F::TooLarge { .. })
        | (F::TooManyRedirects { .. }, F::TooManyRedirects { .. })
        | (F::Lookup { .. }, F::Lookup { .. })
        | (F::Isolated { .. }, F::Isolated { .. })
        | (F::PrivateAddress { .. }, F::PrivateAddress { .. })
        | (F::Intermittent { .. }, F::Intermittent { .. })
        | (F::Unstable { .. }, F::Unstable { .. }) => true,
        (F::CrashLoop { .. }, F::CrashLoop { .. }) => !crate::traffic::crash_loop::is_news(one, other),
        // Their figures differ from round to round.
        (F::Database { database: a }, F::Database { database: b }) => {
            a.as_str() == b.as_str() && a.subject() == b.subject() && starved_alike(one, other)
        }
        (F::PoolMemberIdle { idle: a, .. }, F::PoolMemberIdle { idle: b, .. }) => {
            a == b && starved_alike(one, other)
        }
        (F::PoolBelowMinimum { .. }, F::PoolBelowMinimum { .. })
        | (F::PoolShrunken { .. }, F::PoolShrunken { .. }) => !crate::traffic::pool::is_news(one, other),
        (F::PoolUnseen { .. }, F::PoolUnseen { .. }) => true,
        (F::Ups { ups: a }, F::Ups { ups: b }) => ups_alike(a, b),
        (F::SomeAddresses { bad: a, .. }, F::SomeAddresses { bad: b, .. }) => a == b,
        (
            F::Domain { domain: DomainFault::Stale { .. } },
            F::Domain { domain: DomainFault::Stale { .. } },
        )
        | (F::Tls { tls: TlsFault::Other { .. } }, F::Tls { tls: TlsFault::Other { .. } })
        | (F::Dns { dns: DnsFault::Garbage { .. } }, F::Dns { dns: DnsFault::Garbage { .. } }) => true,
        (
            F::Dns { dns: DnsFault::DelegationMoved { to: a, .. } },
            F::Dns { dns: DnsFault::DelegationMoved { to: b, .. } },
        ) => a == b,
        (a, b) => a == b,
    }
}

/// Whether the same layer starves idle capacity: one that turns out to be short, or no longer is, is news.
fn starved_alike(one: &Fault, other: &Fault) -> bool {
    one.starved_by().map(|by| &by.layer) == other.starved_by().map(|by| &by.layer)
}

/// Whether an alert has no news for a reader: its time left is within a quarter, or two minutes, of what it says.
fn ups_alike(one: &UpsFault, other: &UpsFault) -> bool {
    use UpsFault as U;
    match (one, other) {
        (U::OnBattery { .. }, U::OnBattery { .. }) => {}
        (U::LowBattery { is_shutting_down: a, .. }, U::LowBattery { is_shutting_down: b, .. }) if a == b => {}
        (U::Unknown { .. }, U::Unknown { .. }) | (U::Overloaded { .. }, U::Overloaded { .. }) => return true,
        (one, other) => return one == other,
    }
    match (one.runtime(), other.runtime()) {
        (Some(one), Some(other)) => one.abs_diff(other) <= (one / 4).max(Duration::from_secs(120)),
        (one, other) => one.is_some() == other.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::fault::Phase;

    #[test]
    fn faults_that_need_the_same_action_mean_the_same() {
        let why = |why: &str| Fault::Unreachable { why: why.into() };
        let status = |got| Fault::Status { got };
        let wrong = |name: &str| Fault::Tls { tls: TlsFault::WrongName { presented: vec![name.into()] } };
        for (a, b, same) in [
            (why("reset"), why("no route"), true),
            (status(502), status(503), true),
            (status(502), status(404), false),
            (Fault::TimedOut { phase: Phase::Connect }, Fault::TimedOut { phase: Phase::Body }, true),
            (wrong("a.example"), wrong("a.example"), true),
            (wrong("a.example"), wrong("b.example"), false),
            (Fault::Refused, why("reset"), false),
        ] {
            assert_eq!(same_meaning(&a, &b), same, "{a:?} {b:?}");
        }
    }
}
