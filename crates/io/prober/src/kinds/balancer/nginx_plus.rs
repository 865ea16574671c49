//! nginx Plus: upstreams of its API (`/api/9/http/upstreams`, or one of them).

use super::Members;
use super::selection::Selection;
use super::unusable::{Unusable, not_json};
use serde::Deserialize;
use std::collections::BTreeMap;
use types::Time;
use types::pool::{MemberState, PoolMember};

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    One(Upstream),
    All(BTreeMap<String, Upstream>),
}

#[derive(Deserialize)]
struct Upstream {
    peers: Vec<Peer>,
    #[serde(default)]
    queue: Queue,
}

#[derive(Default, Deserialize)]
struct Queue {
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
struct Peer {
    server: String,
    state: String,
    #[serde(default)]
    backup: bool,
    active: Option<u64>,
    max_conns: Option<u64>,
    requests: Option<u64>,
    downstart: Option<String>,
    #[serde(default)]
    fails: u64,
    #[serde(default)]
    health_checks: Checks,
}

#[derive(Default, Deserialize)]
struct Checks {
    last_passed: Option<bool>,
}

/// The members of an upstream.
pub(super) fn members(answer: &[u8], selection: &Selection<'_>) -> Result<Members, Unusable> {
    let upstream = match serde_json::from_slice(answer).map_err(|error| not_json(&error))? {
        Answer::One(upstream) => upstream,
        Answer::All(mut all) => {
            let chosen = selection.choose(all.keys().map(String::as_str))?.to_owned();
            all.remove(&chosen).ok_or(Unusable::NoPools)?
        }
    };
    Ok(Members { queued: upstream.queue.size, members: upstream.peers.into_iter().map(member).collect() })
}

fn member(peer: Peer) -> PoolMember {
    let state = match peer.state.as_str() {
        "up" => MemberState::Serving,
        "draining" => MemberState::Draining,
        // Marked so in the configuration or by the API.
        "down" => MemberState::Maintenance,
        "checking" => MemberState::Checking,
        _ => MemberState::Down,
    };
    let why =
        (state == MemberState::Down).then(|| match (peer.state.as_str(), peer.health_checks.last_passed) {
            ("unhealthy", _) | (_, Some(false)) => format!("{}: its health check fails", peer.state),
            _ => format!("{}: {} failed requests", peer.state, peer.fails),
        });
    let since = peer.downstart.and_then(|at| at.parse::<Time>().ok()).filter(|_| state == MemberState::Down);
    PoolMember {
        backup: peer.backup,
        why,
        since,
        work: peer.requests,
        inflight: peer.active,
        limit: peer.max_conns.filter(|max| *max > 0),
        ..PoolMember::new(peer.server, state)
    }
}

#[cfg(test)]
mod tests {
    use super::super::selection::selection;
    use super::*;
    use proptest::prelude::*;

    /// In the shape of the reference of its API, version 9.
    const ALL: &str = r#"{
        "api": {"peers": [
            {"id": 0, "server": "10.0.0.1:8088", "name": "10.0.0.1:8088", "backup": false, "weight": 5, "state": "up", "active": 19, "max_conns": 20,
             "requests": 667231, "responses": {"2xx": 666310}, "fails": 0, "unavail": 0, "health_checks": {"checks": 26214, "fails": 0, "unhealthy": 0, "last_passed": true},
             "downtime": 0, "selected": "2022-06-28T15:01:25Z"},
            {"id": 1, "server": "10.0.0.2:8088", "name": "10.0.0.2:8088", "backup": false, "weight": 1, "state": "unhealthy", "active": 0, "requests": 7, "fails": 3,
             "health_checks": {"checks": 26284, "fails": 26284, "unhealthy": 1, "last_passed": false}, "downtime": 262925617, "downstart": "2022-06-28T11:09:21.602Z"},
            {"id": 2, "server": "10.0.0.3:8088", "name": "10.0.0.3:8088", "backup": true, "weight": 1, "state": "unavail", "fails": 12, "health_checks": {}},
            {"id": 3, "server": "10.0.0.4:8088", "name": "10.0.0.4:8088", "backup": false, "state": "down"},
            {"id": 4, "server": "10.0.0.5:8088", "name": "10.0.0.5:8088", "backup": false, "state": "draining"},
            {"id": 5, "server": "10.0.0.6:8088", "name": "10.0.0.6:8088", "backup": false, "state": "checking"}],
          "keepalive": 0, "zombies": 0, "zone": "api", "queue": {"size": 4, "max_size": 100, "overflows": 0}},
        "web": {"peers": [], "keepalive": 0, "zombies": 0, "zone": "web"}}"#;

    #[test]
    fn every_state_is_read() {
        let read = members(ALL.as_bytes(), &selection(None)).unwrap();
        let words: Vec<String> = read
            .members
            .iter()
            .map(|member| {
                format!("{} {} {:?} {:?}", member.name, member.state.as_str(), member.why, member.since)
            })
            .collect();
        insta::assert_snapshot!(words.join("\n"), @r#"
        10.0.0.1:8088 serving None None
        10.0.0.2:8088 down Some("unhealthy: its health check fails") Some(2022-06-28T11:09:21.602Z)
        10.0.0.3:8088 down Some("unavail: 12 failed requests") None
        10.0.0.4:8088 in maintenance None None
        10.0.0.5:8088 draining None None
        10.0.0.6:8088 not checked yet None None
        "#);
        let first = &read.members[0];
        assert_eq!((first.inflight, first.limit, first.work), (Some(19), Some(20), Some(667_231)));
        assert_eq!((read.queued, read.members[2].backup), (4, true));
    }

    #[test]
    fn one_upstream_by_itself_and_none() {
        let one = br#"{"peers":[{"server":"a","state":"up"}],"zone":"api"}"#;
        assert_eq!(members(one, &selection(Some("api"))).unwrap().members.len(), 1);
        let error = members(ALL.as_bytes(), &selection(Some("x"))).unwrap_err().to_string();
        assert_eq!(error, "has no pool `x`; it has api, web: set `backend`");
        assert!(members(br#"{"error":{"status":404}}"#, &selection(None)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([{}\\[\\]:,]|\"(peers|server|state|up|api)\"|[0-9]{1,30}|null){0,60}", cut in 0..ALL.len()) {
            let _ = members(text.as_bytes(), &selection(None));
            let _ = members(ALL.get(..cut).unwrap_or_default().as_bytes(), &selection(None));
        }
    }
}
