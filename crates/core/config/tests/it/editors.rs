//! The JSON Schema and the reference page have every supported key, and no other.

use crate::valid;
use insta::assert_snapshot;

#[test]
fn schema_has_sections_and_keys() {
    let schema = config::schema();
    let service = &schema["properties"]["service"]["additionalProperties"];
    assert_eq!(service["properties"]["hosts"]["items"]["type"], "string");
    assert_eq!(service["additionalProperties"], false);
    let pool = &schema["properties"]["pool"]["additionalProperties"]["properties"];
    let channel = &schema["properties"]["channel"]["additionalProperties"]["properties"];
    assert_eq!(channel["medium"]["enum"][0], "call");
    let probe = &schema["properties"]["probe"]["additionalProperties"]["properties"];
    assert!(probe.get("postgres").is_none(), "unsupported keys are not offered");
    let server = &pool["servers"]["items"]["anyOf"];
    assert_eq!((&server[0]["type"], &server[1]["required"][0]), (&"string".into(), &"at".into()));
    let limit = &service["properties"]["traffic"]["properties"]["limit"]["properties"]["client"];
    assert_eq!(limit["anyOf"][1]["properties"]["burst"]["minimum"], 1);
    assert_eq!(schema["properties"]["escalation"]["additionalProperties"]["required"][0], "steps");
    assert_eq!(schema["properties"]["probe_defaults"]["properties"]["failure_threshold"]["minimum"], 1);
}

#[test]
fn reference_is_complete_and_its_tables_are_well_formed() {
    let reference = config::reference();
    for section in config::schema()["properties"].as_object().unwrap().keys() {
        assert!(reference.contains(&format!("## [{section}")), "{section}");
    }
    for line in reference.lines().filter(|line| line.starts_with('|')) {
        let bars = line.replace("\\|", "").matches('|').count();
        assert_eq!(bars, 6, "{line}");
    }
    let later = reference.split("## Not supported by this version").nth(1).unwrap().trim();
    assert_snapshot!(later, @r"
    These are rejected, never ignored silently.

    - `postgres` in `[probe.NAME]`: queries to a database
    - `plugin` in `[probe.NAME]`: Nagios plugins as probes
    - `webhook` in `[source.NAME]`: alerts in any JSON
    ");
}

/// A pool has servers, or a load balancer that is asked for them by these keys.
const OF_BALANCER: [&str; 9] =
    ["from", "backend", "members", "metric", "member_label", "token", "login", "ca_file", "interval"];

/// All examples of the reference page together are a valid configuration.
#[test]
fn examples_of_the_reference_are_valid() {
    let reference = config::reference();
    let mut text = String::new();
    let mut skip = false;
    for line in reference.lines() {
        if let Some(section) = line.strip_prefix("## ") {
            let names = [
                ("service.NAME", "service.auth"),
                ("schedule.NAME", "schedule.platform"),
                ("escalation.NAME", "escalation.default"),
                ("person.NAME", "person.ana"),
                ("channel.NAME", "channel.ntfy"),
                ("domain.\"DOMAIN\"", "domain.\"acme.app\""),
                ("probe.NAME", "probe.checkout"),
                ("database.NAME", "database.main"),
                ("pool.NAME", "pool.auth"),
                ("caller.NAME", "caller.auth-web"),
            ];
            let section = names.iter().fold(section.to_owned(), |text, (from, to)| text.replace(from, to));
            skip = !section.starts_with('[');
            if !skip {
                text.push_str(&format!("{section}\n"));
            }
        } else if line.starts_with("### ") {
            skip = true;
        } else if let Some(example) =
            line.strip_suffix("` |").and_then(|line| line.rsplit_once(" | `")).filter(|_| !skip)
        {
            // A probe has one target, a channel one type, a heartbeat one schedule.
            let other = [
                "cron =",
                "tcp =",
                "dns =",
                "tls =",
                "domain =",
                "nut =",
                "login =",
                "webhook =",
                "smtp =",
                "from =",
                "twilio =",
                "account =",
                "medium =",
                "slack =",
                "discord =",
                "teams =",
                "telegram =",
            ];
            let is_other =
                (text.contains("[probe.") || text.contains("[channel.")) && !text.contains("[status_page]");
            let is_of_balancer = text.rsplit_once("[pool.").is_some_and(|(_, rest)| !rest.contains("\n["))
                && OF_BALANCER.iter().any(|word| example.1.starts_with(&format!("{word} =")));
            let is_second = is_other && other.iter().any(|word| example.1.starts_with(word));
            if !is_second && !is_of_balancer {
                text.push_str(&format!("{}\n", example.1));
            }
        }
    }
    for name in ["bo", "cto"] {
        text.push_str(&format!("[person.{name}]\ncontacts = [\"ntfy:{name}\"]\n"));
    }
    text.push_str("[channel.mail]\nsmtp = \"smtps://relay.acme.net\"\nfrom = \"status@acme.net\"\n");
    text.push_str("[service.mail]\nhosts = [\"mail.acme.com\"]\n");
    assert!(text.lines().count() > 60, "{text}");
    valid(&text);
}
