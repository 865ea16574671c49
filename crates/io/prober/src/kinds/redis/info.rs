//! The reply of `INFO` as facts: lines of `key:value` in sections.

use std::collections::BTreeMap;
use std::time::Duration;
use types::Fault;
use types::database::{
    Connections, Encryption, Memory, NodeAnswer, NodeFacts, Position, Reading, Role, Sessions, Standby,
    Standbys, Upstream, Work,
};

/// Replicas that are reported.
const STANDBYS_MAX: usize = 100;

/// The facts of a reply.
pub(super) fn facts(reply: &str, encryption: &Encryption) -> Result<NodeAnswer, NodeAnswer> {
    let fields: BTreeMap<&str, &str> =
        reply.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let number = |key: &str| fields.get(key).and_then(|value| value.parse::<u64>().ok());
    let (Some(version), Some(role)) = (fields.get("redis_version"), fields.get("role")) else {
        return Err(NodeAnswer::Failed(Fault::Garbage {
            why: "its INFO has no redis_version and role".to_owned(),
        }));
    };
    let (product, version) = match fields.get("valkey_version") {
        Some(version) => ("Valkey", version),
        None => ("Redis", version),
    };
    let replica = *role == "slave";
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let connections = number("connected_clients").zip(number("maxclients"));
    let memory = number("used_memory").zip(number("maxmemory"));
    let offset = number(if replica { "slave_repl_offset" } else { "master_repl_offset" });
    let work = number("total_commands_processed").filter(|_| !replica);
    let mut facts = NodeFacts {
        version: text::truncate::chars(&format!("{product} {version}"), 100),
        role: if replica { Role::Replica } else { Role::Primary },
        encryption: encryption.clone(),
        uptime: Duration::from_secs(number("uptime_in_seconds").unwrap_or_default()),
        connections: Reading::from(connections.map(|(used, max)| Connections {
            used: small(used),
            max: small(max),
            reserved: 0,
            refused: number("rejected_connections"),
        })),
        memory: Reading::from(memory.map(|(used, max)| Memory {
            used,
            max,
            evicted: number("evicted_keys").unwrap_or_default(),
            evicts: fields.get("maxmemory_policy").is_some_and(|policy| *policy != "noeviction"),
        })),
        position: Reading::from(offset.map(|bytes| Position { bytes, ..Position::default() })),
        // A replica counts the commands of its primary as well.
        work: Reading::from(work.map(|transactions| Work { transactions, ..Work::default() })),
        ..NodeFacts::default()
    };
    let blocked = number("blocked_clients").map(small);
    facts.sessions =
        Reading::from(blocked.map(|waiting| Sessions { waiting_for_lock: waiting, ..Sessions::default() }));
    if replica {
        let from = fields.get("master_host").zip(number("master_port"));
        facts.upstream = Reading::Known(Upstream {
            streaming: fields.get("master_link_status") == Some(&"up"),
            from: from.map(|(host, port)| text::truncate::chars(&format!("{host}:{port}"), 100)),
            ..Upstream::default()
        });
    } else {
        let written = offset.unwrap_or_default();
        let replicas = (0..STANDBYS_MAX).map_while(|place| fields.get(format!("slave{place}").as_str()));
        let connected = replicas.map(|line| standby(line, written)).collect();
        facts.standbys = Reading::Known(Standbys { synchronous: String::new(), connected });
    }
    Ok(NodeAnswer::Facts(Box::new(facts)))
}

/// `ip=10.0.0.2,port=6379,state=online,offset=1288,lag=0`.
fn standby(line: &str, written: u64) -> Standby {
    let fields: BTreeMap<&str, &str> = line.split(',').filter_map(|field| field.split_once('=')).collect();
    let field = |key| fields.get(key).copied().unwrap_or_default();
    let offset = field("offset").parse::<u64>().ok();
    Standby {
        name: text::truncate::chars(&format!("{}:{}", field("ip"), field("port")), 100),
        state: text::truncate::chars(field("state"), 100),
        sync_state: "async".to_owned(),
        lag_bytes: offset.map(|offset| written.saturating_sub(offset)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reply_of_a_primary_is_read() {
        let reply = "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:61\r\n# Clients\r\nconnected_clients:9\r\nmaxclients:10\r\n\
             # Memory\r\nused_memory:900\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction\r\n# Stats\r\ntotal_commands_processed:5\r\n\
             # Replication\r\nrole:master\r\nmaster_repl_offset:1300\r\nslave0:ip=::1,port=6380,state=online,offset=1200,lag=1\r\n";
        let Ok(NodeAnswer::Facts(facts)) = facts(reply, &Encryption::Plain) else { panic!() };
        assert_eq!((facts.version.as_str(), facts.role), ("Redis 7.0.15", Role::Primary));
        assert_eq!(facts.connections.known().unwrap().percent(), 90);
        let memory = facts.memory.known().unwrap();
        assert_eq!((memory.used, memory.max, memory.evicts), (900, 1_000, false));
        let standby = &facts.standbys.known().unwrap().connected[0];
        assert_eq!((standby.name.as_str(), standby.lag_bytes), ("::1:6380", Some(100)));
    }

    proptest! {
        #[test]
        fn any_reply_is_read_or_refused(reply in "(redis_version|role|slave0|maxclients|[a-z_]{1,9}|:|=|,|-?[0-9]{1,30}|\r\n){0,60}") {
            let _ = facts(&reply, &Encryption::Plain);
        }
    }
}
