//! The part of every drill's configuration that is the same: who is on call, how the phone rings, the status page.

/// One person, who is step again after `wait_secs`, over the webhook at `phone`.
pub(crate) fn config(wait_secs: u64, phone: &str) -> String {
    format!(
        r#"
[person.ana]
name = "Ana"
zone = "Europe/Tallinn"
reach = ["phone:ana"]

[rota.platform]
zone = "Europe/Tallinn"

[[rota.platform.layer]]
people = ["ana"]
start = 2026-01-05T09:00:00
every = "1 week"

[ladder.default]
steps = [{{ schedules = ["platform"], wait = "{wait_secs}s" }}]
repeat = 3
fallback = ["phone:reception"]

[channel.phone]
webhook = "{phone}"

[status page]
title = "Acme status"
"#
    )
}

/// A TOML basic string. JSON's escapes are all among TOML's.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
