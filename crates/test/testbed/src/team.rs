//! The sections of the configuration that all fixtures share: on-call, the phone channel, the status page.

/// One person, paged again after `wait_secs` over the webhook at `phone`.
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

[status_page]
title = "Acme status"
"#
    )
}

/// A TOML basic string. All escapes of JSON are valid in TOML.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
