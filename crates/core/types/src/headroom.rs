//! Headroom: the share of its knee that a pool or database uses at its daily peak, and when a trend meets the knee.
//!
//! Figures are facts of one moment; they are not in the journal.

use crate::{Resource, ServiceId, Time};
use jiff::civil;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Share of the knee that an autoscaler is to keep a pool at.
pub const UTILIZATION_TARGET: f64 = 0.70;
/// Share of the knee above which a daily peak leaves too little headroom.
pub const UTILIZATION_MAX: f64 = 0.80;

/// Headroom of one pool or database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Headroom {
    /// The pool or database.
    pub resource: Resource,
    /// Services that a pool serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceId>,
    /// What the knee is known by.
    pub capacity: Capacity,
    /// The knee: requests a second of the servers that work. `None` of a database, and while it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knee: Option<f64>,
    /// Servers of a pool, as the edge last saw them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<ServerCount>,
    /// Demand of the last half minute, in requests a second; of a database the share of its connection slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand: Option<f64>,
    /// Highest half minutes, in requests a second; of a database the highest share of its connection slots.
    pub peaks: Peaks,
    /// The same as shares of the knee.
    pub utilization: Peaks,
    /// Demand of the last half minute as a share of the knee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization_now: Option<f64>,
    /// What more servers would make of the daily peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_more: Option<WithMore>,
    /// What the daily peaks of up to 30 days say.
    pub trend: Trend,
}

/// Figures of measurements are finite.
impl Eq for Headroom {}

/// What a knee is known by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Capacity {
    /// A load test.
    LoadTest {
        /// Its target: `[load.NAME]`.
        target: String,
        /// Its start.
        at: Time,
        /// The knee of one server, in requests a second.
        per_server: f64,
        /// Whether every rate up to the bound of the test was kept up with, so that the knee is higher.
        is_lower_bound: bool,
        /// Median latency just below the knee, in seconds.
        p50_seconds: f64,
    },
    /// What servers answered while the edge limited them: an estimate, usually a low one.
    Estimate {
        /// Requests a second of one server.
        per_server: f64,
        /// Samples of ten seconds that it is the median of.
        samples: u32,
    },
    /// Connection slots of a database, which it names itself.
    ConnectionSlots,
    /// Nothing.
    Unknown {
        /// Why.
        why: Unknown,
    },
}

impl Capacity {
    /// The knee of one server, if known.
    #[must_use]
    pub fn per_server(&self) -> Option<f64> {
        match self {
            Self::LoadTest { per_server, .. } | Self::Estimate { per_server, .. } => Some(*per_server),
            Self::ConnectionSlots | Self::Unknown { .. } => None,
        }
    }
}

/// Why a figure is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// No service of the pool has a load test.
    NoLoadTest,
    /// The last load test ended before it found a knee.
    NoKnee {
        /// Its target.
        target: String,
    },
    /// No server works.
    NoServer,
    /// The edge has not reported for some seconds, or began to a moment ago.
    NoReport,
    /// Nothing was measured yet.
    NotMeasured,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLoadTest => f.write_str("there is no load test of a service that it serves"),
            Self::NoKnee { target } => write!(f, "the load test `{target}` ended before it found a knee"),
            Self::NoServer => f.write_str("no server of it works"),
            Self::NoReport => f.write_str("the edge does not report its traffic, or began to a moment ago"),
            Self::NotMeasured => f.write_str("nothing was measured yet"),
        }
    }
}

/// Servers of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCount {
    /// Servers that get requests.
    pub working: u32,
    /// All of them.
    pub all: u32,
}

/// Highest figures of the last day, week and month; `None` without a measurement in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Of the last 24 hours.
    pub day: Option<f64>,
    /// Of the last 7 days.
    pub week: Option<f64>,
    /// Of the last 30 days.
    pub month: Option<f64>,
}

impl Peaks {
    /// Each of them converted.
    #[must_use]
    pub fn map(self, convert: impl Fn(f64) -> f64) -> Self {
        let Self { day, week, month } = self;
        Self { day: day.map(&convert), week: week.map(&convert), month: month.map(&convert) }
    }
}

/// What more servers would make of the daily peak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WithMore {
    /// How many more.
    pub servers: u32,
    /// Share of the knee at the daily peak.
    pub utilization: f64,
}

/// What the daily peaks say about the coming days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trend {
    /// The knee is unknown.
    Unknown,
    /// Too few whole days were measured.
    TooShort {
        /// Days that were.
        days: u32,
        /// Days that are needed.
        needed: u32,
    },
    /// No growth, or none that chance could not explain.
    Level,
    /// Growth.
    Grows {
        /// Growth of a day, as a share of a usual peak.
        per_day: f64,
        /// The day in UTC on which the peak meets the knee; `None`: not within 30 days.
        meets: Option<civil::Date>,
    },
}

impl Headroom {
    /// Share of the knee at the daily peak, if known.
    #[must_use]
    pub fn at_daily_peak(&self) -> Option<f64> {
        self.utilization.day
    }

    /// The day on which the trend meets the knee.
    #[must_use]
    pub fn meets(&self) -> Option<civil::Date> {
        match self.trend {
            Trend::Grows { meets, .. } => meets,
            _ => None,
        }
    }

