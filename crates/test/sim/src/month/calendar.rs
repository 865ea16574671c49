//! What happens when, in seconds since the first midnight (UTC) of the month. The first day is a Sunday.

use super::{DAYS, Month};
use fastrand::Rng;
use std::ops::Range;

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 86_400;

/// Servers at the beginning, and those added for a week.
pub(super) const SERVERS: usize = 20;
pub(super) const MORE: usize = 4;
/// A server that is replaced: it drains, is away, and warms up; the next one follows.
pub(super) const DRAINS: u64 = 10;
pub(super) const AWAY: u64 = 12;
pub(super) const WARMS: u64 = 15;
pub(super) const EACH: u64 = 45;

/// Time from the stop of the primary to the promotion of the replica, and until the old primary follows it.
pub(super) const PROMOTES: u64 = 20;
pub(super) const FOLLOWS: u64 = 90;

/// What the team reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// A change of the API: title, and key of a deploy whose end is reported, too.
    Change { title: String, key: Option<String>, is_end: bool },
    /// A note on the open incident.
    Note(&'static str),
    /// Another configuration.
    Reload,
    /// The maintenance in which the primary of the database is changed.
    Maintenance,
}

/// The month.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    /// Rolling deploys, by their beginnings.
    pub(super) deploys: Vec<u64>,
    /// Nightly backups.
    pub(super) backups: Vec<Range<u64>>,
    /// Manual vacuum of all tables, on Sundays.
    pub(super) vacuums: Vec<Range<u64>>,
    /// The report of the month's last day.
    pub(super) report: Range<u64>,
    /// Time with more servers: they are declared, and later drained; at its end they are removed.
    pub(super) more: Range<u64>,
    /// From when on there is a second replica; it has to catch up at first.
    pub(super) replica: u64,
    /// Restarts of the first replica, for updates of its system.
    pub(super) reboots: Vec<Range<u64>>,
    /// The maintenance in which a replica becomes the primary.
    pub(super) maintenance: Range<u64>,
    /// Single failed health checks: a server, and when.
    pub(super) blips: Vec<(usize, Range<u64>)>,
    /// The slow statement and its fix, and the time until which servers are out.
    pub(super) fault: Option<(Range<u64>, u64)>,
}

impl Calendar {
    pub(super) fn of(month: &Month) -> Self {
        let mut chance = Rng::with_seed(month.seed);
        let mut some = |range: Range<u64>| chance.u64(range);
        let is_weekday = |day: &u64| !matches!(day % 7, 0 | 6);
        let mut deploys: Vec<u64> = (0..DAYS)
            .filter(is_weekday)
            .flat_map(|day| [day * DAY + 8 * HOUR, day * DAY + 13 * HOUR])
            .map(|at| at + some(0..HOUR))
            .collect();
        // A deploy that is repeated after minutes, as a hurried correction.
        deploys.push(16 * DAY + 11 * HOUR + some(0..HOUR));
        deploys.push(16 * DAY + 12 * HOUR + some(15 * MINUTE..30 * MINUTE));
        deploys.sort_unstable();
        let backups =
            (0..DAYS).map(|day| day * DAY + 2 * HOUR).map(|at| at..at + some(1_200..2_700)).collect();
        let vacuums = (0..DAYS)
            .step_by(7)
            .map(|day| day * DAY + 4 * HOUR)
            .map(|at| at..at + some(2_400..3_300))
            .collect();
        let report = (DAYS - 1) * DAY + 6 * HOUR;
        let reboots =
            [4, 18].map(|day| day * DAY + 9 * HOUR + some(0..HOUR)).map(|at| at..at + some(25..50)).to_vec();
        let blips = (0..2 * DAYS).map(|_| (some(0..SERVERS as u64), some(0..DAYS * DAY), some(2..5)));
        let blips = blips.map(|(server, at, lasts)| (server as usize, at..at + lasts)).collect();
        let maintenance = 23 * DAY + 21 * HOUR;
        let noon = month.days.end.saturating_sub(1) * DAY + 12 * HOUR;
        Self {
            deploys,
            backups,
            vacuums,
            report: report..report + 25 * MINUTE,
            more: 8 * DAY + 11 * HOUR..15 * DAY + 11 * HOUR,
            replica: 20 * DAY + 10 * HOUR,
            reboots,
            maintenance: maintenance..maintenance + 30 * MINUTE,
            blips,
            fault: month.fault.then(|| (noon..noon + 8 * MINUTE, noon + 20 * MINUTE)),
        }
    }

    /// Everything that the team reports, by its second.
    pub(super) fn reports(&self) -> Vec<(u64, Report)> {
        let change = |title: &str| Report::Change { title: title.to_owned(), key: None, is_end: false };
        let mut all = vec![
            (self.more.start, change("scale api to 24 servers")),
            (self.more.start + 5, Report::Reload),
            (self.more.end, change("scale api to 20 servers")),
            (self.more.end + 5, Report::Reload),
            (self.replica - HOUR, change("add a replica")),
            (self.replica, Report::Reload),
            (self.maintenance.start - 12 * HOUR, Report::Maintenance),
        ];
        for (number, at) in self.deploys.iter().enumerate() {
            let part = |is_end| Report::Change {
                title: format!("deploy api {number}"),
                key: Some(format!("deploy/{number}")),
                is_end,
            };
            all.push((*at, part(false)));
            all.push((at + SERVERS as u64 * EACH, part(true)));
        }
        for reboot in &self.reboots {
            all.push((reboot.start - MINUTE, change("update the replica's system")));
        }
        if let Some((slow, back)) = &self.fault {
            all.push((slow.end, Report::Note("fix the slow query")));
            all.push((*back, Report::Note("start the stopped API servers")));
        }
        all.sort_by_key(|(at, _)| *at);
        all
    }

    /// The deploy that is under way, by its beginning.
    pub(super) fn deploy(&self, at: u64) -> Option<u64> {
        let of = (self.servers(at) as u64) * EACH + WARMS;
        self.deploys.iter().copied().find(|begin| (*begin..begin + of).contains(&at))
    }

    /// When the first primary is stopped.
    pub(super) fn stopped(&self) -> u64 {
        self.maintenance.start + 5 * MINUTE
    }

    /// When the first replica is the primary.
    pub(super) fn promoted(&self) -> u64 {
        self.stopped() + PROMOTES
    }

    /// Declared servers.
    pub(super) fn servers(&self, at: u64) -> usize {
        if (self.more.start + 5..self.more.end + 5).contains(&at) { SERVERS + MORE } else { SERVERS }
    }

    /// Declared replicas.
    pub(super) fn replicas(&self, at: u64) -> usize {
        1 + usize::from(at >= self.replica)
    }
}

/// Whether an instant is in one of the ranges.
pub(super) fn within(ranges: &[Range<u64>], at: u64) -> Option<&Range<u64>> {
    ranges.iter().find(|range| range.contains(&at))
}
