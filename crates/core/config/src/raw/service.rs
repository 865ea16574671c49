//! `[service.NAME]` as written.

use crate::diagnostics::Place;
use crate::formats::URL;
use crate::keys::keys;
use crate::kind::list::list;
use crate::kind::scalar::Boolean;
use crate::kind::string::{Format, NameOf, Text, format};
use crate::kind::table::{OrFalse, made};
use crate::kind::value::{At, Slot};
use crate::parse::host::{Host, Pattern};
use crate::parse::url::Url;
use crate::raw::http::{HTTP, RawHttp};
use crate::raw::offline;
use crate::raw::traffic::{self, RawTraffic};
use crate::suggest::shown;
use crate::value_error::ValueError;
use types::Resource;
use types::config::Offline;

const A_HOST: &str = "a host name such as \"auth.acme.com\"";
const SERVED: Format<Option<Pattern>> =
    format(A_HOST, None, |text, _| if text.trim() == "*" { Ok(None) } else { Pattern::read(text).map(Some) });
const SAMPLE: Format<Host> = format(A_HOST, None, |text, _| match text.contains('*') {
    true => Err(ValueError::new("a sample is a host name without `*`")),
    false => Host::read(text),
});
const DEPENDENCY: Format<Resource> = format(
    "a service, pool or database: \"service.NAME\"",
    Some("^(service|pool|database)\\.[A-Za-z0-9]"),
    |text, _| dependency(text),
);

keys! {
    /// A service that users depend on. `hosts` is enough: its probes are derived.
    [service.NAME]
    struct RawService {
        /// Name of its component on the status page.
        title: Option<String> = Text, otherwise "the name", example r#""Sign-in""#;
        /// Component group of the status page.
        group: Option<String> = Text, otherwise "none", example r#""Customer-facing""#;
        /// Public host names, with a port if it is not 443. `http`, `tls`, `dns` and `domain` probes are derived from each.
        /// `*.acme.app` is probed by the names in `wildcard_samples`; `*` alone matches every host of the edge that no other
        /// service has.
        hosts: RawHosts = list(SERVED), otherwise "none", example r#"["auth.acme.com", "*.acme.app"]"#;
        /// Existing names to probe below each wildcard of `hosts`.
        wildcard_samples: Vec<At<Host>> = list(SAMPLE), otherwise "none", example r#"["demo.acme.app"]"#;
        /// Services, pools and databases that it depends on. A failure there explains a failure here, and pages once.
        depends_on: Vec<At<Resource>> = list(DEPENDENCY), otherwise "none", example r#"["service.mail"]"#;
        /// On-call schedule of this service.
        schedule: Option<At<String>> = NameOf("schedule"),
            otherwise "the schedules of the escalation", example r#""platform""#;
        /// Escalation policy of this service.
        escalation: Option<At<String>> = NameOf("escalation"), otherwise "default", example r#""default""#;
        /// Page that says what to do when it fails: who is paged for it gets the link.
        runbook: Option<Url> = URL, otherwise "none, and the audit asks for it", example r#""https://wiki.acme.com/auth""#;
        /// Where the machines of its hosts stand. When nearly everything of one location stops answering, that is one incident
        /// about its power or its network.
        location: Option<String> = Text, otherwise "none", example r#""rack A""#;
        /// Shows the service on the status page.
        public: bool = Boolean, default true, example "false";
        /// How the edge serves its hosts: pool, limits, denials. Requires `[edge]`.
        traffic: Option<RawTraffic> = made(traffic::check),
            otherwise "not served by the edge", example r#"{ pool = "auth" }"#;
        /// What browsers keep of the site, so that pages open and writes are not lost while it cannot be reached. Requires
        /// `traffic`.
        offline: Option<At<Offline>> = made(|kit: Offline, written, _| {
            Some(offline::placed(kit, written.place.clone()))
        }), otherwise "no offline kit", example r#"{ pages = ["/"], writes = ["POST /api/entries"] }"#;
        /// Request of the derived `http` probes; `false` derives none. A `[probe.NAME]` that requests the same host and port
        /// by https for this service replaces the derived one.
        http: Option<RawHttp> = OrFalse { table: HTTP, otherwise: RawHttp::none },
            otherwise "{ path = \"/\" }", example r#"{ path = "/health", expect = { status = [200, 401] } }"#;
    }
}

/// `hosts` of a service.
#[derive(Debug)]
pub(crate) struct RawHosts {
    /// Position of `*`: all hosts that no other service has.
    pub(crate) all: Option<Place>,
    /// The other entries.
    pub(crate) named: Vec<At<Pattern>>,
}

impl Slot<Vec<At<Option<Pattern>>>> for RawHosts {
    fn fill(read: Option<At<Vec<At<Option<Pattern>>>>>) -> Self {
        let listed = read.map_or_else(Vec::new, |at| at.value);
        let all = listed.iter().find(|at| at.value.is_none()).map(|at| at.place.clone());
        let named = listed.into_iter().filter_map(|At { value, place }| Some(At { value: value?, place }));
        Self { all, named: named.collect() }
    }
}

/// Parses `service.NAME`, `pool.NAME`, `database.NAME` or `heartbeat.NAME`; other kinds of resources are not supported.
fn dependency(text: &str) -> Result<Resource, ValueError> {
    let shown = shown(text);
    match text.split_once('.') {
        Some(("service", name)) if !name.is_empty() => Ok(Resource::service(name)),
        Some(("pool", name)) if !name.is_empty() => Ok(Resource::pool(name)),
        Some(("database", name)) if !name.is_empty() => Ok(Resource::database(name)),
        Some(("heartbeat", name)) if !name.is_empty() => Ok(Resource::heartbeat(name)),
        Some((kind @ ("host" | "tls" | "dns" | "domain" | "probe"), _)) => {
            Err(ValueError::new(format!("`{shown}`: a service cannot depend on a {kind} by name"))
                .hint("name the service that it belongs to: depends_on = [\"service.mail\"]"))
        }
        _ => Err(ValueError::new(format!("`{shown}` is not a resource"))
            .hint(format!("write \"service.{shown}\""))),
    }
}