    /// Whether the daily peak is above [`UTILIZATION_MAX`], or the trend meets the knee within 30 days.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.at_daily_peak().is_some_and(|share| share > UTILIZATION_MAX) || self.meets().is_some()
    }

    /// Why the share at the daily peak is unknown; `None` when it is known.
    #[must_use]
    pub fn unknown(&self) -> Option<Unknown> {
        match (&self.capacity, self.servers, self.utilization.day) {
            (_, _, Some(_)) => None,
            (Capacity::Unknown { why }, ..) => Some(why.clone()),
            (_, Some(ServerCount { working: 0, .. }), _) if self.peaks.day.is_some() => {
                Some(Unknown::NoServer)
            }
            _ => Some(Unknown::NotMeasured),
        }
    }

    /// What `more` servers would make of the daily peak.
    #[must_use]
    pub fn with(&self, more: u32) -> Option<WithMore> {
        let working = self.servers?.working;
        let day = self.utilization.day.filter(|_| working > 0)?;
        let utilization = day * f64::from(working) / f64::from(working.saturating_add(more));
        Some(WithMore { servers: more, utilization })
    }
}

/// A share for display: `62 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A predicate: `62 % of its knee at the daily peak (310 of 500 requests/s); 2 more servers lower it to 41 %`.
impl fmt::Display for Headroom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.unknown(), self.utilization.day) {
            (Some(why), _) => write!(f, "headroom unknown: {why}")?,
            (None, day) => self.write_known(day.unwrap_or_default(), f)?,
        }
        match self.trend {
            Trend::Grows { meets: Some(date), .. } => {
                write!(f, "; its trend meets {} on {date}", self.limit())
            }
            _ => Ok(()),
        }
    }
}

impl Headroom {
    fn limit(&self) -> &'static str {
        if self.capacity == Capacity::ConnectionSlots { "the limit" } else { "the knee" }
    }

    fn write_known(&self, day: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = match &self.capacity {
            Capacity::LoadTest { is_lower_bound: true, .. } => "at most ",
            Capacity::Estimate { .. } => "about ",
            _ => "",
        };
        if self.capacity == Capacity::ConnectionSlots {
            return write!(f, "{} of its connection slots in use at the daily peak", percent(day));
        }
        write!(f, "{bound}{} of its knee at the daily peak", percent(day))?;
        if let (Some(peak), Some(knee)) = (self.peaks.day, self.knee) {
            write!(f, " ({} of {} requests/s", rate(peak), rate(knee))?;
            let basis = if matches!(self.capacity, Capacity::Estimate { .. }) {
                ", estimated by what it answered under overload)"
            } else {
                ")"
            };
            f.write_str(basis)?;
        }
        if let Some(WithMore { servers, utilization }) = self.with_more {
            let (more, lower) = if servers == 1 { ("server", "lowers") } else { ("servers", "lower") };
            write!(f, "; {servers} more {more} {lower} it to {}", percent(utilization))?;
        }
        Ok(())
    }
}

/// A rate for display: `310`, `4.2`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Headroom {
        Headroom {
            resource: Resource::pool("auth"),
            services: vec!["auth".into()],
            capacity: Capacity::LoadTest {
                target: "auth".to_owned(),
                at: Time::UNIX_EPOCH,
                per_server: 125.0,
                is_lower_bound: false,
                p50_seconds: 0.04,
            },
            knee: Some(500.0),
            servers: Some(ServerCount { working: 4, all: 4 }),
            demand: Some(100.0),
            peaks: Peaks { day: Some(310.0), week: Some(310.0), month: None },
            utilization: Peaks { day: Some(0.62), week: Some(0.62), month: None },
            utilization_now: Some(0.2),
            with_more: None,
            trend: Trend::Level,
        }
    }

    #[test]
    fn text_names_peak_relief_and_trend() {
        let mut headroom = pool();
        headroom.with_more = headroom.with(2);
        assert_eq!(
            headroom.to_string(),
            "62 % of its knee at the daily peak (310 of 500 requests/s); 2 more servers lower it to 41 %"
        );
        assert!(!headroom.is_low());
        headroom.trend = Trend::Grows { per_day: 0.01, meets: Some(civil::date(2026, 12, 12)) };
        headroom.with_more = headroom.with(1);
        assert!(headroom.is_low());
        assert_eq!(
            headroom.to_string(),
            "62 % of its knee at the daily peak (310 of 500 requests/s); 1 more server lowers it to 50 %; its trend \
             meets the knee on 2026-12-12"
        );
        headroom.capacity = Capacity::Estimate { per_server: 125.0, samples: 9 };
        assert!(headroom.to_string().starts_with("about 62 %"), "{headroom}");
    }

    #[test]
    fn unknown_is_said_and_is_not_zero() {
        let no_test = Capacity::Unknown { why: Unknown::NoLoadTest };
        let without = Headroom { capacity: no_test, knee: None, utilization: Peaks::default(), ..pool() };
        let text = "headroom unknown: there is no load test of a service that it serves";
        assert_eq!(without.to_string(), text);
        let down = Headroom {
            servers: Some(ServerCount { working: 0, all: 4 }),
            utilization: Peaks::default(),
            ..pool()
        };
        assert_eq!(down.unknown(), Some(Unknown::NoServer));
        let fresh = Headroom { peaks: Peaks::default(), utilization: Peaks::default(), ..pool() };
        assert_eq!(fresh.unknown(), Some(Unknown::NotMeasured));
        assert!(!without.is_low() && !down.is_low() && !fresh.is_low());
        assert_eq!(down.with(2), None);
    }

    #[test]
    fn database_has_no_servers_to_add() {
        let database = Headroom {
            resource: Resource::database("main"),
            services: Vec::new(),
            capacity: Capacity::ConnectionSlots,
            knee: None,
            servers: None,
            ..pool()
        };
        assert_eq!(database.to_string(), "62 % of its connection slots in use at the daily peak");
        let text = serde_json::to_string(&database).unwrap();
        assert_eq!(serde_json::from_str::<Headroom>(&text).unwrap(), database);
    }
}
