//! Some of the addresses behind a name answer badly: half of the clients may be hurt, and the next failure takes the rest.

use crate::lane::Lane;
use crate::verdict::{Charge, Judged, Verdict};
use types::fault::Phase;
use types::probe_result::{AddressSeen, ProbeResult};
use types::{Fault, Severity};

impl Verdict {
    /// Adds what the addresses of a good answer say. An answer that is bad as a whole says nothing of single addresses.
    pub(crate) fn with_addresses(mut self, sample: &ProbeResult) -> Self {
        let is_good = matches!(self.lanes.get(&Lane::Answer), Some(Judged::Well));
        if let (true, Some(judged)) = (is_good, judge(&sample.addresses)) {
            self.lanes.insert(Lane::Addresses, judged);
        }
        self
    }
}

/// Whether nobody is there: a client then takes the next address of the name. From outside nobody is at an inner address.
fn is_silent(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Refused
            | Fault::Unreachable { .. }
            | Fault::InnerAddress { .. }
            | Fault::TimedOut { phase: Phase::Connect }
    )
}

/// What an address does, after its name.
fn said(fault: &Fault) -> String {
    match fault {
        Fault::InnerAddress { .. } => "is an inner address that the configuration does not allow".to_owned(),
        other => other.to_string(),
    }
}

fn judge(addresses: &[AddressSeen]) -> Option<Judged> {
    // Trouble of our own at one address tells nothing of it.
    let told = || addresses.iter().filter(|seen| !matches!(seen.fault, Some(Fault::Blind { .. })));
    let bad: Vec<(&AddressSeen, &Fault)> =
        told().filter_map(|seen| seen.fault.as_ref().map(|fault| (seen, fault))).collect();
    let of = told().count();
    if of == 0 || (bad.len() == of && of > 1) {
        return None;
    }
    if bad.is_empty() || of == 1 {
        return Some(Judged::Well);
    }
    let each = |sign: fn(&Fault) -> String| -> Vec<String> {
        bad.iter().map(|(seen, fault)| format!("{}{}", seen.address, sign(fault))).collect()
    };
    let fault = Fault::SomeAddresses {
        bad: bad.iter().map(|(seen, _)| seen.address).collect(),
        of: u32::try_from(of).unwrap_or(u32::MAX),
        how: each(|fault| format!(" ({})", said(fault))).join(", "),
        answers: bad.iter().any(|(_, fault)| !is_silent(fault)),
    };
    let well = of - bad.len();
    let seen = format!(
        "{}; {well} of {of} addresses {} as expected",
        each(|fault| format!(" {}", said(fault))).join(", "),
        if well == 1 { "answers" } else { "answer" }
    );
    Some(Judged::Bad(Charge::new(fault, Severity::Warning).seen(seen)))
}
