//! What one answer means, lane by lane, before anybody counts how often it came.

use crate::detect::is_usual;
use crate::lane::Lane;
use crate::tls;
use std::collections::BTreeMap;
use std::time::Duration;
use types::config::{Expect, Probe};
use types::fault::{Phase, TlsFault};
use types::probe_result::{Answer, HttpSeen, ProbeResult};
use types::{Fault, Severity, Time};

/// What one answer means. A lane that is absent was not answered: it stays as it was.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lanes: BTreeMap<Lane, Judged>,
    /// The question never reached anybody; may be a fault of ours.
    pub(crate) dark: Dark,
    /// Nothing of what was asked hurts anybody.
    pub(crate) well: bool,
}

/// Whether an answer came from outside at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dark {
    /// Somebody outside said something.
    #[default]
    Light,
    /// Time ran out before anybody said anything: a dead machine looks the same.
    Dusk,
    /// Our resolver or our network failed us.
    Night,
}

/// One lane of one answer.
#[derive(Debug)]
pub(crate) enum Judged {
    Well,
    Bad(Charge),
}

/// Something wrong in one answer.
#[derive(Debug)]
pub(crate) struct Charge {
    pub(crate) fault: Fault,
    pub(crate) severity: Severity,
    /// What was seen, as a person says it.
    pub(crate) seen: String,
    /// How often it must be seen in a row.
    pub(crate) after: After,
}

/// How often something must be seen before it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// As often as the probe's `failure_threshold` says: the world flickers.
    Repeats,
    /// This often: facts from a registry or a parent zone do not.
    Times(u32),
    /// When it has been so for this long, however often it was asked.
    Lasting(Duration),
}

impl Charge {
    pub(crate) fn new(fault: Fault, severity: Severity) -> Self {
        let seen = fault.to_string();
        Self { fault, severity, seen, after: After::Repeats }
    }

    pub(crate) fn sure(mut self, times: u32) -> Self {
        self.after = After::Times(times);
        self
    }

    pub(crate) fn lasting(mut self, span: Duration) -> Self {
        self.after = After::Lasting(span);
        self
    }

    pub(crate) fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen = seen.into();
        self
    }
}

impl Verdict {
    pub(crate) fn well(mut self, lane: Lane) -> Self {
        self.lanes.insert(lane, Judged::Well);
        self
    }

    pub(crate) fn bad(mut self, charge: Charge) -> Self {
        self.lanes.insert(Lane::of(&charge.fault), Judged::Bad(charge));
        self
    }

    /// Settles `well` from the lanes: something was good and nothing hurts.
    pub(crate) fn weighed(mut self) -> Self {
        let hurts = |judged: &Judged| matches!(judged, Judged::Bad(charge) if hurts_now(&charge.fault, charge.severity));
        self.well = !self.lanes.is_empty() && !self.lanes.values().any(hurts);
        self
    }
}

/// Whether somebody is hurt already: a date that comes close hurts nobody before it has come.
pub(crate) fn hurts_now(fault: &Fault, severity: Severity) -> bool {
    use types::fault::DomainFault;
    severity == Severity::Critical
        && !matches!(
            fault,
            Fault::Tls { tls: TlsFault::Expiring { .. } }
                | Fault::Domain { domain: DomainFault::Expires { .. } }
        )
}

/// Whether a failure to get any answer may be ours.
pub(crate) fn darkness(fault: &Fault) -> Dark {
    match fault {
        Fault::NameUnanswered { .. } | Fault::Unreachable { .. } | Fault::Blind { .. } => Dark::Night,
        Fault::TimedOut { phase: Phase::Dns | Phase::Connect } => Dark::Dusk,
        _ => Dark::Light,
    }
}

