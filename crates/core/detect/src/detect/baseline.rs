//! The usual status code of web addresses whose right answer nobody declared.
//!
//! The root of a sign-in or of an API answers 401, 403 or 404 all its life: the server is alive, and nobody has said which
//! path tells its health. So a status code below 500 that is there from the first answer on is accepted, and one that takes
//! its place later is a fault. What was learned stands in the journal: a restart in the midst of an outage learns nothing
//! from it.

use super::{Detect, Out};
use types::EventKind;
use types::config::{Ask, Probe};
use types::probe_result::{Answer, ProbeResult};

impl Detect {
    /// The status code that is usual for a probe, the answer at hand included.
    pub(super) fn baseline(&self, probe: &Probe, sample: &ProbeResult, out: &mut Out) -> Option<u16> {
        let (Ask::Http { expect, .. }, Answer::Http(seen)) = (&probe.ask, &sample.answer) else {
            return None;
        };
        if !expect.learns {
            return None;
        }
        let known = self.known.baselines.get(&probe.id).copied();
        let news = match known {
            None => expect.accepts(seen.status) || is_alive(seen.status),
            // It has a page now, which must stay.
            Some(status) => is_alive(status) && expect.accepts(seen.status),
        };
        if !news {
            return known;
        }
        let (probe, status) = (probe.id.clone(), seen.status);
        out.events.push(EventKind::BaselineLearned { probe, status });
        Some(status)
    }
}

/// Whether a status code shows a server that refuses this path, rather than one that fails.
fn is_alive(status: u16) -> bool {
    (400..500).contains(&status)
}

/// Whether a status code is as good as the usual one.
pub(crate) fn is_usual(status: u16, usual: u16) -> bool {
    let refuses = |status: u16| matches!(status, 401 | 403);
    is_alive(usual) && (status == usual || (refuses(status) && refuses(usual)))
}
