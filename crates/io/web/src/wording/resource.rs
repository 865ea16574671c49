//! Names of resources.

use engine::views::Node;
use std::borrow::Cow;
use types::Kind;

/// Name of a node of the graph: a service has its title.
pub(crate) fn label(node: &Node) -> Cow<'_, str> {
    let name = node.resource.name.as_str();
    match node.resource.kind {
        Kind::Service => node.title.as_deref().unwrap_or(name).into(),
        Kind::Host | Kind::Probe => name.into(),
        Kind::Pool => format!("servers of {name}").into(),
        Kind::Database => format!("database {name}").into(),
        Kind::Tls => format!("certificate of {name}").into(),
        Kind::Address => format!("server at {name}").into(),
        Kind::Heartbeat => format!("job {name}").into(),
        Kind::Source => format!("alerts of {name}").into(),
        Kind::Location => format!("location {name}").into(),
        Kind::Dns => format!("name servers of {name}").into(),
        Kind::Domain => format!("registration of {name}").into(),
        Kind::Mainstay => "mainstay itself".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::label;
    use engine::views::{Node, NodeState};

    #[test]
    fn label_has_kind_and_name() {
        for (resource, title, expected) in [
            ("service.auth", Some("Sign-in"), "Sign-in"),
            ("service.auth", None, "auth"),
            ("host.acme.app", None, "acme.app"),
            ("database.main", None, "database main"),
            ("address.127.0.0.9", None, "server at 127.0.0.9"),
            ("mainstay.here", None, "mainstay itself"),
        ] {
            let (resource, title) = (resource.parse().unwrap(), title.map(str::to_owned));
            assert_eq!(label(&Node { resource, title, state: NodeState::Well }), expected);
        }
    }
}
