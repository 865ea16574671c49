//! Alerts that other systems report.

use crate::Time;
use std::collections::BTreeMap;

/// Most labels of an alert that are kept.
pub const LABELS_MAX: usize = 32;
/// Maximum length of a label's value, in characters.
pub const LABEL_MAX: usize = 200;
/// Maximum length of the summary of an alert, in characters.
pub const SUMMARY_MAX: usize = 200;
/// Maximum length of the description of an alert, in characters.
pub const DESCRIPTION_MAX: usize = 1_000;
/// Open alerts of one source that are followed; more are refused.
pub const OPEN_MAX: usize = 20_000;

/// One report of another system about one of its alerts, with texts that are cut and safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertReport {
    /// What identifies the alert at its source.
    pub key: String,
    /// Its name there: `HighErrorRate`.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Severity as the source writes it.
    pub severity: Option<String>,
    /// What is wrong, in one line.
    pub summary: Option<String>,
    /// More about it.
    pub description: Option<String>,
    /// Link to what is to be done about it.
    pub runbook: Option<String>,
    /// Link to the alert at its source.
    pub link: Option<String>,
    /// When it began.
    pub since: Option<Time>,
    /// What the source says about it.
    pub state: ReportState,
}

/// State of an alert at its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportState {
    /// It fires until the source resolves it.
    #[default]
    Firing,
    /// It fires, and the source reports it again before this time for as long as it does, as Prometheus does. A time in the past means
    /// that it is resolved.
    Until(Time),
    /// A person works on it.
    Acknowledged,
    /// It fires no more.
    Resolved,
}
