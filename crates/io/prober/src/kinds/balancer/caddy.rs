//! Caddy's admin API: upstreams with their recent failures (`/reverse_proxy/upstreams`), and the metric
//! `caddy_reverse_proxy_upstreams_healthy`, which knows active health checks and is up to 10 seconds old.
//!
//! Upstreams of all `reverse_proxy` directives are listed together; `members` says which ones count.

use super::Members;
use super::http::Http;
use super::prometheus;
use super::unusable::{Unusable, not_json};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use types::Fault;
use types::config::Series;
use types::pool::{MemberState, PoolMember};

const UPSTREAMS: &str = "/reverse_proxy/upstreams";
const METRICS: &str = "/metrics";

#[derive(Deserialize)]
struct Upstream {
    address: String,
    #[serde(default)]
    num_requests: u64,
    #[serde(default)]
    fails: u64,
    /// Caddy before 2.5.
    healthy: Option<bool>,
}

/// Asks both pages, or the one that the configuration names.
pub(super) async fn ask(http: &Http) -> Result<Members, Fault> {
    if http.has_path() {
        let body = http.get(None).await?;
        let is_json = body.trim_ascii_start().first() == Some(&b'[');
        return Ok(if is_json { upstreams(&body)? } else { healthy(&body)? });
    }
    let listed = upstreams(&http.get(Some(UPSTREAMS)).await?)?;
    // Metrics can be switched off; recent failures are known without them.
    let checked = match http.get(Some(METRICS)).await {
        Ok(body) => healthy(&body).unwrap_or_default(),
        Err(_) => Members::default(),
    };
    Ok(together(listed, &checked))
}

/// Members by their recent failures; an address that several directives have is one.
fn upstreams(body: &[u8]) -> Result<Members, Unusable> {
    // `null` while the configuration has no upstreams.
    let all: Option<Vec<Upstream>> = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let mut members: BTreeMap<String, PoolMember> = BTreeMap::new();
    for upstream in all.unwrap_or_default() {
        let is_down = upstream.healthy == Some(false) || upstream.fails > 0;
        let state = if is_down { MemberState::Down } else { MemberState::Serving };
        let why = is_down.then(|| match upstream.fails {
            0 => "its health check fails".to_owned(),
            1 => "1 recent failure".to_owned(),
            many => format!("{many} recent failures"),
        });
        let inflight = Some(upstream.num_requests);
        let member = PoolMember { why, inflight, ..PoolMember::new(upstream.address, state) };
        members.insert(member.name.clone(), member);
    }
    Ok(Members { queued: 0, members: members.into_values().collect() })
}

/// Members by the metric.
fn healthy(body: &[u8]) -> Result<Members, Unusable> {
    let series = Series {
        metric: "caddy_reverse_proxy_upstreams_healthy".to_owned(),
        labels: BTreeMap::new(),
        member_label: Some("upstream".to_owned()),
    };
    prometheus::members(body, Some(&series))
}

/// The listed members; down if either page says so.
fn together(mut listed: Members, checked: &Members) -> Members {
    let down: BTreeSet<&str> = checked
        .members
        .iter()
        .filter(|member| member.state == MemberState::Down)
        .map(|member| member.name.as_str())
        .collect();
    for member in &mut listed.members {
        if member.state == MemberState::Serving && down.contains(member.name.as_str()) {
            member.state = MemberState::Down;
            member.why = Some("its health check fails".to_owned());
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::super::states;
    use super::*;
    use proptest::prelude::*;

    /// Answers of Caddy 2.6.2 with three upstreams: one failed a request, one fails its active health check.
    const UPSTREAMS: &str = r#"[{"address":"127.0.0.1:22181","num_requests":0,"fails":0},{"address":"127.0.0.1:22182","num_requests":0,"fails":1},{"address":"127.0.0.1:22183","num_requests":3,"fails":0}]"#;
    const METRICS: &str =
        "# HELP caddy_reverse_proxy_upstreams_healthy Health status of reverse proxy upstreams.
# TYPE caddy_reverse_proxy_upstreams_healthy gauge
caddy_reverse_proxy_upstreams_healthy{upstream=\"127.0.0.1:22181\"} 1
caddy_reverse_proxy_upstreams_healthy{upstream=\"127.0.0.1:22182\"} 1
caddy_reverse_proxy_upstreams_healthy{upstream=\"127.0.0.1:22183\"} 0
";

    #[test]
    fn a_member_is_down_when_either_page_says_so() {
        let read = together(upstreams(UPSTREAMS.as_bytes()).unwrap(), &healthy(METRICS.as_bytes()).unwrap());
        insta::assert_snapshot!(states(&read), @r#"
        127.0.0.1:22181 serving None
        127.0.0.1:22182 down Some("1 recent failure")
        127.0.0.1:22183 down Some("its health check fails")
        "#);
        assert_eq!(read.members[2].inflight, Some(3));
        assert_eq!(upstreams(b"null").unwrap(), Members::default());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([{}\\[\\]:,]|\"(address|fails|a)\"|-?[0-9]{1,30}|null){0,60}", cut in 0..METRICS.len()) {
            let _ = upstreams(text.as_bytes());
            let _ = healthy(METRICS.get(..cut).unwrap_or_default().as_bytes());
        }
    }
}
