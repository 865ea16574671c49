//! Channels: their URLs and what counts as accepted.

use crate::{problems, valid};
use insta::assert_snapshot;
use std::collections::BTreeMap;
use types::config::{AcceptedWhen, Scalar};

const HEAD: &str = "[site]\nname = \"Acme\"\n[service.s]\ntitle = \"S\"\n";

#[test]
fn ntfy_url_must_be_the_root_of_its_server() {
    for root in ["https://ntfy.sh", "https://ntfy.sh/", "http://ntfy.acme.net:8080"] {
        valid(&format!("{HEAD}[channel.n]\nntfy = \"{root}\"\n[person.ana]\ncontacts = [\"n:ana\"]\n"));
    }
    assert_snapshot!(problems(&format!(
        r#"{HEAD}[channel.a]
ntfy = "https://ntfy.sh/alerts"
[channel.b]
ntfy = "https://acme.net/ntfy/alerts/?up=1"
[channel.c]
ntfy = "https://ntfy.sh?auth=x"
[channel.d]
ntfy = "https://ntfy.sh"
accepted_when = {{ text = "ok" }}
[channel.e]
webhook = "https://hooks.acme.net"
accepted_when = {{}}
"#
    )));
}

#[test]
fn webhook_declares_accepted_when() {
    let config = valid(&format!(
        "{HEAD}[channel.h]\nwebhook = \"https://hooks.acme.net/\"\naccepted_when = {{ json = {{ ok = true, code = 0, state = \"queued\" }}, text = \"id\" }}\n[person.ana]\ncontacts = [\"h:\"]\n"
    ))
    .config;
    let json = [
        ("ok".to_owned(), Scalar::Flag(true)),
        ("code".to_owned(), Scalar::Number(0)),
        ("state".to_owned(), Scalar::Text("queued".to_owned())),
    ];
    let wanted = AcceptedWhen { json: BTreeMap::from(json), text: Some("id".to_owned()) };
    assert_eq!(config.channels[&"h".into()].accepted_when, Some(wanted));
}
