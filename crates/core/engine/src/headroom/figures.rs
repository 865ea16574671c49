//! Headroom of each pool and database as a view.

use super::peaks::Hours;
use super::{Headrooms, PoolState};
use jiff::tz::TimeZone;
use statistics::trend;
use std::collections::BTreeSet;
use std::time::Duration;
use types::headroom::{Capacity, Peaks, ServerCount, Trend, UTILIZATION_TARGET, WithMore};
use types::time::later;
use types::{Config, Headroom, PoolId, Resource, ServiceId, Time};

/// Most servers that are proposed.
const MORE_MAX: u32 = 1_000;

pub(super) fn all(known: &Headrooms, config: &Config, now: Time) -> Vec<Headroom> {
    let pools = known.pools.iter().map(|(pool, state)| of_pool(known, pool, state, now));
    let databases = config.databases.keys().map(|name| of_database(known, name, now));
    pools.chain(databases).collect()
}

fn of_pool(known: &Headrooms, pool: &PoolId, state: &PoolState, now: Time) -> Headroom {
    let resource = Resource::pool(&pool.0);
    let mean = state.window.mean().filter(|_| !known.is_silent(now));
    let stored = known.hours.get(&resource);
    let mut peaks = stored.map(|hours| hours.peaks(now)).unwrap_or_default();
    if let Some(mean) = mean {
        // The samples of the last minute may not be read yet.
        let with = |peak: Option<f64>| Some(peak.map_or(mean.served, |peak| peak.max(mean.served)));
        peaks = Peaks { day: with(peaks.day), week: with(peaks.week), month: with(peaks.month) };
    }
    let work = state.window.newest();
    let servers = mean.map(|_| ServerCount { working: work.working, all: work.all });
    let working = servers.map_or(0, |servers| servers.working);
    let each = state.capacity.per_server();
    let knee = each.filter(|_| working > 0).map(|each| each * f64::from(working));
    let share = |knee: f64| peaks.map(|peak| peak / knee);
    let mut headroom = Headroom {
        resource,
        services: services(known.served.get(pool)),
        capacity: state.capacity.clone(),
        knee,
        servers,
        demand: mean.map(|mean| mean.asked),
        peaks,
        utilization: knee.map(share).unwrap_or_default(),
        utilization_now: mean.zip(knee).map(|(mean, knee)| mean.asked / knee),
        with_more: None,
        trend: trend_of(stored, knee, now),
    };
    headroom.with_more = with_more(&headroom);
    headroom
}

fn services(of: Option<&BTreeSet<ServiceId>>) -> Vec<ServiceId> {
    of.into_iter().flatten().cloned().collect()
}

/// The fewest more servers with which the daily peak is at the target, or one more.
fn with_more(headroom: &Headroom) -> Option<WithMore> {
    let (servers, day) = (headroom.servers?.working, headroom.utilization.day?);
    let needed = (day * f64::from(servers) / UTILIZATION_TARGET).ceil() - f64::from(servers);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the maximum")]
    let needed = needed.clamp(1.0, f64::from(MORE_MAX)) as u32;
    headroom.with(needed)
}

fn of_database(known: &Headrooms, name: &str, now: Time) -> Headroom {
    let resource = Resource::database(name);
    let stored = known.hours.get(&resource);
    let peaks = stored.map(|hours| hours.peaks(now)).unwrap_or_default();
    Headroom {
        resource,
        services: Vec::new(),
        capacity: Capacity::ConnectionSlots,
        knee: None,
        servers: None,
        demand: None,
        peaks,
        utilization: peaks,
        utilization_now: None,
        with_more: None,
        trend: trend_of(stored, Some(1.0), now),
    }
}

fn trend_of(stored: Option<&Hours>, limit: Option<f64>, now: Time) -> Trend {
    let Some(limit) = limit else { return Trend::Unknown };
    let days = stored.map(|hours| hours.days(now)).unwrap_or_default();
    let count = |days: usize| u32::try_from(days).unwrap_or(u32::MAX);
    match trend::judge(&days, limit) {
        trend::Trend::TooShort { days } => {
            Trend::TooShort { days: count(days), needed: count(trend::DAYS_MIN) }
        }
        trend::Trend::Level => Trend::Level,
        trend::Trend::Grows { per_day, meets_in } => {
            // The last whole day is yesterday.
            let date = |days: u32| {
                let at = later(now, Duration::from_secs(86_400 * u64::from(days.saturating_sub(1))));
                at.to_zoned_datetime(TimeZone::UTC).date()
            };
            Trend::Grows { per_day, meets: meets_in.map(date) }
        }
    }
}
