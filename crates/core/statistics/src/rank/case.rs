//! The facts that are ranked: metrics of each node before and during a disturbance.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Values at equal steps, oldest first; `None` is a missing sample.
pub type Series = Vec<Option<f64>>;

/// Series by name: of a node its metrics, of [`Calls`] the pairs `caller->callee`.
pub type Metrics = BTreeMap<String, Series>;

/// One disturbance. The JSON form has the same names; fields that are not listed here are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Case {
    /// Any name, returned with the result.
    pub id: String,
    /// Candidates. Nodes with metrics, and callees with caller-side latency, are candidates too.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Pairs of caller and callee. Cycles are allowed.
    #[serde(default)]
    pub calls: Vec<(String, String)>,
    /// Where the disturbance was noticed.
    pub target: Target,
    /// Nodes at which a disturbance shows and does not begin: they are ranked, and never make the verdict.
    #[serde(default)]
    pub entrances: Vec<String>,
    /// Values before, by node and metric. What a metric means is read from its name: [`super::MetricKind::of`].
    #[serde(default, deserialize_with = "nodes_or_null")]
    pub baseline: BTreeMap<String, Metrics>,
    /// Values during the disturbance, by node and metric.
    #[serde(default, deserialize_with = "nodes_or_null")]
    pub incident: BTreeMap<String, Metrics>,
    /// p50 of the latency of each call in seconds as its caller sees it, for example from the edge.
    #[serde(default)]
    pub call_p50_seconds: Option<Calls>,
}

/// The metric whose disturbance is to be explained.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Target {
    /// A node, usually the entrance.
    pub node: String,
    /// One of its metrics.
    pub metric: String,
}

/// Caller-side latency by `caller->callee`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Calls {
    /// Before.
    #[serde(default, deserialize_with = "metrics_or_null")]
    pub baseline: Metrics,
    /// During the disturbance.
    #[serde(default, deserialize_with = "metrics_or_null")]
    pub incident: Metrics,
}

/// Metrics as exporters write them: null for what they did not find.
type MetricsOrNull = Option<BTreeMap<String, Option<Series>>>;

/// Reads null as nothing, also in place of a node's metrics or of a series.
fn nodes_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Metrics>, D::Error> {
    let nodes: Option<BTreeMap<String, MetricsOrNull>> = Deserialize::deserialize(from)?;
    Ok(nodes.unwrap_or_default().into_iter().map(|(node, metrics)| (node, present(metrics))).collect())
}

fn metrics_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Metrics, D::Error> {
    Ok(present(Deserialize::deserialize(from)?))
}

fn present(metrics: MetricsOrNull) -> Metrics {
    metrics.unwrap_or_default().into_iter().map(|(name, series)| (name, series.unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_read_as_nothing() {
        let text = r#"{"id": "1", "target": {"node": "a", "metric": "latency"}, "truth": 1, "call_p50_seconds": null,
            "baseline": {"a": {"latency": [1, null, 2.5], "cpu": null}, "b": null}, "incident": null}"#;
        let case: Case = serde_json::from_str(text).unwrap();
        assert_eq!(case.baseline["a"]["latency"], [Some(1.0), None, Some(2.5)]);
        assert!(
            case.baseline["a"]["cpu"].is_empty() && case.baseline["b"].is_empty() && case.incident.is_empty()
        );
    }
}
