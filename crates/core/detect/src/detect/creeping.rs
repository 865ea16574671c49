//! Creeping growth: which series have a limit, and their alerts.

use super::edge::edge_probe_id;
use super::{Detect, slowness};
use crate::alert::AlertEvents;
use crate::creeping::{LevelMedians, Verdict};
use crate::slowness::OPEN_MAX;
use std::time::Duration;
use types::config::{Probe, ProbeKind};
use types::fault::Level;
use types::series::{LevelSeries, Medians};
use types::{Alert, Config, Context, Events, Fault, Resource, Time};

/// Length of a step. Probes that run more often than every five seconds have shorter ones: a drill, whose hours are minutes.
const STEP: Duration = Duration::from_secs(600);
/// Intervals in a step.
const INTERVALS: u32 = 20;
/// The shortest interval with steps of ten minutes.
const CALM: Duration = Duration::from_secs(5);
/// Shortest step.
const STEP_MIN: Duration = Duration::from_secs(2);
/// The limit of percentages, in millionths.
const WHOLE: u64 = 100_000_000;

impl Detect {
    /// The stored series that have a limit, each with the end of the last step that was read; `None` before the first.
    #[must_use]
    pub fn level_series(&self, config: &Config) -> Vec<(LevelSeries, Option<Time>)> {
        let of_probes = config.probes.values().filter(|probe| slowness::has_series(probe)).flat_map(of_probe);
        let of_edge = config.services.keys().filter_map(|id| {
            let traffic = config.traffic_of(id)?;
            let about = Resource::service(&id.0);
            let hosts = &config.services.get(id)?.hosts;
            let interval = config
                .probes
                .values()
                .filter(|probe| hosts.contains(&probe.about.name))
                .map(|it| it.interval)
                .min();
            Some(LevelSeries {
                probe: edge_probe_id(&about),
                about,
                level: Level::Latency,
                limit: micros(traffic.response_timeout),
                step: interval.map_or(STEP, step),
            })
        });
        let with_end = |of: LevelSeries| {
            let known =
                self.volatile.levels.get(&(of.probe.clone(), of.level)).filter(|known| known.fits(&of));
            let until = known.map(LevelMedians::until);
            (of, until)
        };
        of_probes.chain(of_edge).map(with_end).collect()
    }

    /// Judges a series after medians were read.
    pub fn judge_medians(
        &mut self,
        context: &Context<'_>,
        read: (&LevelSeries, &Medians, Time),
        events: &mut Events,
    ) {
        let (of, medians, until) = read;
        let mut new = self.events();
        self.follow_config(context.config, context.now, &mut new);
        let is_there = self.level_series(context.config).iter().any(|(series, _)| series == of);
        if is_there {
            self.judge_level(context, of, medians, until, &mut new);
        }
        events.extend(self.with_places(new));
    }

    fn judge_level(
        &mut self,
        context: &Context<'_>,
        of: &LevelSeries,
        medians: &Medians,
        until: Time,
        events: &mut AlertEvents,
    ) {
        let open =
            self.open.with_fault(&of.about, of.level.as_str()).and_then(|id| self.state.alerts.get(&id));
        let own = open.filter(|alert| alert.probe == of.probe);
        let known = self.volatile.levels.entry((of.probe.clone(), of.level));
        let known = known.or_insert_with(|| LevelMedians::new(of, own, until));
        if !known.fits(of) {
            *known = LevelMedians::new(of, own, until);
        }
        match (known.read(of, medians, until, &context.config.site.timezone), open) {
            (Some(Verdict::Creeps(new)), None) => {
                let creeps = |alert: &&Alert| matches!(alert.fault, Fault::Creeping { .. });
                if self.state.alerts.values().filter(creeps).count() < OPEN_MAX {
                    events.open(&of.about, &of.probe, new);
                }
            }
            (Some(Verdict::Creeps(new)), Some(open)) => {
                if own.is_some() && known.has_news(&open.fault, &new.fault, until) {
                    events.change(open.id, new);
                }
            }
            (Some(Verdict::Ended), _) => own.into_iter().for_each(|open| events.close(open.id)),
            (None, _) => {}
        }
    }
}

/// The series of a probe: its latency, and what a database uses of its slots and memory.
fn of_probe(probe: &Probe) -> Vec<LevelSeries> {
    let series = |level, limit| LevelSeries {
        about: probe.about.clone(),
        probe: probe.id.clone(),
        level,
        limit,
        step: step(probe.interval),
    };
    let latency = |limit| series(Level::Latency, micros(limit));
    match &probe.kind {
        ProbeKind::Http { expect, .. } => vec![latency(expect.max_latency.unwrap_or(probe.timeout))],
        ProbeKind::Tcp { .. } => vec![latency(probe.timeout)],
        ProbeKind::Database { .. } => {
            vec![latency(probe.timeout), series(Level::Connections, WHOLE), series(Level::Memory, WHOLE)]
        }
        _ => Vec::new(),
    }
}

fn step(interval: Duration) -> Duration {
    if interval >= CALM { STEP } else { (interval * INTERVALS).clamp(STEP_MIN, STEP) }
}

fn micros(limit: Duration) -> u64 {
    u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)
}
