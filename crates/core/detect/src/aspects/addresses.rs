//! Addresses behind one name of which some fail: part of the clients may be affected, and redundancy is lost.

use crate::violation::{Judgement, Violation};
use types::fault::Phase;
use types::probe_result::AddressSeen;
use types::{Fault, Severity};

/// Whether nothing answers there, so that clients try the next address. From outside nothing answers at a private
/// address.
fn is_silent(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Refused
            | Fault::Unreachable { .. }
            | Fault::PrivateAddress { .. }
            | Fault::TimedOut { phase: Phase::Connect }
    )
}

/// Fault of one address as a predicate.
fn predicate(fault: &Fault) -> String {
    match fault {
        Fault::PrivateAddress { .. } => {
            "is a private address that the configuration does not allow".to_owned()
        }
        other => other.to_string(),
    }
}

/// Judges the addresses of an answer that is good as a whole. `None` when they give no information.
pub(crate) fn judge(addresses: &[AddressSeen]) -> Option<Judgement> {
    // A local failure says nothing about the address.
    let counted = || addresses.iter().filter(|seen| !matches!(seen.fault, Some(Fault::Isolated { .. })));
    let bad: Vec<(&AddressSeen, &Fault)> =
        counted().filter_map(|seen| seen.fault.as_ref().map(|fault| (seen, fault))).collect();
    let of = counted().count();
    if of == 0 || (bad.len() == of && of > 1) {
        return None;
    }
    if bad.is_empty() || of == 1 {
        return Some(Judgement::Good);
    }
    let each = |suffix: fn(&Fault) -> String| -> Vec<String> {
        bad.iter().map(|(seen, fault)| format!("{}{}", seen.address, suffix(fault))).collect()
    };
    let fault = Fault::SomeAddresses {
        bad: bad.iter().map(|(seen, _)| seen.address).collect(),
        of: u32::try_from(of).unwrap_or(u32::MAX),
        how: each(|fault| format!(" ({})", predicate(fault))).join(", "),
        answers: bad.iter().any(|(_, fault)| !is_silent(fault)),
    };
    let good = of - bad.len();
    let seen = format!(
        "{}; {good} of {of} addresses {} as expected",
        each(|fault| format!(" {}", predicate(fault))).join(", "),
        if good == 1 { "answers" } else { "answer" }
    );
    Some(Judgement::Bad(Violation::new(fault, Severity::Warning).seen(seen)))
}
