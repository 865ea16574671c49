//! A month of a team whose service is a pool of twenty servers before a database: deploys, nightly backups, vacuum, a slow report
//! at its end, servers and a replica that come and go on purpose, a planned change of the primary in a maintenance, single
//! failures. It is healthy all the time, so nobody is
//! paged, nothing is published, and no change is said to have had an effect. With a fault, the same month has to page.
//!
//! | module | has |
//! |---|---|
//! | `calendar` | what happens when |
//! | `world` | what the edge counts and what probes answer at an instant |
//! | `samples` | stored samples, for the effects of changes |
//! | `run` | the engine in virtual time |

mod calendar;
mod run;
mod samples;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// Days of a month.
pub const DAYS: u64 = 30;

/// A month, or some days of it.
#[derive(Clone, Debug)]
pub struct Month {
    /// Seed of everything random.
    pub seed: u64,
    /// The days that are run, counted from 0: `0..30` is all of it.
    pub days: Range<u64>,
    /// Whether the pool shrinks on the last of these days at noon: the slow statement fills the database, eighteen servers leave,
    /// and come back after the statement was fixed.
    pub fault: bool,
}

/// What mainstay did in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Pages that were sent, with their times.
    pub pages: Vec<String>,
    /// What the public read: updates, and states of services other than operational.
    pub public: BTreeSet<String>,
    /// Services under maintenance, with the times.
    pub announced: BTreeSet<String>,
    /// Changes and notes that are said to have helped or made it worse.
    pub effects: BTreeSet<String>,
    /// Incidents, with their summaries.
    pub incidents: Vec<String>,
    /// Alerts by resource and fault, with their number.
    pub alerts: BTreeMap<String, u64>,
    /// Changes that were recorded.
    pub changes: u64,
    /// Roll-ups and answers of probes that were judged.
    pub judged: u64,
}

impl Month {
    /// Runs it.
    ///
    /// # Errors
    /// When its configuration is not sound, which is a mistake of the simulation itself.
    pub fn run(&self) -> Result<Outcome, config::Problems> {
        run::Run::new(self)?.finish()
    }
}

impl Outcome {
    /// Whether nobody was paged, nothing was published, and no effect was claimed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.pages.is_empty() && self.public.is_empty() && self.effects.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pages, public, announced, effects, incidents, alerts, changes, judged } = self;
        writeln!(
            f,
            "{judged} inputs judged, {changes} changes; {} pages, {} public words, {} effects claimed, {} incidents",
            pages.len(),
            public.len(),
            effects.len(),
            incidents.len()
        )?;
        let lines = pages.iter().map(|it| ("page", it)).chain(public.iter().map(|it| ("public", it)));
        let lines = lines.chain(announced.iter().map(|it| ("maintenance", it)));
        let lines = lines.chain(effects.iter().map(|it| ("effect", it)));
        for (what, line) in lines.chain(incidents.iter().map(|it| ("incident", it))) {
            writeln!(f, "  {what}: {line}")?;
        }
        for (alert, count) in alerts {
            writeln!(f, "  {count} x {alert}")?;
        }
        Ok(())
    }
}
