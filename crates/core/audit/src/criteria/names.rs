//! Domains, name servers, certificates, and the address of the status page.

use super::public;
use crate::definition::Definition;
use crate::found::Found;
use crate::{Audited, Evidence};
use std::collections::BTreeSet;
use std::time::Duration;
use text::list;
use types::Resource;
use types::audit::{Criterion, Level};
use types::config::ProbeKind;
use types::time::between;

const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// Lifetime beyond which a certificate is rarely renewed by a program. ACME authorities issue for 90 days and less.
const BY_PROGRAM: Duration = Duration::from_secs(100 * 86_400);

pub(crate) const CRITERIA: &[Definition] = &[
    Definition {
        criterion: Criterion::Renewal,
        level: Level::Should,
        title: "A registration lasts for a year, or is renewed by itself",
        why: "On 2024-01-11 a domain expired because its automatic renewal had failed, and sign-in was down for nine hours. Registries do not publish \
              whether a registrar renews.",
        how: "From the registry: the expiry date. From the configuration: `auto_renew`, which a person vouches for. mainstay reports an expiry that is \
              near in any case.",
        remedy: "Renew for several years, or switch automatic renewal on and write `[domain.\"acme.app\"] auto_renew = true`.",
        check: renewal,
    },
    Definition {
        criterion: Criterion::TransferLock,
        level: Level::Should,
        title: "A registration is locked against transfer",
        why: "Without a lock whoever gets into the account or deceives the registrar takes the name, and with it mail and sign-in.",
        how: "From the registry: the status client or server transfer prohibited.",
        remedy: "Switch the transfer lock on at the registrar.",
        check: transfer_lock,
    },
    Definition {
        criterion: Criterion::OneRegistrar,
        level: Level::Should,
        title: "Domains are not all at one registrar",
        why: "A locked account, a failed payment or an outage of one registrar reaches all names at once, the one of the status page too.",
        how: "From the registry: the registrars of two or more domains.",
        remedy: "Move the domain of the status page to another registrar.",
        check: one_registrar,
    },
    Definition {
        criterion: Criterion::NameServerOperator,
        level: Level::Should,
        title: "A zone has name servers of more than one operator",
        why: "On 2016-10-21 a flood on one operator of name servers made hundreds of well-known sites unreachable; those with a second operator \
              were found.",
        how: "From the parent zone: the names of the name servers, grouped by the domain that they are below.",
        remedy: "Add a second operator that transfers the zone, or accept it: a large operator fails rarely.",
        check: name_server_operator,
    },
    Definition {
        criterion: Criterion::CertificateRenewal,
        level: Level::Should,
        title: "Certificates are renewed by a program",
        why: "On 2020-02-03 a chat service was down for hours because a certificate had not been renewed; on 2018-12-06 mobile networks of \
              several countries were.",
        how: "From the served certificates: one that is valid for more than 100 days is usually renewed by hand.",
        remedy: "An ACME client: certbot, lego, Caddy.",
        check: certificate_renewal,
    },
    Definition {
        criterion: Criterion::StatusPageFate,
        level: Level::Should,
        title: "The status page does not fail with what it reports on",
        why: "On 2017-02-28 a storage service could not change its own status page, which was kept in that storage.",
        how: "From the configuration: whether `site.url` is below the domain of a public service.",
        remedy: "A domain of its own for the status page, at another registrar and other name servers; `mainstay export` writes the page for a static host.",
        check: status_page_fate,
    },
];

/// Monitored domains.
fn domains<'a>(audited: &Audited<'a>) -> impl Iterator<Item = &'a str> {
    audited.config.probes.values().filter_map(|probe| match &probe.kind {
        ProbeKind::Domain { name } => Some(name.as_str()),
        _ => None,
    })
}

fn renewal(audited: &Audited<'_>, found: &mut Found) {
    for domain in domains(audited) {
        let resource = Resource::domain(domain);
        if audited.config.domains.get(domain).is_some_and(|domain| domain.auto_renew) {
            continue;
        }
        match audited.evidence.registrations.get(domain).map(|registration| registration.expires) {
            Some(Some(expires)) if between(audited.now, expires) >= YEAR => {}
            Some(Some(expires)) => {
                let days = between(audited.now, expires).as_secs() / 86_400;
                let remedy = format!("renew it, or [domain.\"{domain}\"] auto_renew = true");
                let evidence =
                    format!("it expires in {days} days, and nobody says that it is renewed by itself");
                found.fail(resource, evidence, remedy);
            }
            Some(None) => found.unknown(resource, "its registry publishes no expiry date"),
            None => found.unknown(resource, "its registry has not answered yet"),
        }
    }
}