/// An answer to an `http`, `tcp` or `tls` question. `host_too` tells that the host behind a `tls` question is watched by
/// itself: then a certificate that could not be fetched is the host's fault and not the certificate's.
/// `usual` is the status code that was learned where none is declared.
pub(crate) fn plain(
    probe: &Probe,
    sample: &ProbeResult,
    host_too: bool,
    usual: Option<u16>,
    now: Time,
) -> Verdict {
    let verdict = match &sample.answer {
        Answer::Http(seen) => http(probe, seen, sample, usual),
        Answer::Tcp { .. } => Verdict::default().well(Lane::Answer),
        Answer::Tls(seen) => tls::judge(seen, now),
        // The prober's own trouble says nothing about the thing.
        Answer::Failed(fault @ Fault::Blind { .. }) => {
            Verdict { dark: darkness(fault), ..Verdict::default() }
        }
        // Browsers and curl reach it; that we do not is a limit of ours.
        Answer::Failed(fault @ Fault::TlsUnsupported { .. }) => {
            Verdict::default().bad(Charge::new(fault.clone(), Severity::Warning))
        }
        Answer::Failed(fault) if host_too && !about_certificate(fault) => {
            Verdict { dark: darkness(fault), ..Verdict::default() }
        }
        Answer::Failed(fault) => {
            let charge = Charge::new(fault.clone(), Severity::Critical);
            Verdict { dark: darkness(fault), ..Verdict::default() }.bad(charge)
        }
        Answer::Dns(_) | Answer::Domain(_) => Verdict::default(),
    };
    // An address of a watched host that cannot be reached is the host's fault, and told there.
    let verdict = if host_too { verdict } else { verdict.with_addresses(sample) };
    verdict.weighed()
}

fn about_certificate(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Tls { .. } | Fault::Handshake { .. } | Fault::TooLarge { .. } | Fault::Garbage { .. }
    )
}

fn http(probe: &Probe, seen: &HttpSeen, sample: &ProbeResult, usual: Option<u16>) -> Verdict {
    let fallback = Expect::default();
    let expect = match &probe.ask {
        types::config::Ask::Http { expect, .. } => expect,
        _ => &fallback,
    };
    // The certificate speaks first: behind a wrong one, status and body are somebody else's.
    let certificate = seen.hops.iter().find_map(|hop| {
        let tls = hop.tls.as_ref()?;
        let fault = tls.faults.iter().find(|fault| !matches!(fault, TlsFault::Expiring { .. }))?;
        Some((hop, fault))
    });
    if let Some((hop, fault)) = certificate {
        let fault = Fault::Tls { tls: fault.clone() };
        let told = format!("{} {fault}", hop.url);
        return Verdict::default().bad(Charge::new(fault, Severity::Critical).seen(told));
    }
    let accepted = expect.accepts(seen.status) || usual.is_some_and(|usual| is_usual(seen.status, usual));
    if !accepted {
        let fault = Fault::Status { got: seen.status };
        let told = format!("{} answered with status {}", seen.address, seen.status);
        return Verdict::default().bad(Charge::new(fault, Severity::Critical).seen(told));
    }
    if seen.body_found == Some(false) {
        let told = format!("{} bytes from {} without the expected text", seen.body_bytes, seen.address);
        return Verdict::default().bad(Charge::new(Fault::BodyLacks, Severity::Critical).seen(told));
    }
    // It may come behind what was read. Where the answer never ends, only a person can tell.
    let verdict = if expect.body_contains.is_some() && seen.body_found.is_none() {
        let told = format!(
            "the expected text is not in the first {} MiB from {}, and no more is read",
            seen.body_bytes >> 20,
            seen.address
        );
        Verdict::default().bad(Charge::new(Fault::TextNotReached, Severity::Warning).seen(told))
    } else {
        Verdict::default().well(Lane::Answer)
    };
    match expect.max_latency {
        Some(limit) if sample.phases.total > limit => {
            let told =
                format!("{} ms instead of at most {} ms", sample.phases.total.as_millis(), limit.as_millis());
            verdict.bad(Charge::new(Fault::Slow { limit }, Severity::Warning).seen(told))
        }
        _ => verdict.well(Lane::Pace),
    }
}
