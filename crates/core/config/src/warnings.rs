//! What is no mistake, but deserves a second look before the night comes.

use crate::diagnostics::Diagnostics;
use crate::parse::address::written;
use crate::parse::domain::Registration;
use crate::parse::host::Name;
use crate::raw::RawConfig;
use crate::reader::value::At;
use crate::resolve::derive::Derived;
use crate::resolve::serving;
use crate::resolve::team::DEFAULT;
use crate::suggest::shown;
use std::collections::BTreeSet;
use std::net::IpAddr;
use types::Resource;
use types::config::ChannelKind;

/// Leaves a warning at everything doubtful.
pub(crate) fn warn(raw: &RawConfig, derived: &Derived, diagnostics: &mut Diagnostics) {
    own_status_page(raw, derived, diagnostics);
    nobody(raw, diagnostics);
    fallbacks(raw, diagnostics);
    unused(raw, diagnostics);
    unwatched(raw, derived, diagnostics);
    inner(raw, diagnostics);
    unsigned(raw, diagnostics);
    edge(raw, diagnostics);
}

/// A status page on a watched domain falls together with what it should tell about.
fn own_status_page(raw: &RawConfig, derived: &Derived, diagnostics: &mut Diagnostics) {
    let Some(url) = &raw.url else { return };
    let registration = url.value.host.dns().map(|name| Registration::of(name, &raw.declared));
    let zone = registration.as_ref().and_then(Registration::zone);
    if let Some(zone) = zone.filter(|zone| derived.zones.contains(*zone)) {
        diagnostics.warn(
            url.place.clone(),
            format!("the status page shares the domain {zone} with a watched service, and falls with it"),
            "put it on another registrable domain",
        );
    }
}

fn nobody(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    if let Some(service) = raw.services.values().min_by_key(|service| service.place.start)
        && raw.people.is_empty()
    {
        diagnostics.warn(
            service.place.clone(),
            "nobody will be woken: the configuration names no person",
            "add a channel and a person: [channel.ntfy] ntfy = \"https://ntfy.sh\", [person.ana] reach = [\"ntfy:ana\"]",
        );
    }
}

fn fallbacks(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    if raw.people.is_empty() {
        return;
    }
    let hint = "a number or topic that somebody always hears: fallback = [\"ntfy:everybody\"]";
    for (name, escalation) in raw.escalations.iter().filter(|(_, escalation)| !escalation.has_fallback) {
        let message = format!(
            "escalation `{}` has no last resort: if everybody sleeps on, so does the page",
            shown(name)
        );
        diagnostics.warn(escalation.place.clone(), message, hint);
    }
    if !raw.escalations.contains_key(DEFAULT)
        && let Some(person) = raw.people.values().min_by_key(|person| person.place.start)
        && raw.services.values().any(|service| service.escalation.is_none())
    {
        let message = "the escalation that is made for you has no last resort: if everybody sleeps on, so does the page";
        diagnostics.warn(person.place.clone(), message, "declare [ladder.default] with steps and fallback");
    }
}

/// People, schedules and channels that nothing in the configuration leads to.
fn unused(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let steps = || raw.escalations.values().flat_map(|escalation| &escalation.steps);
    let is_default_made = !raw.escalations.contains_key(DEFAULT);

    let in_steps = steps().flat_map(|step| &step.people);
    let in_layers =
        raw.schedules.values().flat_map(|schedule| &schedule.layers).flat_map(|layer| &layer.people);
    let named: BTreeSet<&str> = in_steps.chain(in_layers).map(|at| at.value.as_str()).collect();
    let are_all_named = is_default_made && raw.schedules.is_empty();
    for (name, person) in
        raw.people.iter().filter(|(name, _)| !are_all_named && !named.contains(name.as_str()))
    {
        let message = format!(
            "person `{}` is on no schedule and no escalation: nothing will ever wake them",
            shown(name)
        );
        diagnostics.warn(
            person.place.clone(),
            message,
            "name them in a layer of a schedule or a step of an escalation",
        );
    }

    let of_services = raw.services.values().filter_map(|service| service.schedule.as_ref());
    let named: BTreeSet<&str> =
        steps().flat_map(|step| &step.schedules).chain(of_services).map(|at| at.value.as_str()).collect();
    for (name, schedule) in
        raw.schedules.iter().filter(|(name, _)| !is_default_made && !named.contains(name.as_str()))
    {
        let message = format!("schedule `{}` is on no escalation and no service", shown(name));
        diagnostics.warn(schedule.place.clone(), message, "name it in a step of an escalation");
    }

    let of_people = raw.people.values().flat_map(|person| &person.reach);
    let of_escalations = raw.escalations.values().flat_map(|escalation| &escalation.fallback);
    let named: BTreeSet<&str> = of_people.chain(of_escalations).map(|at| at.value.channel.as_str()).collect();
    for (name, channel) in raw.channels.iter().filter(|(name, _)| !named.contains(name.as_str())) {
        let message = format!("channel `{}` is used by nobody", shown(name));
        diagnostics.warn(
            channel.place.clone(),
            message,
            format!("reach somebody over it: reach = [\"{}:ana\"]", shown(name)),
        );
    }
}

