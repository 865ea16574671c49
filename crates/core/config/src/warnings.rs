//! Warnings: configurations that are valid but probably not intended.

use crate::diagnostics::Diagnostics;
use crate::kind::value::At;
use crate::parse::address::written;
use crate::parse::domain::Registration;
use crate::parse::host::Name;
use crate::raw::RawConfig;
use crate::resolve::derive::Derived;
use crate::resolve::team::DEFAULT;
use crate::resolve::{phone, serving};
use crate::suggest::shown;
use netaddr::Allowed;
use std::collections::BTreeSet;
use types::Resource;
use types::config::ChannelKind;

/// Adds all warnings.
pub(crate) fn warn(raw: &RawConfig, derived: &Derived, diagnostics: &mut Diagnostics) {
    own_status_page(raw, derived, diagnostics);
    no_people(raw, diagnostics);
    fallbacks(raw, diagnostics);
    unused(raw, diagnostics);
    unmonitored(raw, derived, diagnostics);
    private_hosts(raw, diagnostics);
    unsigned(raw, diagnostics);
    phone::warn(raw, diagnostics);
    edge(raw, diagnostics);
}

/// Warns of a status page on the domain of a monitored service.
fn own_status_page(raw: &RawConfig, derived: &Derived, diagnostics: &mut Diagnostics) {
    let Some(url) = &raw.url else { return };
    let registration = url.value.host.dns().map(|name| Registration::of(name, &raw.declared));
    let zone = registration.as_ref().and_then(Registration::zone);
    if let Some(zone) = zone.filter(|zone| derived.zones.contains(*zone)) {
        diagnostics.warn(
            url.place.clone(),
            format!("the status page shares the domain {zone} with a monitored service, and fails with it"),
            "use another registrable domain",
        );
    }
}

fn no_people(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    if let Some(service) = raw.services.values().min_by_key(|service| service.written.place.start)
        && raw.people.is_empty()
    {
        diagnostics.warn(
            service.written.place.clone(),
            "nobody will be paged: there is no person",
            "add a channel and a person: [channel.ntfy] ntfy = \"https://ntfy.sh\", [person.ana] contacts = [\"ntfy:ana\"]",
        );
    }
}

fn fallbacks(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    if raw.people.is_empty() {
        return;
    }
    let hint = "add a contact that always reaches a person: fallback = [\"ntfy:everybody\"]";
    for (name, escalation) in
        raw.escalations.iter().filter(|(_, escalation)| !escalation.written.has("fallback"))
    {
        let message = format!(
            "escalation `{}` has no fallback: a page that nobody acknowledges ends there",
            shown(name)
        );
        diagnostics.warn(escalation.written.place.clone(), message, hint);
    }
    if !raw.escalations.contains_key(DEFAULT)
        && let Some(person) = raw.people.values().min_by_key(|person| person.written.place.start)
        && raw.services.values().any(|service| service.escalation.is_none())
    {
        let message = "the default escalation has no fallback: a page that nobody acknowledges ends there";
        diagnostics.warn(
            person.written.place.clone(),
            message,
            "declare [escalation.default] with steps and fallback",
        );
    }
}

/// Warns of people, schedules and channels that are not referenced.
fn unused(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let steps = || raw.escalations.values().flat_map(|escalation| &escalation.steps);
    let is_default_made = !raw.escalations.contains_key(DEFAULT);

    let in_steps = steps().flat_map(|step| &step.people);
    let layers = raw.schedules.values().flat_map(|schedule| &schedule.layer);
    let in_layers = layers.flat_map(|layer| &layer.people).flat_map(|turn| &turn.value);
    let overrides = || raw.schedules.values().flat_map(|schedule| &schedule.overrides);
    let in_overrides = overrides().flat_map(|one| one.add.iter().chain(&one.only));
    let replacements = overrides().flat_map(|one| one.replace.values());
    let named = in_steps.chain(in_layers).chain(in_overrides).map(|at| &at.value).chain(replacements);
    let named: BTreeSet<&str> = named.map(String::as_str).collect();
    let are_all_named = is_default_made && raw.schedules.is_empty();
    for (name, person) in
        raw.people.iter().filter(|(name, _)| !are_all_named && !named.contains(name.as_str()))
    {
        let message =
            format!("person `{}` is in no schedule and no escalation: they are never paged", shown(name));
        diagnostics.warn(
            person.written.place.clone(),
            message,
            "add them to a layer of a schedule or a step of an escalation",
        );
    }

    let of_services = raw.services.values().filter_map(|service| service.schedule.as_ref());
    let named: BTreeSet<&str> =
        steps().flat_map(|step| &step.schedules).chain(of_services).map(|at| at.value.as_str()).collect();
    for (name, schedule) in
        raw.schedules.iter().filter(|(name, _)| !is_default_made && !named.contains(name.as_str()))
    {
        let message = format!("schedule `{}` is in no escalation and no service", shown(name));
        diagnostics.warn(schedule.written.place.clone(), message, "add it to a step of an escalation");
    }

    let of_people = raw.people.values().flat_map(|person| &person.contacts);
    let of_escalations = raw.escalations.values().flat_map(|escalation| &escalation.fallback);
    let named: BTreeSet<&str> = of_people
        .chain(of_escalations)
        .chain(raw.notices.iter().flat_map(|notices| &notices.to))
        .map(|at| at.value.channel.as_str())
        .chain(raw.mail_channel.iter().map(|at| at.value.as_str()))
        // One channel serves both kinds of contacts of a phone.
        .flat_map(|name| [Some(name), phone::serving(raw, name).map(|(serving, _)| serving.as_str())])
        .flatten()
        .collect();
    for (name, channel) in raw.channels.iter().filter(|(name, _)| !named.contains(name.as_str())) {
        let message = format!("channel `{}` is not used", shown(name));
        diagnostics.warn(
            channel.written.place.clone(),
            message,
            format!("add it to a person: contacts = [\"{}:ana\"]", shown(name)),
        );
    }
}

