//! Names of things the configuration declares, and numbers of things that happened.

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
    ($(#[$doc:meta])* $id:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $id(pub u64);

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, "-{}"), self.0)
            }
        }

        impl std::str::FromStr for $id {
            type Err = std::num::ParseIntError;

            /// Reads both `7` and the displayed form.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($word, "-")).unwrap_or(text).parse().map(Self)
            }
        }
    };
}

name!(/// A service as the configuration names it: `auth`.
    ServiceId);
name!(/// A standing question: `http.auth.acme.com`, or the name of a probe written by hand.
    ProbeId);
name!(/// A team member: `ana`.
    PersonId);
name!(/// Who is on call when: `platform`.
    ScheduleId);
name!(/// Whom, then whom next: `default`.
    EscalationId);
name!(/// A way to reach people: `ntfy`.
    ChannelId);
name!(/// Servers able to answer alike: `auth`.
    PoolId);
name!(/// A program of our own that asks our own services: `auth-web`.
    CallerId);

number!(/// An alert, counted from the first line of the journal.
    AlertId, "alert");
number!(/// An incident, counted from the first line of the journal.
    IncidentId, "incident");
number!(/// A page, counted from the first line of the journal.
    PageId, "page");
number!(/// A denial, counted from the first line of the journal.
    DenialId, "denial");
number!(/// An update on the status page, counted from the first line of the journal.
    UpdateId, "update");