/// Services without a question, domains with a date but no service, names whose domain nobody can ask about.
fn unwatched(raw: &RawConfig, derived: &Derived, diagnostics: &mut Diagnostics) {
    for (name, service) in &raw.services {
        if derived.graph.needs(&Resource::service(name)).next().is_none() {
            let message =
                format!("nothing is asked for service `{}`: its state will never be known", shown(name));
            diagnostics.warn(service.place.clone(), message, "give it hosts, or a probe with `service`");
        }
    }
    for (zone, domain) in &raw.domains {
        if !derived.graph.contains(&Resource::domain(zone)) {
            let message = format!("`{zone}` is declared, but no service and no probe is behind it");
            diagnostics.warn(
                domain.place.clone(),
                message,
                format!("ask after it: [probe.NAME] domain = \"{zone}\""),
            );
        }
    }
    let mut told = BTreeSet::new();
    for host in raw.services.values().flat_map(|service| &service.hosts) {
        let behind = host.value.host.dns().map(|name| Registration::of(name, &raw.declared));
        let Some(Registration::Unlisted(zone)) = behind else { continue };
        if !raw.is_own_suffix(&zone) && told.insert(zone.clone()) {
            let suffix = zone.split_once('.').map_or(zone.as_str(), |(_, suffix)| suffix);
            diagnostics.warn(
                host.place.clone(),
                format!("`{suffix}` is no public suffix that we know: name servers and registration of {zone} are not watched"),
                format!("if it has a registry, name it: [registry] rdap = {{ {suffix} = \"https://...\" }}"),
            );
        }
    }
}

/// Inner addresses written down, but not allowed: every answer from them would be a fault.
fn inner(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let hosts = raw.services.values().flat_map(|service| &service.hosts);
    for at in hosts {
        let Name::Ip(ip) = at.value.host.name else { continue };
        if is_inner(ip) && !raw.site.allow_private.iter().any(|network| network.contains(&ip)) {
            diagnostics.warn(
                at.place.clone(),
                format!("{ip} is an inner address that the configuration does not allow"),
                format!("allow it: [site] allow_private = [\"{ip}\"]"),
            );
        }
    }
}

fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn unsigned(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    for (name, channel) in &raw.channels {
        if matches!(channel.kind, Some(ChannelKind::Webhook { .. })) && !channel.has_secret {
            let message = format!("webhook `{}` is not signed: anybody could send the like", shown(name));
            diagnostics.warn(channel.place.clone(), message, "give it a key: secret = \"env:WEBHOOK_KEY\"");
        }
    }
}

/// Pools and callers that the edge does not need, and callers that it will not recognise.
fn edge(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let guards = serving::edge_services(raw).filter_map(|(_, _, guard)| guard.pool.as_ref());
    let served: BTreeSet<&str> = guards.map(|pool| pool.value.as_str()).collect();
    let needs = raw.services.values().flat_map(|service| &service.needs);
    let needed: BTreeSet<&Resource> = needs.map(|need| &need.value).collect();
    for (name, pool) in raw.pools.iter().filter(|(name, _)| !served.contains(name.as_str())) {
        if !needed.contains(&Resource::pool(name)) {
            let message = format!("pool `{}` is used by nobody", shown(name));
            let hint = format!("serve a service from it: [service.NAME.traffic] pool = \"{}\"", shown(name));
            diagnostics.warn(pool.place.clone(), message, hint);
        } else if raw.edge.is_none() || pool.pool.health.is_none() {
            let message =
                format!("nobody asks whether pool `{}` is well: its state will never be known", shown(name));
            let hint =
                "the edge does, if it has a path to ask: [edge], and health = { path = \"/health\" } here";
            diagnostics.warn(pool.place.clone(), message, hint);
        }
    }
    for (name, caller) in &raw.callers {
        let Some(edge) = &raw.edge else {
            let message = format!("caller `{}` has no edge to ask through", shown(name));
            diagnostics.warn(
                caller.place.clone(),
                message,
                "say where it listens: [edge] listen = [\"127.0.0.1:8000\"]",
            );
            continue;
        };
        for At { value, place } in &caller.addresses {
            let hop =
                edge.edge.trusted_proxies.iter().find(|hop| hop.contains(value) || value.contains(*hop));
            if let Some(hop) = hop {
                diagnostics.warn(
                    place.clone(),
                    format!(
                        "{} is a caller, but lies in {hop}, whose word is taken for who asks",
                        written(*value)
                    ),
                    "let it show a token, or take it out of [edge] trusted_proxies",
                );
            }
        }
    }
}
