//! The part of every drill's configuration that is the same: who is on call, how the phone rings, the status page.

/// One person, who is step again after `wait_secs`, over the webhook at `phone`.
pub(crate) fn config(wait_secs: u64, phone: &str) -> String {
    format!(
        r#"
[person.ana]
name = "Ana"
timezone = "Europe/Tallinn"
contacts = ["phone:ana"]

[schedule.platform]
timezone = "Europe/Tallinn"

[[schedule.platform.layer]]
people = ["ana"]
start = 2026-01-05T09:00:00
rotation = "1 week"

[escalation.default]
steps = [{{ schedules = ["platform"], escalate_after = "{wait_secs}s" }}]
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
