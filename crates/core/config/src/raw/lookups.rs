//! `[dns]`, `[registry]` and `[domain.DOMAIN]`: lookups of names and registrations.

use crate::document::DocumentReader;
use crate::formats::{FILE, PORT};
use crate::keys::keys;
use crate::kind::Context;
use crate::kind::list::{list, map};
use crate::kind::scalar::{Boolean, DATE};
use crate::kind::string::{Format, format};
use crate::kind::value::At;
use crate::parse::domain::{Declared, may_be_declared};
use crate::parse::host::{Host, dns_name};
use crate::parse::url::Url;
use crate::raw::probe::zone;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use types::Time;
use types::config::{Dns, Domain, Registry};

const RESOLVER: Format<SocketAddr> =
    format("an address with a port: \"9.9.9.9:53\"", None, |text, _| resolver(text));
const ROOT: Format<IpAddr> = format("an address such as \"198.41.0.4\"", None, |text, _| {
    text.trim().parse::<IpAddr>().map_err(|_| {
        ValueError::new(format!("`{}` is not an address", shown(text)))
            .hint("an address without a port; the port is `port`")
    })
});

keys! {
    /// DNS lookups.
    [dns]
    for Dns {
        /// Resolvers to query; each probe queries all of them.
        resolvers: Vec<SocketAddr> = list(RESOLVER),
            otherwise "those of the system", example r#"["9.9.9.9:53", "1.1.1.1:53"]"#;
        /// Root servers from which delegations are followed.
        roots: Vec<IpAddr> = list(ROOT),
            otherwise "the root servers of the Internet", example r#"["127.0.0.53"]"#;
        /// Port of authoritative servers; another one only in test networks.
        port: u16 = PORT, default 53, example "53";
    }
}

const RDAP: Format<String> =
    format("a URL (http or https)", Some("^https?://"), |text, _| Url::read(text).map(|url| url.text()));
const WHOIS: Format<String> =
    format("a host, with a port if it is not 43", None, |text, _| Host::read(text).map(|host| host.text(43)));
const SUFFIX: Format<String> = format("a suffix such as \"uk.com\"", None, |text, _| suffix(text));

keys! {
    /// Lookups of domain registrations (RDAP and WHOIS).
    [registry]
    for Registry {
        /// A newer copy of IANA's RDAP bootstrap file (`dns.json`).
        bootstrap: Option<PathBuf> = FILE, otherwise "the built-in copy", example r#""rdap-dns.json""#;
        /// RDAP base URL by top-level domain; takes precedence over the bootstrap file.
        rdap: BTreeMap<String, String> = map("top-level domain", suffix, RDAP),
            otherwise "the bootstrap file", example r#"{ io = "https://rdap.identitydigital.services/rdap/" }"#;
        /// WHOIS server by top-level domain, for registries without RDAP.
        whois: BTreeMap<String, String> = map("top-level domain", suffix, WHOIS),
            otherwise "none", example r#"{ gg = "whois.gg" }"#;
        /// Suffixes without an ICANN registry below which each name is a registration of its own, with an expiry date and
        /// a registry to query.
        suffixes: BTreeSet<String> = list(SUFFIX), otherwise "a built-in list", example r#"["uk.com"]"#;
    }
}

keys! {
    /// Facts about a registered domain that its registry does not publish. Below a suffix that sells names without an ICANN
    /// registry, this section declares a name as a registration of its own.
    [domain.DOMAIN]
    for Domain {
        /// Expiry of the registration, for registries that do not publish it. A date means its first moment in UTC.
        expires: Option<Time> = DATE, otherwise "as published by the registry", example "2027-03-01";
        /// Whether the registrar renews it by itself. For the audit; its expiry is reported in any case.
        auto_renew: bool = Boolean, default false, example "true";
    }
}

fn resolver(text: &str) -> Result<SocketAddr, ValueError> {
    let text = text.trim();
    let bare = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    text.parse().ok().or_else(bare).filter(|at: &SocketAddr| at.port() > 0).ok_or_else(|| {
        ValueError::new(format!("`{}` is not an address with a port", shown(text)))
            .hint("resolvers are addresses, not names: \"9.9.9.9:53\"")
    })
}

fn suffix(text: &str) -> Result<String, ValueError> {
    dns_name(text.strip_prefix('.').unwrap_or(text))
}

/// Collects the suffixes that the configuration names a registry for, and the domains that have a section.
pub(crate) fn declared(root: &DocumentReader<'_>, registry: &Registry) -> Declared {
    let named = registry.rdap.keys().chain(registry.whois.keys()).filter(|suffix| suffix.contains('.'));
    let suffixes = registry.suffixes.iter().chain(named).cloned().collect();
    let names = root.names::<Domain>().filter_map(|name| dns_name(name.trim()).ok());
    Declared { suffixes, registrations: names.filter(|name| may_be_declared(name)).collect() }
}

/// Reads the declared registrations, with positions.
pub(crate) fn domains(root: &DocumentReader<'_>, context: &mut Context<'_>) -> BTreeMap<String, At<Domain>> {
    let read = root.each(context, |name, domain: Domain, written, context| {
        let place = written.place.clone();
        match zone(name, &context.declared) {
            Ok(zone) => Some((zone, At { value: domain, place })),
            Err(error) => {
                let hint = error.hint.text_or(|| "for example: [domain.\"acme.app\"]".to_owned());
                context.diagnostics.error(place, error.message, hint);
                None
            }
        }
    });
    let mut out: BTreeMap<String, At<Domain>> = BTreeMap::new();
    for (zone, domain) in read.into_values().flatten() {
        if out.contains_key(&zone) {
            let message = format!("`{zone}` is declared twice");
            context.diagnostics.error(domain.place.clone(), message, "keep one of them");
        }
        out.insert(zone, domain);
    }
    out
}
