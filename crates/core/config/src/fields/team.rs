//! Keys of the team: people, on-call schedules, escalations, notification channels.

use super::{DAY, SECRET, TIMEZONE, URL, later, optional, required};
use crate::kind::{Field, Kind};
use std::time::Duration;

const CONTACT: Kind = Kind::String {
    what: "a contact, CHANNEL:ADDRESS: \"ntfy:ana\"",
    pattern: Some("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(:.*)?$"),
};
const WAKING_HOURS: Kind = Kind::String {
    what: "a range of hours: \"07:30-23:00\"",
    pattern: Some("^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"),
};
const ESCALATE_AFTER: Kind = Kind::Duration { min: Duration::from_millis(100), max: DAY };
const ROTATION: Kind = Kind::String {
    what: "a rotation: \"1 week\", \"8 hours\"",
    pattern: Some("^[1-9][0-9]{0,3} (hour|day|week|month)s?$"),
};

pub(super) const PERSON: &[Field] = &[
    optional("name", Kind::Text, "the name of the section", "Display name.", "\"Ana\""),
    optional("timezone", TIMEZONE, "that of the site", "Their timezone.", "\"Europe/Tallinn\""),
    optional(
        "waking_hours",
        WAKING_HOURS,
        "unknown",
        "When they are awake, in their timezone; may cross midnight.",
        "\"07:30-23:00\"",
    ),
    required(
        "contacts",
        Kind::List { of: &CONTACT, min: 1 },
        "Contact methods, tried in this order within a step: a channel of the configuration and an address on it.",
        "[\"ntfy:ana\"]",
    ),
];

const LAYER: &[Field] = &[
    required(
        "people",
        Kind::List { of: &Kind::Name("person"), min: 1 },
        "People in rotation; the first has the shift that begins at `start`.",
        "[\"ana\", \"bo\"]",
    ),
    required(
        "start",
        Kind::LocalDateTime,
        "Begin of the first shift, in the timezone of the schedule.",
        "2026-10-26T09:00:00",
    ),
    required(
        "rotation",
        ROTATION,
        "Length of a shift in wall-clock time: a week stays a week across a DST change.",
        "\"1 week\"",
    ),
    optional(
        "until",
        Kind::LocalDateTime,
        "never",
        "End of the layer, in the timezone of the schedule.",
        "2027-01-01T00:00:00",
    ),
    later("restrictions", "hours of the week within a layer"),
];

pub(super) const SCHEDULE: &[Field] = &[
    optional(
        "timezone",
        TIMEZONE,
        "that of the site",
        "Timezone of all its local times.",
        "\"Europe/Tallinn\"",
    ),
    required(
        "layer",
        Kind::Tables { of: LAYER, min: 1 },
        "Layers of the rotation. The last layer that has a person on call wins.",
        "[{ people = [\"ana\", \"bo\"], start = 2026-10-26T09:00:00, rotation = \"1 week\" }]",
    ),
    later("override", "overrides of single shifts"),
];

const STEP: &[Field] = &[
    optional(
        "schedules",
        Kind::List { of: &Kind::Name("schedule"), min: 0 },
        "none",
        "Pages the people who are on call in all of these schedules.",
        "[\"platform\"]",
    ),
    optional(
        "people",
        Kind::List { of: &Kind::Name("person"), min: 0 },
        "none",
        "Pages these people in addition.",
        "[\"cto\"]",
    ),
    optional(
        "prefer",
        Kind::Choice(&["awake"]),
        "all concurrently",
        "`\"awake\"`: pages only people within their waking hours; all when there is none.",
        "\"awake\"",
    ),
    optional(
        "escalate_after",
        ESCALATE_AFTER,
        "5m",
        "Time until the next step when nobody has acknowledged.",
        "\"5m\"",
    ),
];

pub(super) const ESCALATION: &[Field] = &[
    required(
        "steps",
        Kind::Tables { of: STEP, min: 1 },
        "The steps, in order. Each names at least one schedule or person.",
        "[{ schedules = [\"platform\"], escalate_after = \"5m\" }]",
    ),
    optional(
        "repeat",
        Kind::Integer { min: 0, max: 100 },
        "3",
        "How often all steps are repeated before `fallback`.",
        "3",
    ),
    optional(
        "fallback",
        Kind::List { of: &CONTACT, min: 0 },
        "none",
        "Contacts that are paged when all steps and repeats went unacknowledged, and repeatedly from then on.",
        "[\"ntfy:everybody\"]",
    ),
];

const ACCEPTED_WHEN: &[Field] = &[
    optional(
        "json",
        Kind::Map { key: "field", of: &Kind::Scalar },
        "none",
        "The body is a JSON object with these fields and values.",
        "{ ok = true }",
    ),
    optional("text", Kind::Text, "none", "The body contains this text.", "\"accepted\""),
];

pub(super) const CHANNEL: &[Field] = &[
    optional(
        "ntfy",
        URL,
        "",
        "Root URL of an ntfy server; its addresses are topics. A channel has exactly one of `ntfy`, `webhook`.",
        "\"https://ntfy.sh\"",
    ),
    optional(
        "webhook",
        URL,
        "",
        "URL that receives a signed POST; its addresses may be empty.",
        "\"https://hooks.acme.net/mainstay\"",
    ),
    optional(
        "secret",
        SECRET,
        "none",
        "Token or signing key: the name of an environment variable or a file, never the secret itself.",
        "\"env:NTFY_TOKEN\"",
    ),
    optional(
        "accepted_when",
        Kind::Table(ACCEPTED_WHEN),
        "neither an error nor an HTML page",
        "What the body of a 2xx response must have for a delivery to count as accepted.",
        "{ json = { ok = true } }",
    ),
    later("twilio", "phone calls and SMS through Twilio"),
    later("account", "accounts of phone channels"),
    later("from", "sender numbers of phone channels"),
];
