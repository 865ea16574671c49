//! Which faults exclude one another, and when two faults mean the same to a person.

use types::Fault;
use types::fault::{DnsFault, DomainFault, TlsFault};

/// One aspect of a probe's answers. Within a lane one fault takes the place of another; lanes know nothing of each other,
/// so a slow answer does not hide an expiring certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Whether there is a right answer at all, certificates that a browser would refuse included.
    Answer,
    /// Whether it comes in time.
    Pace,
    /// Whether every address behind the name answers alike.
    Addresses,
    /// Whether enough of the answers are good, over time.
    Share,
    /// How much life the certificates have left.
    Lifetime,
    /// Whom the parent names.
    Delegation,
    /// Whether those named serve the zone.
    Servers,
    /// Whether they tell the same.
    Agreement,
    /// Whether the domain is registered and paid for.
    Registration,
    /// Whether somebody took it out of the zone.
    Hold,
    /// Whether it is on the move.
    Transfer,
    /// Whether we still know what we believe to know about it.
    Confirmation,
    /// Whether we can see out at all.
    Sight,
    /// What only the edge can see; it counts for itself.
    Traffic,
}

impl Lane {
    /// The lane that a fault belongs to. Alerts folded from the journal find theirs by it.
    pub(crate) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Slow { .. } => Self::Pace,
            Fault::SomeAddresses { .. } => Self::Addresses,
            Fault::Intermittent { .. } => Self::Share,
            Fault::Unstable { last, .. } => Self::of(last),
            Fault::Tls { tls: TlsFault::Expiring { .. } } => Self::Lifetime,
            Fault::Blind { .. } => Self::Sight,
            fault if crate::traffic::is_of_the_edge(fault) => Self::Traffic,
            Fault::Lookup { .. } => Self::Confirmation,
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

/// Whether two faults tell a person the same. The library's wording, the phase of a time-out and 502 beside 503 do not
/// matter; another certificate, other servers and another step of days do.
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
        | (F::Blind { .. }, F::Blind { .. })
        | (F::InnerAddress { .. }, F::InnerAddress { .. })
        | (F::Intermittent { .. }, F::Intermittent { .. })
        | (F::Unstable { .. }, F::Unstable { .. }) => true,
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

#[cfg(test)]
mod tests {
    use super::*;
    use types::fault::Phase;

    #[test]
    fn only_what_a_person_would_act_on_differently_is_different() {
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
