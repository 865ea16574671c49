//! Judgements of step after step: a claim, and its end.

use super::{Creep, Series, judge};
use crate::order::median;

/// Judgements in a row that make a claim.
const CONFIRMED: u32 = 2;
/// Steps without a rise after which a claim ends: a window and a half.
const CALM: u32 = 18;
/// Share of the rise that is left when a claim ends.
const FALLEN: f64 = 0.5;
/// Steps whose median is the level now.
const NOW: usize = 3;

/// Follows one series.
#[derive(Clone, Debug, Default)]
pub struct CreepDetector {
    rising: u32,
    calm: u32,
    open: Option<Creep>,
}

/// What a step has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The level creeps towards its limit; or the claim has new figures.
    Creeps(Creep),
    /// It no longer does.
    Ended,
}

impl CreepDetector {
    /// A detector with an open claim from before a restart.
    #[must_use]
    pub fn resume(open: Creep) -> Self {
        Self { rising: CONFIRMED, calm: 0, open: Some(open) }
    }

    /// The open claim.
    #[must_use]
    pub fn creep(&self) -> Option<Creep> {
        self.open
    }

    /// Judges the series after a step that has ended.
    pub fn observe(&mut self, series: &Series<'_>) -> Option<Change> {
        let found = judge(series);
        match (found, self.open) {
            (Some(found), open) => {
                self.rising = self.rising.saturating_add(1).min(CONFIRMED);
                self.calm = 0;
                if self.rising < CONFIRMED {
                    return None;
                }
                // It began when it was first seen to, and at that level.
                let found = match open {
                    Some(open) => Creep {
                        since: (open.since + series.step).max(found.since),
                        from: open.from.min(found.from),
                        ..found
                    },
                    None => found,
                };
                self.open = Some(found);
                Some(Change::Creeps(found))
            }
            (None, None) => {
                self.rising = 0;
                None
            }
            (None, Some(open)) => {
                self.rising = 0;
                self.calm += 1;
                self.open = Some(Creep { since: open.since + series.step, ..open });
                let fallen =
                    now(series.steps).is_some_and(|now| now < open.from + FALLEN * (open.to - open.from));
                (fallen || self.calm >= CALM).then(|| {
                    self.open = None;
                    Change::Ended
                })
            }
        }
    }
}

fn now(steps: &[Option<f64>]) -> Option<f64> {
    let newest = steps.get(steps.len().saturating_sub(NOW)..)?;
    median(&mut newest.iter().flatten().copied().collect::<Vec<f64>>())
}
