//! Whether it is us: nothing can be looked up or reached, on domains that have nothing else in common.
//!
//! One answer that never reached anybody calls a **jury**: a few probes from independent domains are asked at once, and
//! until they have spoken no alert opens from such answers. When at least four fifths of the jury see nothing, we are
//! blind. Where fewer than three domains are watched all of the jury must see nothing, and time-outs prove nothing. A
//! single name server that answered anybody proves that we see.
//!
//! Jurors have time limits of their own, so some may speak late. What was held back for them opens after a few seconds
//! all the same: a real outage must not wait for a slow juror. The jury itself sits on, so that a blindness that shows
//! late is still found; half of the jury, all of one mind, is enough by then.

use crate::index::Index;
use crate::verdict::Dark;
use std::collections::BTreeMap;
use std::time::Duration;
use types::time::{between, later};
use types::{ProbeId, Time};

/// Answers older than this no longer tell whether we see.
const SPAN: Duration = Duration::from_secs(60);
/// How long an alert is held back for a jury.
const HOLD: Duration = Duration::from_secs(6);
/// How long a jury may take: longer than any probe's usual time limit.
const PATIENCE: Duration = Duration::from_secs(12);
/// After a jury found that we see, no other is called for this long.
const PEACE: Duration = Duration::from_secs(30);
/// While blind, the jury is asked this often.
const PEEP: Duration = Duration::from_secs(5);

/// What the jury has seen, since boot.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    latest: BTreeMap<ProbeId, (Time, Dark)>,
    /// Since when the jury is out.
    called: Option<Time>,
    /// When it last found that we see.
    acquitted: Option<Time>,
}

/// What the jury holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// We see, or nothing suggests otherwise.
    Clear,
    /// Not known yet.
    Unsure,
    /// We do not see; in words.
    Blind(String),
}

impl Sight {
    /// Takes note of an answer of any probe. With `quiet` it calls no jury: the alert is open, or we are blind, already.
    pub(crate) fn note(&mut self, probe: &ProbeId, dark: Dark, jury: &Index, quiet: bool, now: Time) {
        if jury.jury.contains_key(probe) {
            self.latest.insert(probe.clone(), (now, dark));
        }
        let peace = self.acquitted.is_some_and(|at| between(at, now) < PEACE);
        if dark != Dark::Light && self.called.is_none() && !peace && !quiet && jury.jury.len() >= 2 {
            self.called = Some(now);
        }
    }

    /// What the jury holds now. `blind` tells what it held before.
    pub(crate) fn view(&mut self, jury: &Index, blind: bool, now: Time) -> View {
        if jury.jury.len() < 2 {
            return View::Clear;
        }
        let size = jury.jury.len();
        let counts = |dark: Dark| if jury.few { dark == Dark::Night } else { dark != Dark::Light };
        let (mut unseen, mut seen, mut names_seen, mut fresh, mut fresh_unseen) = (0, 0, false, 0, 0);
        for (probe, names) in &jury.jury {
            let Some((at, dark)) = self.latest.get(probe) else { continue };
            if between(*at, now) > SPAN {
                continue;
            }
            // Answers from before the jury was called speak of the time before.
            let since_called = self.called.is_none_or(|called| *at >= called);
            fresh += usize::from(since_called);
            if counts(*dark) {
                unseen += 1;
                fresh_unseen += usize::from(since_called);
            } else {
                seen += 1;
                names_seen |= *names && since_called;
            }
        }
        if blind {
            // Half of them see again: so do we.
            return if seen * 2 >= size { self.acquit(now) } else { View::Unsure };
        }
        let late = self.called.is_some_and(|called| between(called, now) >= HOLD);
        let of_one_mind = late && fresh_unseen == fresh && fresh * 2 >= size;
        let enough = if jury.few { unseen == size } else { unseen * 5 >= size * 4 || of_one_mind };
        if enough && !names_seen {
            self.called = None;
            let why = format!("{unseen} of {size} names asked can be neither looked up nor reached");
            return View::Blind(why);
        }
        let Some(called) = self.called else { return View::Clear };
        if names_seen || fresh == size || between(called, now) >= PATIENCE {
            return self.acquit(now);
        }
        View::Unsure
    }

    fn acquit(&mut self, now: Time) -> View {
        self.called = None;
        self.acquitted = Some(now);
        View::Clear
    }

    /// Whether alerts are held back for the jury.
    pub(crate) fn holds(&self, now: Time) -> bool {
        self.called.is_some_and(|called| between(called, now) < HOLD)
    }

    /// When to stop holding alerts back, or else to stop waiting for the jury.
    pub(crate) fn deadline(&self, now: Time) -> Option<Time> {
        self.called.map(|called| later(called, if self.holds(now) { HOLD } else { PATIENCE }))
    }

    /// Which jurors are wanted, and when.
    pub(crate) fn wanted(&self, jury: &Index, blind: bool, now: Time) -> Vec<(ProbeId, Time)> {
        let wish = |probe: &ProbeId| match (self.latest.get(probe), self.called) {
            (Some((at, _)), Some(called)) if *at >= called => None,
            (_, Some(called)) => Some(called),
            (Some((at, _)), None) => Some(later(*at, PEEP)),
            (None, None) => Some(now),
        };
        if self.called.is_none() && !blind {
            return Vec::new();
        }
        jury.jury.keys().filter_map(|probe| wish(probe).map(|at| (probe.clone(), at))).collect()
    }
}
