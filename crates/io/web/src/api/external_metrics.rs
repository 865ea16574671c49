//! The scaling signal in the form of the external metrics API of Kubernetes, `external.metrics.k8s.io/v1beta1`, which a
//! horizontal pod autoscaler reads: discovery, and a list of values for each metric.

use super::edge::traffic;
use super::headroom::signal;
use super::json_response;
use crate::auth::may_read;
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use engine::views::Traffic;
use engine::views::scaling::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::Time;

const GROUP: &str = "external.metrics.k8s.io";
const VERSION: &str = "external.metrics.k8s.io/v1beta1";
/// Metrics by their names.
const METRICS: [(&str, Metric); 2] = [
    ("mainstay_pool_desired_servers", |signal| Some(signal.desired_servers.to_string())),
    ("mainstay_pool_utilization_ratio", |signal| signal.utilization_ratio.map(milli)),
];
/// Most pools that a selector may name.
const POOLS_MAX: usize = 100;

/// The value of a metric as a quantity of Kubernetes.
type Metric = fn(&Signal) -> Option<String>;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/apis/external.metrics.k8s.io", get(group))
        .route("/apis/external.metrics.k8s.io/v1beta1", get(resources))
        .route("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}", get(values))
}

/// A quantity in thousandths: `620m`.
fn milli(ratio: f64) -> String {
    format!("{:.0}m", ratio * 1_000.0)
}

async fn group(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    may_read(&state, &headers)?;
    let version = json!({ "groupVersion": VERSION, "version": "v1beta1" });
    json_response(&json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": GROUP,
        "versions": [version],
        "preferredVersion": version,
    }))
}

async fn resources(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    may_read(&state, &headers)?;
    let resource = |(name, _): &(&str, Metric)| {
        json!({
            "name": name,
            "singularName": "",
            "namespaced": true,
            "kind": "ExternalMetricValueList",
            "verbs": ["get"],
        })
    };
    let resources: Vec<Value> = METRICS.iter().map(resource).collect();
    json_response(&json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": VERSION,
        "resources": resources,
    }))
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default, rename = "labelSelector")]
    label_selector: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricValue {
    metric_name: String,
    metric_labels: BTreeMap<&'static str, String>,
    timestamp: Time,
    value: String,
}

/// Mainstay has no namespaces: the values are the same in each.
async fn values(
    State(state): State<Arc<WebState>>,
    Path((_, metric)): Path<(String, String)>,
    Query(Parameters { label_selector }): Query<Parameters>,
    headers: HeaderMap,
) -> JsonResult {
    may_read(&state, &headers)?;
    let Some((_, value)) = METRICS.iter().find(|(name, _)| *name == metric) else {
        let detail = format!("there is no metric `{metric}`");
        return Err(Problem::new(StatusCode::NOT_FOUND, detail, "The discovery document lists them.").into());
    };
    let pools = pools(&label_selector)?;
    let traffic = traffic(&state)?;
    let items: Vec<MetricValue> =
        pools.into_iter().map(|pool| item(&traffic, &metric, pool, *value)).collect::<Result<_, _>>()?;
    json_response(&json!({
        "kind": "ExternalMetricValueList",
        "apiVersion": VERSION,
        "metadata": {},
        "items": items,
    }))
}

/// A pool that is unknown fails the whole list: an autoscaler adds the values, and a missing one would be a 0.
fn item(traffic: &Traffic, metric: &str, pool: String, value: Metric) -> Result<MetricValue, Problem> {
    let value = value(signal(traffic, &pool)?).ok_or_else(|| {
        let detail = format!("no server of pool `{pool}` works, so that it has no utilization");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            detail,
            "mainstay_pool_desired_servers is known all the same.",
        )
    })?;
    Ok(MetricValue {
        metric_name: metric.to_owned(),
        metric_labels: [("pool", pool)].into(),
        timestamp: traffic.reported.unwrap_or(traffic.at),
        value,
    })
}

/// The pools of a label selector: `pool=auth`, `pool==auth`, `pool in (auth,shop)`.
fn pools(selector: &str) -> Result<Vec<String>, Problem> {
    let refused = || {
        let detail = format!("the label selector `{selector}` names no pool");
        Problem::new(
            StatusCode::BAD_REQUEST,
            detail,
            "Use `pool=NAME`, or `pool in (NAME,NAME)`: labelSelector=pool%3Dauth.",
        )
    };
    let rest = selector.trim().strip_prefix("pool").ok_or_else(refused)?.trim_start();
    let names: Vec<String> = if let Some(list) = rest.strip_prefix("in ").or(rest.strip_prefix("in(")) {
        let list = list.trim().trim_start_matches('(').strip_suffix(')').ok_or_else(refused)?;
        list.split(',').map(|name| name.trim().to_owned()).collect()
    } else {
        let name = rest.strip_prefix("==").or(rest.strip_prefix('=')).ok_or_else(refused)?;
        vec![name.trim().to_owned()]
    };
    let is_name = |name: &String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if names.len() > POOLS_MAX || !names.iter().all(is_name) {
        return Err(refused());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_pools() {
        for (selector, names) in [
            ("pool=auth", Some(vec!["auth"])),
            ("pool==auth", Some(vec!["auth"])),
            (" pool in (auth, shop)", Some(vec!["auth", "shop"])),
            ("pool in(auth)", Some(vec!["auth"])),
            ("", None),
            ("pool", None),
            ("pool!=auth", None),
            ("pool notin (auth)", None),
            ("pool in auth", None),
            ("app=auth", None),
            ("pool=auth,tier=1", None),
            ("pool in ()", None),
            ("poolside=auth", None),
        ] {
            let found = pools(selector).ok();
            assert_eq!(
                found,
                names.map(|names| names.into_iter().map(str::to_owned).collect()),
                "{selector}"
            );
        }
    }

    #[test]
    fn ratios_are_quantities_in_thousandths() {
        assert_eq!((milli(0.6204), milli(12.5), milli(0.0)), ("620m".into(), "12500m".into(), "0m".into()));
    }
}