/// Warns of services without probes, declared domains without probes, and domains that cannot be probed.
fn unmonitored(raw: &RawConfig, derived: &Derived, diagnostics: &mut Diagnostics) {
    for (name, service) in &raw.services {
        if derived.graph.depends_on(&Resource::service(name)).next().is_none() {
            let message = format!("service `{}` has no probe: its state is never known", shown(name));
            diagnostics.warn(service.written.place.clone(), message, "add hosts, or a probe with `service`");
        }
    }
    for (zone, domain) in &raw.domains {
        if !derived.graph.contains(&Resource::domain(zone)) {
            let message = format!("`{zone}` is declared, but has no service and no probe");
            diagnostics.warn(
                domain.place.clone(),
                message,
                format!("add one: [probe.NAME] domain = \"{zone}\""),
            );
        }
    }
    let mut reported = BTreeSet::new();
    for host in raw.services.values().flat_map(|service| &service.hosts.named) {
        let behind = host.value.host.dns().map(|name| Registration::of(name, &raw.declared));
        let Some(Registration::Unlisted(zone)) = behind else { continue };
        if !raw.is_own_suffix(&zone) && reported.insert(zone.clone()) {
            let suffix = zone.split_once('.').map_or(zone.as_str(), |(_, suffix)| suffix);
            diagnostics.warn(
                host.place.clone(),
                format!("`{suffix}` is not a known public suffix: name servers and registration of {zone} are not monitored"),
                format!("if it has a registry, declare it: [registry] rdap = {{ {suffix} = \"https://...\" }}"),
            );
        }
    }
}

/// Warns of declared private addresses that are not allowed: each answer from them is a fault.
fn private_hosts(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let allowed = Allowed::new(raw.site.allow_private.iter().copied());
    let hosts = raw.services.values().flat_map(|service| &service.hosts.named);
    for at in hosts {
        let Name::Ip(ip) = at.value.host.name else { continue };
        if !allowed.permits(ip) {
            diagnostics.warn(
                at.place.clone(),
                format!("{ip} is a private address that is not allowed"),
                format!("allow it: [site] allow_private = [\"{ip}\"]"),
            );
        }
    }
}

fn unsigned(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    for (name, channel) in &raw.channels {
        if matches!(channel.kind(name), Some(ChannelKind::Webhook { .. })) && !channel.written.has("secret") {
            let message =
                format!("webhook `{}` is not signed: its receiver cannot verify the sender", shown(name));
            diagnostics.warn(
                channel.written.place.clone(),
                message,
                "add a key: secret = \"env:WEBHOOK_KEY\"",
            );
        }
    }
}

/// Warns of unused pools, pools of unknown health, and callers that the edge does not recognize.
fn edge(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let pools = serving::edge_services(raw).filter_map(|(_, _, traffic)| traffic.pool.as_ref());
    let served: BTreeSet<&str> = pools.map(|pool| pool.value.as_str()).collect();
    let needs = raw.services.values().flat_map(|service| &service.depends_on);
    let needed: BTreeSet<&Resource> = needs.map(|need| &need.value).collect();
    for (name, pool) in raw.pools.iter().filter(|(name, _)| !served.contains(name.as_str())) {
        if !needed.contains(&Resource::pool(name)) {
            let message = format!("pool `{}` is not used", shown(name));
            let hint = match pool.is_external() {
                true => format!(
                    "name the service that it serves: [service.NAME] depends_on = [\"pool.{}\"]",
                    shown(name)
                ),
                false => format!("use it in a service: [service.NAME.traffic] pool = \"{}\"", shown(name)),
            };
            diagnostics.warn(pool.written.place.clone(), message, hint);
        } else if !pool.is_external() && (raw.edge.is_none() || pool.health.is_none()) {
            let message = format!("pool `{}` has no health check: its state is never known", shown(name));
            let hint = "the edge checks it: add [edge], and health = { path = \"/health\" } here";
            diagnostics.warn(pool.written.place.clone(), message, hint);
        }
    }
    for (name, caller) in &raw.callers {
        let Some(edge) = &raw.edge else {
            let message = format!("caller `{}` is not used: there is no [edge]", shown(name));
            diagnostics.warn(
                caller.written.place.clone(),
                message,
                "declare it: [edge] listen = [\"127.0.0.1:8000\"]",
            );
            continue;
        };
        for At { value, place } in &caller.cidrs {
            let range = edge
                .trusted_proxies
                .iter()
                .map(|range| range.value)
                .find(|range| range.contains(value) || value.contains(range));
            if let Some(range) = range {
                diagnostics.warn(
                    place.clone(),
                    format!("{} is a caller, but is in {range} of `trusted_proxies`", written(*value)),
                    "use a token, or remove it from [edge] trusted_proxies",
                );
            }
        }
    }
}
