//! Answers to `http`, `tcp` and `tls` probes.

use crate::aspect::Aspect;
use crate::aspects::baseline::is_usual;
use crate::aspects::{addresses, certificate};
use crate::violation::{Judgement, Verdict, Violation};
use types::config::{Expect, Probe, ProbeKind};
use types::fault::TlsFault;
use types::probe_result::{Answer, HttpSeen, ProbeResult};
use types::{Fault, Severity, Time};

/// Judges the answer to an `http`, `tcp` or `tls` probe. `host_too`: the host behind a `tls` probe has a probe of its
/// own, so a certificate that could not be fetched is a fault of the host. `usual` is the learned status code.
pub(crate) fn judge(
    probe: &Probe,
    result: &ProbeResult,
    host_too: bool,
    usual: Option<u16>,
    now: Time,
) -> Verdict {
    let verdict = match &result.answer {
        Answer::Http(seen) => http(probe, seen, result, usual),
        Answer::Tcp { .. } => Verdict::default().good(Aspect::Answer),
        Answer::Tls(seen) => certificate::judge(seen, now),
        // A local failure says nothing about the resource.
        Answer::Failed(fault @ Fault::Isolated { .. }) => Verdict::unreached(fault),
        // A limit of mainstay's TLS library: browsers can connect.
        Answer::Failed(fault @ Fault::TlsUnsupported { .. }) => {
            Verdict::default().bad(Violation::new(fault.clone(), Severity::Warning))
        }
        Answer::Failed(fault) if host_too && !about_certificate(fault) => Verdict::unreached(fault),
        Answer::Failed(fault) => {
            let violation = Violation::new(fault.clone(), Severity::Critical);
            Verdict::unreached(fault).bad(violation)
        }
        Answer::Dns(_) | Answer::Domain(_) | Answer::Database(_) | Answer::Pool(_) | Answer::Ups(_) => {
            Verdict::default()
        }
    };
    // With a probe of its own the host reports its addresses itself.
    let verdict = if host_too { verdict } else { with_addresses(verdict, result) };
    verdict.with_health()
}

/// Adds the judgement of the addresses of a good answer.
fn with_addresses(mut verdict: Verdict, result: &ProbeResult) -> Verdict {
    let is_good = matches!(verdict.aspects.get(&Aspect::Answer), Some(Judgement::Good));
    if let (true, Some(judgement)) = (is_good, addresses::judge(&result.addresses)) {
        verdict.aspects.insert(Aspect::Addresses, judgement);
    }
    verdict
}

fn about_certificate(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Tls { .. } | Fault::Handshake { .. } | Fault::TooLarge { .. } | Fault::Garbage { .. }
    )
}

fn http(probe: &Probe, seen: &HttpSeen, result: &ProbeResult, usual: Option<u16>) -> Verdict {
    let fallback = Expect::default();
    let expect = match &probe.kind {
        ProbeKind::Http { expect, .. } => expect,
        _ => &fallback,
    };
    // The certificate comes first: behind a wrong one, status and body may belong to another site.
    let certificate = seen.hops.iter().find_map(|hop| {
        let fault = TlsFault::refusal(&hop.tls.as_ref()?.faults)?;
        Some((hop, fault))
    });
    if let Some((hop, fault)) = certificate {
        let fault = Fault::Tls { tls: fault.clone() };
        let seen_text = format!("{} {fault}", hop.url);
        return Verdict::default().bad(Violation::new(fault, Severity::Critical).seen(seen_text));
    }
    let accepted = expect.accepts(seen.status) || usual.is_some_and(|usual| is_usual(seen.status, usual));
    if !accepted {
        let fault = Fault::Status { got: seen.status };
        let seen_text = format!("{} answered with status {}", seen.address, seen.status);
        return Verdict::default().bad(Violation::new(fault, Severity::Critical).seen(seen_text));
    }
    let verdict = match expect.content_fault(seen) {
        None => Verdict::default().good(Aspect::Answer),
        // The text may follow after the size limit, or be there behind a coding.
        Some(fault) if fault.is_unsearched() => {
            let seen_text = format!("{} bytes read from {}: {fault}", seen.body_bytes, seen.address);
            Verdict::default().bad(Violation::new(fault, Severity::Warning).seen(seen_text))
        }
        Some(fault) => {
            let seen_text = format!("{} bytes from {}: {fault}", seen.body_bytes, seen.address);
            return Verdict::default().bad(Violation::new(fault, Severity::Critical).seen(seen_text));
        }
    };
    match expect.max_latency {
        Some(limit) if result.phases.total > limit => {
            let seen_text =
                format!("{} ms instead of at most {} ms", result.phases.total.as_millis(), limit.as_millis());
            verdict.bad(Violation::new(Fault::Slow { limit }, Severity::Warning).seen(seen_text))
        }
        _ => verdict.good(Aspect::Latency),
    }
}
