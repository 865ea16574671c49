//! Answers to `nut` probes: the state of an uninterruptible power supply.

use crate::aspect::Aspect;
use crate::violation::{Verdict, Violation};
use types::fault::UpsFault;
use types::probe_result::Answer;
use types::ups::UpsSeen;
use types::{Fault, Severity};

/// Judges an answer. What the UPS says of itself is a fact at the first time; a daemon that does not answer has to fail again,
/// and is a warning: what the UPS carries is probed by itself.
pub(crate) fn judge(answer: &Answer) -> Verdict {
    let verdict = match answer {
        Answer::Ups(seen) => power(state(seen), seen),
        // A local failure says nothing about the resource.
        Answer::Failed(fault @ Fault::Isolated { .. }) => Verdict::unreached(fault),
        Answer::Failed(fault) => {
            Verdict::unreached(fault).bad(Violation::new(fault.clone(), Severity::Warning))
        }
        _ => Verdict::default(),
    };
    verdict.with_health()
}

/// The condition of the power itself.
fn power(verdict: Verdict, seen: &UpsSeen) -> Verdict {
    let (runtime, charge_percent) = (seen.runtime, seen.charge_percent);
    // FSD: the daemon has told the machines to shut down, and will cut the power.
    let is_shutting_down = seen.is("FSD");
    let violation = if is_shutting_down || (seen.is("OB") && seen.is("LB")) {
        let fault = UpsFault::LowBattery { runtime, charge_percent, is_shutting_down };
        said(fault, Severity::Critical, seen)
    } else if seen.is("OB") {
        said(UpsFault::OnBattery { runtime, charge_percent }, Severity::Info, seen)
    } else if seen.is("OFF") {
        said(UpsFault::Off, Severity::Warning, seen)
    } else {
        return verdict.good(Aspect::Power);
    };
    verdict.bad(violation)
}

/// The other conditions. The daemon has answered, so that its own one is good.
fn state(seen: &UpsSeen) -> Verdict {
    let load = UpsFault::Overloaded { load_percent: seen.load_percent };
    let conditions = [
        ("RB", UpsFault::ReplaceBattery, Severity::Info),
        ("OVER", load, Severity::Warning),
        ("BYPASS", UpsFault::Bypassed, Severity::Info),
    ];
    let mut verdict = Verdict::default().good(Aspect::Answer);
    for (flag, fault, severity) in conditions {
        if seen.is(flag) {
            verdict = verdict.bad(said(fault, severity, seen));
        } else {
            verdict = verdict.good(Aspect::Ups(fault.as_str()));
        }
    }
    verdict
}

fn said(ups: UpsFault, severity: Severity, seen: &UpsSeen) -> Violation {
    let flags: Vec<&str> = seen.status.iter().map(String::as_str).collect();
    let load = seen.load_percent.map(|load| format!(", load {load} %")).unwrap_or_default();
    Violation::new(Fault::Ups { ups }, severity).after_count(1).seen(format!(
        "ups.status {}{load}, from {}",
        flags.join(" "),
        seen.address
    ))
}
