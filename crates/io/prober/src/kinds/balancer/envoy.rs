//! Envoy's admin interface: `/clusters?format=json` (message `envoy.admin.v3.Clusters`). Fields with default values are absent.

use super::Members;
use super::selection::Selection;
use super::unusable::{Unusable, not_json};
use serde::Deserialize;
use types::pool::{MemberState, PoolMember};

#[derive(Deserialize)]
struct Clusters {
    #[serde(default)]
    cluster_statuses: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    #[serde(default)]
    name: String,
    #[serde(default)]
    host_statuses: Vec<Host>,
    #[serde(default)]
    circuit_breakers: Breakers,
}

#[derive(Default, Deserialize)]
struct Breakers {
    #[serde(default)]
    thresholds: Vec<Threshold>,
}

#[derive(Deserialize)]
struct Threshold {
    /// Absent for the default priority.
    priority: Option<String>,
    max_requests: Option<u64>,
}

#[derive(Deserialize)]
struct Host {
    #[serde(default)]
    address: Address,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    stats: Vec<Stat>,
    #[serde(default)]
    health_status: Health,
    #[serde(default)]
    priority: u32,
    weight: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Address {
    socket_address: Option<SocketAddress>,
    pipe: Option<Pipe>,
}

#[derive(Deserialize)]
struct SocketAddress {
    address: String,
    #[serde(default)]
    port_value: u16,
}

#[derive(Deserialize)]
struct Pipe {
    path: String,
}

#[derive(Deserialize)]
struct Stat {
    #[serde(default)]
    name: String,
    /// 64-bit numbers are strings in this JSON.
    #[serde(default)]
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Health {
    failed_active_health_check: bool,
    failed_outlier_check: bool,
    pending_dynamic_removal: bool,
    pending_active_hc: bool,
    excluded_via_immediate_hc_fail: bool,
    active_hc_timeout: bool,
    eds_health_status: String,
}

/// The members of a cluster.
pub(super) fn members(answer: &[u8], selection: &Selection<'_>) -> Result<Members, Unusable> {
    let clusters: Clusters = serde_json::from_slice(answer).map_err(|error| not_json(&error))?;
    let chosen = selection.choose(clusters.cluster_statuses.iter().map(|cluster| cluster.name.as_str()))?;
    let cluster = clusters.cluster_statuses.iter().find(|cluster| cluster.name == chosen);
    let Some(cluster) = cluster else { return Err(Unusable::NoPools) };
    let hosts = &cluster.host_statuses;
    let usual = cluster
        .circuit_breakers
        .thresholds
        .iter()
        .find(|at| at.priority.as_deref().is_none_or(|at| at == "DEFAULT"));
    // The limit is that of the cluster: each of n hosts gets an nth of it.
    let hosts_count = u64::try_from(hosts.len()).unwrap_or(u64::MAX).max(1);
    let limit = usual.and_then(|at| at.max_requests).map(|max| (max / hosts_count).max(1));
    let first = hosts.iter().map(|host| host.priority).min().unwrap_or_default();
    let members = hosts.iter().map(|host| member(host, first, limit)).collect();
    Ok(Members { queued: 0, members })
}

fn member(host: &Host, first_priority: u32, limit: Option<u64>) -> PoolMember {
    let name = match (&host.address.socket_address, &host.address.pipe) {
        (Some(at), _) if at.address.contains(':') => format!("[{}]:{}", at.address, at.port_value),
        (Some(at), _) => format!("{}:{}", at.address, at.port_value),
        (None, Some(pipe)) => pipe.path.clone(),
        (None, None) => host.hostname.clone(),
    };
    let (state, why) = state(&host.health_status, host.weight);
    let stat = |name: &str| host.stats.iter().find(|stat| stat.name == name);
    let number = |name: &str| stat(name).map(|stat| stat.value.parse().unwrap_or_default());
    PoolMember {
        backup: host.priority > first_priority,
        why,
        work: number("rq_total"),
        inflight: number("rq_active"),
        limit,
        ..PoolMember::new(name, state)
    }
}

/// The state by the flags of health, the worst of them first.
fn state(health: &Health, weight: Option<u64>) -> (MemberState, Option<String>) {
    let down = |why: &str| (MemberState::Down, Some(why.to_owned()));
    match health.eds_health_status.as_str() {
        "UNHEALTHY" | "TIMEOUT" => return down("its discovery service says that it is unhealthy"),
        "DRAINING" => return (MemberState::Draining, Some("its discovery service drains it".to_owned())),
        _ => {}
    }
    match health {
        health if health.failed_active_health_check && health.pending_active_hc => {
            (MemberState::Checking, None)
        }
        Health { pending_dynamic_removal: true, .. } => {
            (MemberState::Draining, Some("it is being removed (pending_dynamic_removal)".to_owned()))
        }
        Health { excluded_via_immediate_hc_fail: true, .. } => {
            down("it asks not to be used (excluded_via_immediate_hc_fail)")
        }
        Health { active_hc_timeout: true, failed_active_health_check: true, .. } => {
            down("its health check times out (active_hc_timeout)")
        }
        Health { failed_active_health_check: true, .. } => {
            down("its health check fails (failed_active_health_check)")
        }
        Health { failed_outlier_check: true, .. } => {
            down("too many of its requests fail (failed_outlier_check)")
        }
        _ if weight == Some(0) => (MemberState::Draining, None),
        _ => (MemberState::Serving, None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::selection::selection;
    use super::*;
    use proptest::prelude::*;

    /// In the shape of the documentation of its admin interface.
    const CLUSTERS: &str = r#"{"cluster_statuses":[
        {"name":"api","added_via_api":true,
         "circuit_breakers":{"thresholds":[{"max_connections":1024,"max_pending_requests":1024,"max_requests":60,"max_retries":3},{"priority":"HIGH","max_requests":1024}]},
         "host_statuses":[
          {"address":{"socket_address":{"address":"10.0.0.1","port_value":8080}},"stats":[{"name":"cx_active","type":"GAUGE"},{"value":"12","name":"rq_total"},{"type":"GAUGE","value":"10","name":"rq_active"}],
           "health_status":{"eds_health_status":"HEALTHY"},"weight":1,"locality":{}},
          {"address":{"socket_address":{"address":"10.0.0.2","port_value":8080}},"stats":[{"name":"rq_total"}],
           "health_status":{"failed_active_health_check":true,"active_hc_timeout":true,"eds_health_status":"HEALTHY"},"weight":1},
          {"address":{"socket_address":{"address":"10.0.0.3","port_value":8080}},"health_status":{"failed_outlier_check":true},"weight":1},
          {"address":{"socket_address":{"address":"fd00::4","port_value":8080}},"health_status":{"eds_health_status":"DRAINING"},"weight":1},
          {"address":{"socket_address":{"address":"10.0.0.5","port_value":8080}},"health_status":{"failed_active_health_check":true,"pending_active_hc":true},"weight":1},
          {"address":{"pipe":{"path":"/run/spare.sock"}},"health_status":{},"priority":1,"weight":1}]},
        {"name":"web","host_statuses":[]}]}"#;

    #[test]
    fn flags_are_read() {
        let read = members(CLUSTERS.as_bytes(), &selection(None)).unwrap();
        let words: Vec<String> = read
            .members
            .iter()
            .map(|member| {
                format!("{} {} {} {:?}", member.name, member.backup, member.state.as_str(), member.why)
            })
            .collect();
        insta::assert_snapshot!(words.join("\n"), @r#"
        10.0.0.1:8080 false serving None
        10.0.0.2:8080 false down Some("its health check times out (active_hc_timeout)")
        10.0.0.3:8080 false down Some("too many of its requests fail (failed_outlier_check)")
        [fd00::4]:8080 false draining Some("its discovery service drains it")
        10.0.0.5:8080 false not checked yet None
        /run/spare.sock true serving None
        "#);
        let [one, two, ..] = read.members.as_slice() else { panic!() };
        assert_eq!((one.work, one.inflight, one.limit), (Some(12), Some(10), Some(10)));
        assert_eq!((two.work, two.inflight), (Some(0), None), "a counter of 0 has no value");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([{}\\[\\]:,]|\"(cluster_statuses|name|api|host_statuses|stats)\"|-?[0-9]{1,30}|true){0,60}", cut in 0..CLUSTERS.len()) {
            let _ = members(text.as_bytes(), &selection(None));
            let _ = members(CLUSTERS.get(..cut).unwrap_or_default().as_bytes(), &selection(None));
        }
    }
}
