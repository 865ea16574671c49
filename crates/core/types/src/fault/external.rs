//! Alerts of other systems, and their silence.

use crate::Time;
use crate::shown::clean;
use crate::time::spoken;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use text::number::counted;
use thiserror::Error;

/// An alert that another system reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("has the alert {name}{}", summary.as_ref().map(|summary| format!(": {summary}")).unwrap_or_default())]
pub struct ExternalAlert {
    /// Name of the source in the configuration.
    pub reporter: String,
    /// What identifies it there.
    pub key: String,
    /// Its name there.
    pub name: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What is wrong, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Link to what is to be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Link to it at its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// While it fires, the source reports it again within this time; `None` where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated_within: Option<Duration>,
}

impl ExternalAlert {
    /// Its labels, shortest form: `instance=db1:9100, job=node`.
    #[must_use]
    pub fn labels_text(&self) -> String {
        let shown = self.labels.iter().filter(|(name, _)| *name != "alertname");
        text::list::commas_or_more(shown.map(|(name, value)| format!("{name}={value}")), 12)
    }

    pub(crate) fn clean(&mut self) {
        let texts = [&mut self.reporter, &mut self.key, &mut self.name].into_iter();
        let more = [&mut self.summary, &mut self.description, &mut self.runbook, &mut self.link];
        texts.chain(more.into_iter().flatten()).chain(self.labels.values_mut()).for_each(clean);
    }
}

/// A source that reports nothing although it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error(
    "has reported nothing since {}{}",
    since.strftime("%Y-%m-%d %H:%M UTC"),
    open(*unconfirmed, *expected_within)
)]
pub struct SourceSilent {
    /// Its last report, or since when one is expected.
    pub since: Time,
    /// Its alerts that are open and no longer confirmed.
    #[serde(default)]
    pub unconfirmed: u32,
    /// It reports something at least this often, by the configuration.
    #[serde(default)]
    pub expected_within: Option<Duration>,
}

fn open(unconfirmed: u32, expected_within: Option<Duration>) -> String {
    let alerts = counted(unconfirmed as usize, "alert");
    match (alerts, expected_within) {
        (Some(alerts), _) if unconfirmed > 0 => {
            format!(
                "; whether {alerts} of it still fire{} is not known",
                if unconfirmed == 1 { "s" } else { "" }
            )
        }
        (_, Some(within)) => format!(", and should do so every {}", spoken(within)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> ExternalAlert {
        ExternalAlert {
            reporter: "prometheus".into(),
            key: "ab".into(),
            name: "HighErrorRate".into(),
            labels: [("alertname", "HighErrorRate"), ("job", "api"), ("zone", "a")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            summary: Some("5 % of requests fail".into()),
            description: None,
            runbook: None,
            link: None,
            repeated_within: Some(Duration::from_secs(240)),
        }
    }

    #[test]
    fn text_names_the_alert_and_what_it_says() {
        assert_eq!(alert().to_string(), "has the alert HighErrorRate: 5 % of requests fail");
        assert_eq!(ExternalAlert { summary: None, ..alert() }.to_string(), "has the alert HighErrorRate");
        assert_eq!(alert().labels_text(), "job=api, zone=a");
        let mut hostile = ExternalAlert { summary: Some("a\u{202e}b".into()), ..alert() };
        hostile.clean();
        assert!(!hostile.to_string().contains('\u{202e}'), "{hostile}");
    }

    #[test]
    fn alert_is_read_as_it_was_written() {
        let json = serde_json::to_string(&alert()).unwrap();
        assert_eq!(serde_json::from_str::<ExternalAlert>(&json).unwrap(), alert());
        let least = r#"{"reporter":"a","key":"b","name":"c"}"#;
        assert_eq!(serde_json::from_str::<ExternalAlert>(least).unwrap().repeated_within, None);
    }

    #[test]
    fn silence_says_what_is_not_known() {
        let since = "2026-12-01T03:00:00Z".parse().unwrap();
        let silent = |unconfirmed, expected_within| SourceSilent { since, unconfirmed, expected_within };
        let cases = [
            (silent(1, None), "; whether 1 alert of it still fires is not known"),
            (silent(3, None), "; whether 3 alerts of it still fire is not known"),
            (silent(0, Some(Duration::from_secs(300))), ", and should do so every 5 min"),
        ];
        for (fault, end) in cases {
            assert_eq!(fault.to_string(), format!("has reported nothing since 2026-12-01 03:00 UTC{end}"));
        }
    }
}
