//! RDAP (RFC 9083) of a registry and a registrar: two documents a domain, linked by `rel=related`.

use crate::tasks::lock;
use crate::web::{self, Answer, Server};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use types::time::{earlier, later};

const DAY: Duration = Duration::from_secs(86_400);
const KIND: &str = "application/rdap+json";

/// State of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Paid, far from its end.
    Active,
    /// Unpaid: the registry has moved its date a year ahead all the same and says `auto renew period`. The registrar
    /// says the truth.
    AutoRenew,
    /// The same, and the registrar has handed the name to its parking servers.
    Parked,
    /// The registrar has taken the name out of the zone: `client hold`.
    OnHold,
    /// Renewed, with the old name servers.
    Renewed,
}

#[derive(Clone, Debug)]
struct Registration {
    standing: Standing,
    /// Time of the last change.
    changed: Timestamp,
    /// The date that was paid for, once it lies behind.
    lapsed: Option<Timestamp>,
    servers: Vec<String>,
    parking: Vec<String>,
}

/// Registry and registrar on one HTTP server. Stops when dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddrV4,
    domains: Arc<Mutex<BTreeMap<String, Registration>>>,
    _server: Server,
}

impl Registry {
    /// Starts the server, without domains.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn start(listener: TcpListener) -> io::Result<Self> {
        let address = crate::address_block::address_of(&listener)?;
        let domains: Arc<Mutex<BTreeMap<String, Registration>>> = Arc::default();
        let known = Arc::clone(&domains);
        let server = Server::start(
            listener,
            None,
            web::handler(move |parts, _| {
                let said = respond(&lock(&known), address, &parts.method, parts.uri.path());
                async { said }
            }),
        );
        Ok(Self { address, domains, _server: server })
    }

    /// The registry's base URL, with a slash at its end: what a bootstrap file would hold.
    #[must_use]
    pub fn base(&self) -> String {
        base(self.address, "registry")
    }

    /// Registers a domain: active, with its own name servers and those that it would be parked on.
    pub fn register(&self, domain: &str, servers: Vec<String>, parking: Vec<String>) {
        let changed = earlier(Timestamp::now(), 100 * DAY);
        let registration =
            Registration { standing: Standing::Active, changed, lapsed: None, servers, parking };
        lock(&self.domains).insert(domain.to_owned(), registration);
    }

    /// Changes the state of a registration; ignores domains that are not registered.
    pub fn set(&self, domain: &str, standing: Standing, at: Timestamp) {
        if let Some(registration) = lock(&self.domains).get_mut(domain) {
            registration.standing = standing;
            registration.changed = at;
            registration.lapsed = match standing {
                Standing::Active | Standing::Renewed => None,
                _ => registration.lapsed.or(Some(at)),
            };
        }
    }

    /// State of a registration.
    #[must_use]
    pub fn standing(&self, domain: &str) -> Option<Standing> {
        lock(&self.domains).get(domain).map(|registration| registration.standing)
    }
}

fn base(address: SocketAddrV4, who: &str) -> String {
    format!("http://{address}/{who}/")
}

fn respond(
    domains: &BTreeMap<String, Registration>,
    address: SocketAddrV4,
    method: &Method,
    path: &str,
) -> Answer {
    if method != Method::GET && method != Method::HEAD {
        return web::answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET\n");
    }
    let mut parts = path.trim_start_matches('/').split('/');
    let place = (parts.next(), parts.next(), parts.next(), parts.next());
    let found = match place {
        (Some(who @ ("registry" | "registrar")), Some("domain"), Some(name), None) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            domains.get(&name).map(|registration| document(&name, registration, address, who == "registry"))
        }
        _ => None,
    };
    match found {
        Some(document) => web::answer(StatusCode::OK, KIND, document.to_string()),
        None => {
            let nothing = json!({
                "rdapConformance": ["rdap_level_0"],
                "errorCode": 404, "title": "Not Found", "description": ["Domain not found"],
            });
            web::answer(StatusCode::NOT_FOUND, KIND, nothing.to_string())
        }
    }
}

fn document(name: &str, registration: &Registration, address: SocketAddrV4, registry: bool) -> Value {
    let now = Timestamp::now();
    let stamp = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let event = |action: &str, at: Timestamp| json!({ "eventAction": action, "eventDate": stamp(at) });
    let changed = registration.changed;
    let (statuses, registry_expires, registrar_expires): (&[&str], _, _) = match registration.standing {
        Standing::Active => (&["client transfer prohibited"], later(now, 200 * DAY), later(now, 200 * DAY)),
        // Renewed on paper: the registry's date lies a year ahead of the one that was paid for.
        Standing::AutoRenew | Standing::Parked => (
            &["client transfer prohibited", "auto renew period"],
            later(registration.lapsed.unwrap_or(changed), 365 * DAY),
            registration.lapsed.unwrap_or(changed),
        ),
        Standing::OnHold => (
            &["client hold", "client renew prohibited", "client transfer prohibited", "auto renew period"],
            later(registration.lapsed.unwrap_or(changed), 365 * DAY),
            registration.lapsed.unwrap_or(changed),
        ),
        Standing::Renewed => (
            &["client transfer prohibited", "renew period"],
            later(changed, 365 * DAY),
            later(changed, 365 * DAY),
        ),
    };
    // The registrar does not speak of the registry's grace periods.
    let statuses: Vec<&str> =
        statuses.iter().copied().filter(|status| registry || !status.ends_with(" period")).collect();
    let servers = match registration.standing {
        Standing::Parked => &registration.parking,
        _ => &registration.servers,
    };
    let servers: Vec<Value> =
        servers.iter().map(|server| json!({ "objectClassName": "nameserver", "ldhName": server })).collect();
    let mut events = vec![
        event("registration", earlier(now, 2_000 * DAY)),
        event("expiration", registry_expires),
        event("last changed", changed),
        event("last update of RDAP database", now),
    ];
    let link = |rel: &str, who: &str| {
        json!({
            "value": format!("{}domain/{name}", base(address, if registry { "registry" } else { "registrar" })),
            "rel": rel, "href": format!("{}domain/{name}", base(address, who)), "type": KIND,
        })
    };
    let mut links = vec![link("self", if registry { "registry" } else { "registrar" })];
    if registry {
        links.push(link("related", "registrar"));
    } else {
        events.push(event("registrar expiration", registrar_expires));
    }
    json!({
        "objectClassName": "domain",
        "rdapConformance": [
            "rdap_level_0", "icann_rdap_technical_implementation_guide_1", "icann_rdap_response_profile_1"
        ],
        "handle": format!("D-{}", name.to_ascii_uppercase()),
        "ldhName": name,
        "status": statuses,
        "events": events,
        "links": links,
        "entities": [{
            "objectClassName": "entity", "handle": "9999", "roles": ["registrar"],
            "publicIds": [{ "type": "IANA Registrar ID", "identifier": "9999" }],
            "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Example Registrar, Inc."]]],
        }],
        "secureDNS": { "delegationSigned": false },
        "nameservers": servers,
    })
}