fn transfer_lock(audited: &Audited<'_>, found: &mut Found) {
    for domain in domains(audited) {
        let resource = Resource::domain(domain);
        match audited.evidence.registrations.get(domain) {
            Some(registration) if registration.is_locked => {}
            Some(_) => found.fail(
                resource,
                "its registration may be transferred",
                "the transfer lock of its registrar",
            ),
            None => found.unknown(resource, "its registry has not answered yet"),
        }
    }
}

fn one_registrar(audited: &Audited<'_>, found: &mut Found) {
    let registrations = &audited.evidence.registrations;
    if registrations.len() < domains(audited).collect::<BTreeSet<_>>().len() {
        found.unknown(Resource::here(), "not every registry has answered yet");
        return;
    }
    let registrars: BTreeSet<&str> =
        registrations.values().filter_map(|registration| registration.registrar.as_deref()).collect();
    if let Some(only) = registrars.first().filter(|_| registrars.len() == 1 && registrations.len() > 1) {
        let evidence = format!("all {} domains are at {only}", registrations.len());
        found.fail(Resource::here(), evidence, "another registrar for the domain of the status page");
    }
}

/// The operator of a name server, as far as its name says: `ns-12.awsdns-34.co.uk` and `ns-5.awsdns-6.com` are of one.
fn operator(server: &str) -> String {
    let domain = psl::domain_str(server).unwrap_or(server);
    let label = domain.split('.').next().unwrap_or(domain);
    label.chars().filter(char::is_ascii_alphabetic).collect()
}

fn name_server_operator(audited: &Audited<'_>, found: &mut Found) {
    for probe in audited.config.probes.values() {
        let ProbeKind::Dns { zone, .. } = &probe.kind else { continue };
        let Some(servers) = audited.evidence.name_servers.get(zone) else {
            found.unknown(Resource::dns(zone), "its parent zone has not answered yet");
            continue;
        };
        let operators: BTreeSet<String> = servers.iter().map(|server| operator(server)).collect();
        if operators.len() == 1 {
            let evidence = format!("its name servers are all of one operator: {}", list::and(servers));
            found.fail(Resource::dns(zone), evidence, "a second operator of name servers");
        }
    }
}

fn certificate_renewal(audited: &Audited<'_>, found: &mut Found) {
    for probe in audited.config.probes.values() {
        let ProbeKind::Tls { host, port } = &probe.kind else { continue };
        let host = Evidence::host(host, *port);
        let Some(leaf) = audited.evidence.certificates.get(&host) else {
            found.unknown(Resource::tls(host), "no certificate was served yet");
            continue;
        };
        let lasts = between(leaf.not_before, leaf.not_after);
        if lasts > BY_PROGRAM {
            let days = lasts.as_secs() / 86_400;
            let evidence =
                format!("its certificate is valid for {days} days, which suggests that a person renews it");
            found.fail(Resource::tls(host), evidence, "a certificate that an ACME client renews");
        }
    }
}

fn status_page_fate(audited: &Audited<'_>, found: &mut Found) {
    let url = &audited.config.site.url;
    let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let Some(domain) = psl::domain_str(host) else { return };
    let shares = public(audited.config).find(|service| {
        service
            .hosts
            .iter()
            .any(|host| psl::domain_str(host.split(':').next().unwrap_or(host)) == Some(domain))
    });
    if let Some(service) = shares {
        let evidence = format!(
            "{host} is below {domain}, as {} is: if the domain fails, the page that would say so fails too",
            service.title
        );
        found.fail(Resource::here(), evidence, "site.url below another domain");
    }
}

#[cfg(test)]
mod tests {
    use super::operator;

    #[test]
    fn name_servers_of_one_operator_are_grouped() {
        for (one, other, is_same) in [
            ("ns-12.awsdns-34.co.uk", "ns-5.awsdns-6.com", true),
            ("ns1-01.azure-dns.com", "ns2-01.azure-dns.net", true),
            ("ns1.acme.net", "ns2.acme.net", true),
            ("ns1.acme.net", "dns1.p01.nsone.net", false),
        ] {
            assert_eq!(operator(one) == operator(other), is_same, "{one} {other}");
        }
    }
}
