//! Traefik's API: `serverStatus` of its HTTP services (`/api/http/services`). It has a word for servers with a health check
//! only; without one every server is `UP`.

use super::Members;
use super::selection::Selection;
use super::unusable::{Unusable, not_json};
use serde::Deserialize;
use std::collections::BTreeMap;
use types::pool::{MemberState, PoolMember};

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    All(Vec<Service>),
    One(Service),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    name: String,
    #[serde(default)]
    server_status: BTreeMap<String, String>,
    load_balancer: Option<LoadBalancer>,
}

#[derive(Deserialize)]
struct LoadBalancer {
    #[serde(default)]
    servers: Vec<Server>,
}

#[derive(Deserialize)]
struct Server {
    #[serde(default)]
    url: String,
    weight: Option<u64>,
}

/// The members of a service. `api` means `api@docker` as well.
pub(super) fn members(answer: &[u8], selection: &Selection<'_>) -> Result<Members, Unusable> {
    let services = match serde_json::from_slice(answer).map_err(|error| not_json(&error))? {
        Answer::All(services) => services,
        Answer::One(service) => vec![service],
    };
    // Services of other types only refer to these.
    let balanced = || services.iter().filter(|service| service.load_balancer.is_some());
    let is = |name: &str, wanted: &str| {
        name == wanted || name.split_once('@').is_some_and(|(name, _)| name == wanted)
    };
    let own = |name: &&str| !name.ends_with("@internal");
    let chosen = selection.choose_by(balanced().map(|service| service.name.as_str()).filter(own), is)?;
    let Some(service) = balanced().find(|service| service.name == chosen) else {
        return Err(Unusable::NoPools);
    };
    let servers = service.load_balancer.iter().flat_map(|balancer| &balancer.servers);
    let mut members: BTreeMap<&str, PoolMember> = servers
        .map(|server| {
            let state = if server.weight == Some(0) { MemberState::Draining } else { MemberState::Serving };
            (server.url.as_str(), PoolMember::new(server.url.as_str(), state))
        })
        .collect();
    for (url, status) in &service.server_status {
        let member =
            members.entry(url).or_insert_with(|| PoolMember::new(url.as_str(), MemberState::Serving));
        if status != "UP" {
            member.state = MemberState::Down;
            member.why = Some(format!("its health check fails ({status})"));
        }
    }
    let members = members.into_values().map(|member| PoolMember { name: host(&member.name), ..member });
    Ok(Members { queued: 0, members: members.collect() })
}

/// The host and port of a server's URL.
fn host(url: &str) -> String {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::selection::selection;
    use super::super::states;
    use super::*;
    use proptest::prelude::*;

    /// In the shape that Traefik 2 and 3 answer with.
    const SERVICES: &str = r#"[
        {"status":"enabled","usedBy":["dashboard@internal"],"name":"dashboard@internal","provider":"internal"},
        {"loadBalancer":{"servers":[{"url":"http://172.17.0.1:3000"},{"url":"http://172.17.0.2:3000"},{"url":"http://172.17.0.3:3000","weight":0}],
          "healthCheck":{"path":"/health","timeout":"2s"},"passHostHeader":false},"status":"enabled","usedBy":["app@file"],
          "serverStatus":{"http://172.17.0.1:3000":"UP","http://172.17.0.2:3000":"DOWN"},"name":"api@file","provider":"file","type":"loadbalancer"},
        {"weighted":{"services":[{"name":"api","weight":1}]},"status":"enabled","name":"split@file","provider":"file","type":"weighted"},
        {"loadBalancer":{"servers":[{"url":"http://172.17.0.9:80"}]},"status":"enabled","name":"web@docker","provider":"docker","type":"loadbalancer"}]"#;

    #[test]
    fn statuses_are_read() {
        for backend in [None, Some("api"), Some("api@file")] {
            let read = members(SERVICES.as_bytes(), &selection(backend)).unwrap();
            insta::allow_duplicates! {
                insta::assert_snapshot!(states(&read), @r#"
                172.17.0.1:3000 serving None
                172.17.0.2:3000 down Some("its health check fails (DOWN)")
                172.17.0.3:3000 draining None
                "#);
            }
        }
        let error = members(SERVICES.as_bytes(), &selection(Some("split"))).unwrap_err().to_string();
        assert_eq!(error, "has no pool `split`; it has api@file, web@docker: set `backend`");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([{}\\[\\]:,]|\"(name|api|serverStatus|loadBalancer|servers|url)\"|-?[0-9]{1,30}|null){0,60}", cut in 0..SERVICES.len()) {
            let _ = members(text.as_bytes(), &selection(None));
            let _ = members(SERVICES.get(..cut).unwrap_or_default().as_bytes(), &selection(None));
        }
    }
}
