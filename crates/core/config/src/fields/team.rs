//! What may stand in a configuration about people: who they are, who is on call, whom to wake, over which channel.

use super::{DAY, SECRET, URL, ZONE, later, optional, required};
use crate::kind::{Field, Kind};
use std::time::Duration;

const REACH: Kind = Kind::String {
    what: "a channel and an address on it: \"ntfy:ana\"",
    pattern: Some("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(:.*)?$"),
};
const AWAKE: Kind = Kind::String {
    what: "two times of day: \"07:30-23:00\"",
    pattern: Some("^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"),
};
const WAIT: Kind = Kind::Duration { min: Duration::from_millis(100), max: DAY };
const TURN: Kind = Kind::String {
    what: "the length of a shift: \"1 week\", \"8 hours\"",
    pattern: Some("^[1-9][0-9]{0,3} (hour|day|week|month)s?$"),
};

pub(super) const PERSON: &[Field] = &[
    optional("name", Kind::Text, "the name in the configuration", "Their name for people.", "\"Ana\""),
    optional("timezone", ZONE, "that of the site", "Where they live.", "\"Europe/Tallinn\""),
    optional(
        "waking_hours",
        AWAKE,
        "unknown",
        "When they are awake, by their own clock; may run over midnight.",
        "\"07:30-23:00\"",
    ),
    required(
        "contacts",
        Kind::List { of: &REACH, min: 1 },
        "How they are reached, in this order: a channel of the configuration and an address on it.",
        "[\"ntfy:ana\"]",
    ),
];

const LAYER: &[Field] = &[
    required(
        "people",
        Kind::List { of: &Kind::Name("person"), min: 1 },
        "Who take turns; the first holds the shift that begins at `start`.",
        "[\"ana\", \"bo\"]",
    ),
    required(
        "start",
        Kind::LocalDateTime,
        "When the first shift begins, local time of the schedule.",
        "2026-10-26T09:00:00",
    ),
    required("rotation", TURN, "How long a shift is, by the clock on the wall.", "\"1 week\""),
    optional(
        "until",
        Kind::LocalDateTime,
        "never",
        "When the layer ends, local time of the schedule.",
        "2027-01-01T00:00:00",
    ),
    later("only", "hours of the week within a layer"),
];

pub(super) const SCHEDULE: &[Field] = &[
    optional("timezone", ZONE, "that of the site", "The zone of all its local times.", "\"Europe/Tallinn\""),
    required(
        "layer",
        Kind::Tables { of: LAYER, min: 1 },
        "People who take turns. The last layer that has somebody on duty wins.",
        "[{ people = [\"ana\", \"bo\"], start = 2026-10-26T09:00:00, every = \"1 week\" }]",
    ),
    later("override", "exchanges of single shifts in the configuration"),
];

const STEP: &[Field] = &[
    optional(
        "schedules",
        Kind::List { of: &Kind::Name("schedule"), min: 0 },
        "none",
        "Whoever is on call in these, added up.",
        "[\"platform\"]",
    ),
    optional(
        "people",
        Kind::List { of: &Kind::Name("person"), min: 0 },
        "none",
        "And these people, always.",
        "[\"cto\"]",
    ),
    optional(
        "prefer",
        Kind::Choice(&["awake"]),
        "everybody at once",
        "\"awake\": those who are awake now come first, the sleeping only when nobody is.",
        "\"awake\"",
    ),
    optional("escalate_after", WAIT, "5m", "How long until the next step.", "\"5m\""),
];

pub(super) const ESCALATION: &[Field] = &[
    required(
        "steps",
        Kind::Tables { of: STEP, min: 1 },
        "Whom, then whom next. Each names somebody.",
        "[{ schedules = [\"platform\"], wait = \"5m\" }]",
    ),
    optional(
        "repeat",
        Kind::Integer { min: 0, max: 100 },
        "3",
        "How often the whole escalation is climbed again before the last resort.",
        "3",
    ),
    optional(
        "fallback",
        Kind::List { of: &REACH, min: 0 },
        "none",
        "What is tried when all else was silent, and again and again from then on.",
        "[\"ntfy:everybody\"]",
    ),
];

const ACCEPTED_WHEN: &[Field] = &[
    optional(
        "json",
        Kind::Map { key: "field", of: &Kind::Scalar },
        "none",
        "It is a JSON object that has these fields with these values.",
        "{ ok = true }",
    ),
    optional("text", Kind::Text, "none", "It contains these words.", "\"accepted\""),
];

pub(super) const CHANNEL: &[Field] = &[
    optional(
        "ntfy",
        URL,
        "",
        "An ntfy server; addresses on it are topics. Each channel has exactly one of ntfy, webhook.",
        "\"https://ntfy.sh\"",
    ),
    optional(
        "webhook",
        URL,
        "",
        "Where a signed POST goes; addresses on it may be empty.",
        "\"https://hooks.acme.net/mainstay\"",
    ),
    optional(
        "secret",
        SECRET,
        "none",
        "Where its token or signing key is: an environment variable or a file, never the secret itself.",
        "\"env:NTFY_TOKEN\"",
    ),
    optional(
        "accepted_when",
        Kind::Table(ACCEPTED_WHEN),
        "no error and no web page inside",
        "What a 2xx of it holds when the message was accepted; everything else is a failure then.",
        "{ json = { ok = true } }",
    ),
    later("twilio", "calls and short messages through Twilio"),
    later("account", "accounts of telephone channels"),
    later("from", "numbers of telephone channels"),
];
