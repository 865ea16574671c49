//! The public status page as data: everything a visitor is told, nothing that only the team may know.

use jiff::civil;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::time::Duration;
use types::event::{PostStatus, ServiceState};
use types::{IncidentId, PostId, ServiceId, Time};

/// The whole status page at one instant. Rendered once per change, served as bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusPage {
    /// The company's name.
    pub name: String,
    /// The title.
    pub title: String,
    /// Where it stands, without a trailing slash.
    pub url: String,
    /// IANA name of the zone for texts.
    pub zone: String,
    /// The zone itself: times are shown by its clock.
    #[serde(skip)]
    pub clock: TimeZone,
    /// When anything on it last changed.
    pub changed: Time,
    /// How often the most often asked probe asks.
    pub looked_every: Duration,
    /// The worst state of any service.
    pub state: ServiceState,
    /// One sentence that names the broken thing: "Major outage: Sign-in".
    pub headline: String,
    /// Open incidents, newest first.
    pub open: Vec<StatusPageIncident>,
    /// Services by group, in the order of the configuration.
    pub groups: Vec<Group>,
    /// The last days, newest first, quiet ones too.
    pub past: Vec<PastDay>,
}

/// An incident as visitors see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusPageIncident {
    /// Its number.
    pub id: IncidentId,
    /// "Sign-in is failing".
    pub title: String,
    /// As of the newest post.
    pub status: PostStatus,
    /// The worst state that it brought to any service, over its whole life.
    pub impact: ServiceState,
    /// When its first alert began.
    pub started: Time,
    /// When it was over.
    pub resolved: Option<Time>,
    /// Services affected, with their titles and their state as of the newest post.
    pub affected: Vec<(ServiceId, String, ServiceState)>,
    /// What was said, newest first.
    pub posts: Vec<Post>,
    /// When the next words are promised, while open.
    pub next_post_by: Option<Time>,
}

/// Words on the status page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Post {
    /// Its number.
    pub id: PostId,
    /// When it appeared.
    pub at: Time,
    /// How far along.
    pub status: PostStatus,
    /// The words.
    pub body: String,
    /// The state of each affected service as of this post.
    pub affected: Vec<(ServiceId, ServiceState)>,
}

/// A group of services.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Its name; empty for services without a group.
    pub name: String,
    /// Its services.
    pub components: Vec<Component>,
}

/// A service as visitors see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Component {
    /// Its name in the configuration.
    pub id: ServiceId,
    /// Its name for visitors.
    pub title: String,
    /// Its state now.
    pub state: ServiceState,
    /// Since when it is in this state.
    pub since: Option<Time>,
    /// One for each day of the history, oldest first, today last.
    pub days: Vec<Day>,
    /// Share of the watched time in which it was not out, in per cent; `None` before it was watched for a whole day.
    /// The rule: major outage counts whole, partial outage counts three tenths, degraded counts nothing.
    pub uptime_percent: Option<f64>,
}

/// One day of one service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    /// The day, by the clock of the site's zone.
    pub date: civil::Date,
    /// The worst state of the day; `None` when nobody looked.
    pub worst: Option<ServiceState>,
    /// How long it was out, partly or wholly.
    pub out: Duration,
    /// How much of it counts as lost: all of a major outage, three tenths of a partial one.
    pub lost: Duration,
}

/// One past day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PastDay {
    /// The day, by the clock of the site's zone.
    pub date: civil::Date,
    /// Incidents that ended on it, newest first.
    pub incidents: Vec<StatusPageIncident>,
}
