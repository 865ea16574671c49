//! Names of configured items, and numbers of alerts, incidents, pages and denials.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! name {
    ($(#[$doc:meta])* $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $id(pub String);

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $id {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
    };
}

macro_rules! number {
    ($(#[$doc:meta])* $id:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $id(pub u64);

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl std::str::FromStr for $id {
            type Err = std::num::ParseIntError;

            /// Reads both `7` and the displayed form.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "-")).unwrap_or(text).parse().map(Self)
            }
        }
    };
}

name!(/// A service: `auth`.
    ServiceId);
name!(/// A probe: `http.auth.acme.com`, or the name of a configured probe.
    ProbeId);
name!(/// A team member: `ana`.
    PersonId);
name!(/// An on-call schedule: `platform`.
    ScheduleId);
name!(/// An escalation policy: `default`.
    EscalationId);
name!(/// A notification channel: `ntfy`.
    ChannelId);
name!(/// A pool of servers: `auth`.
    PoolId);
name!(/// An internal caller of services: `auth-web`.
    CallerId);

number!(/// An alert, counted from the first line of the journal.
    AlertId, "alert");
number!(/// An incident, counted from the first line of the journal.
    IncidentId, "incident");
number!(/// A page, counted from the first line of the journal.
    PageId, "page");
number!(/// A denial, counted from the first line of the journal.
    DenialId, "denial");
number!(/// A change, counted from the first line of the journal.
    ChangeId, "change");
number!(/// An update on the status page, counted from the first line of the journal.
    UpdateId, "update");
number!(/// A scheduled maintenance, counted from the first line of the journal.
    MaintenanceId, "maintenance");
number!(/// A silence, counted from the first line of the journal.
    SilenceId, "silence");
