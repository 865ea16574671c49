//! Learned status code of web addresses without a declared one.
//!
//! The root of a sign-in page or an API may answer 401, 403 or 404 permanently: the server is alive, and no health path
//! is configured. A status code below 500 that is there from the first answer on is accepted, and another one later is
//! a fault. The learned code is in the journal, so that a restart during an outage does not learn from it.

use crate::state::State;
use types::config::{Probe, ProbeKind};
use types::probe_result::{Answer, ProbeResult};

/// Status code that counts as usual for a probe.
pub(crate) struct Baseline {
    pub(crate) status: Option<u16>,
    /// Whether this answer taught it.
    pub(crate) is_new: bool,
}

/// The usual status code of a probe, with the present answer taken into account.
pub(crate) fn baseline(state: &State, probe: &Probe, result: &ProbeResult) -> Baseline {
    let unknown = Baseline { status: None, is_new: false };
    let (ProbeKind::Http { expect, .. }, Answer::Http(seen)) = (&probe.kind, &result.answer) else {
        return unknown;
    };
    if !expect.learns {
        return unknown;
    }
    let learned = state.baselines.get(&probe.id).copied();
    let is_new = match learned {
        None => expect.accepts(seen.status) || is_alive(seen.status),
        // The address serves a page now, which must stay.
        Some(status) => is_alive(status) && expect.accepts(seen.status),
    };
    Baseline { status: if is_new { Some(seen.status) } else { learned }, is_new }
}

/// Whether a status code is that of a server that refuses this path but works.
fn is_alive(status: u16) -> bool {
    (400..500).contains(&status)
}

/// Whether a status code is as good as the learned one.
pub(crate) fn is_usual(status: u16, usual: u16) -> bool {
    let refuses = |status: u16| matches!(status, 401 | 403);
    is_alive(usual) && (status == usual || (refuses(status) && refuses(usual)))
}
