//! What is no mistake, but deserves a second look before the night comes.

use crate::address::written;
use crate::derive::{Derived, is_own_suffix};
use crate::domain::Registration;
use crate::draft::Draft;
use crate::form::At;
use crate::host::Name;
use crate::marks::Marks;
use crate::near::shown;
use crate::serving;
use crate::team::DEFAULT;
use netaddr::Allowed;
use std::collections::BTreeSet;
use types::Resource;
use types::config::ChannelKind;

/// Leaves a warning at everything doubtful.
pub(crate) fn warn(draft: &Draft, derived: &Derived, marks: &mut Marks) {
    own_status_page(draft, derived, marks);
    nobody(draft, marks);
    fallbacks(draft, marks);
    unused(draft, marks);
    unwatched(draft, derived, marks);
    inner(draft, marks);
    unsigned(draft, marks);
    edge(draft, marks);
}

/// A status page on a watched domain falls together with what it should tell about.
fn own_status_page(draft: &Draft, derived: &Derived, marks: &mut Marks) {
    let Some(url) = &draft.url else { return };
    let registration = url.value.host.dns().map(|name| Registration::of(name, &draft.declared));
    let zone = registration.as_ref().and_then(Registration::zone);
    if let Some(zone) = zone.filter(|zone| derived.zones.contains(*zone)) {
        marks.warn(
            url.place.clone(),
            format!("the status page shares the domain {zone} with a watched service, and falls with it"),
            "put it on another registrable domain",
        );
    }
}

fn nobody(draft: &Draft, marks: &mut Marks) {
    if let Some(service) = draft.services.values().min_by_key(|service| service.place.start)
        && draft.people.is_empty()
    {
        marks.warn(
            service.place.clone(),
            "nobody will be woken: the configuration names no person",
            "add a channel and a person: [channel.ntfy] ntfy = \"https://ntfy.sh\", [person.ana] reach = [\"ntfy:ana\"]",
        );
    }
}

fn fallbacks(draft: &Draft, marks: &mut Marks) {
    if draft.people.is_empty() {
        return;
    }
    let hint = "a number or topic that somebody always hears: fallback = [\"ntfy:everybody\"]";
    for (name, escalation) in draft.escalations.iter().filter(|(_, escalation)| !escalation.has_fallback) {
        let message = format!(
            "escalation `{}` has no last resort: if everybody sleeps on, so does the page",
            shown(name)
        );
        marks.warn(escalation.place.clone(), message, hint);
    }
    if !draft.escalations.contains_key(DEFAULT)
        && let Some(person) = draft.people.values().min_by_key(|person| person.place.start)
        && draft.services.values().any(|service| service.escalation.is_none())
    {
        let message = "the escalation that is made for you has no last resort: if everybody sleeps on, so does the page";
        marks.warn(person.place.clone(), message, "declare [ladder.default] with steps and fallback");
    }
}

/// People, schedules and channels that nothing in the configuration leads to.
fn unused(draft: &Draft, marks: &mut Marks) {
    let steps = || draft.escalations.values().flat_map(|escalation| &escalation.steps);
    let is_default_made = !draft.escalations.contains_key(DEFAULT);

    let in_steps = steps().flat_map(|step| &step.people);
    let in_layers =
        draft.schedules.values().flat_map(|schedule| &schedule.layers).flat_map(|layer| &layer.people);
    let named: BTreeSet<&str> = in_steps.chain(in_layers).map(|at| at.value.as_str()).collect();
    let are_all_named = is_default_made && draft.schedules.is_empty();
    for (name, person) in
        draft.people.iter().filter(|(name, _)| !are_all_named && !named.contains(name.as_str()))
    {
        let message = format!(
            "person `{}` is on no schedule and no escalation: nothing will ever wake them",
            shown(name)
        );
        marks.warn(
            person.place.clone(),
            message,
            "name them in a layer of a schedule or a step of an escalation",
        );
    }

    let of_services = draft.services.values().filter_map(|service| service.schedule.as_ref());
    let named: BTreeSet<&str> =
        steps().flat_map(|step| &step.schedules).chain(of_services).map(|at| at.value.as_str()).collect();
    for (name, schedule) in
        draft.schedules.iter().filter(|(name, _)| !is_default_made && !named.contains(name.as_str()))
    {
        let message = format!("schedule `{}` is on no escalation and no service", shown(name));
        marks.warn(schedule.place.clone(), message, "name it in a step of an escalation");
    }

    let of_people = draft.people.values().flat_map(|person| &person.reach);
    let of_escalations = draft.escalations.values().flat_map(|escalation| &escalation.fallback);
    let named: BTreeSet<&str> = of_people.chain(of_escalations).map(|at| at.value.channel.as_str()).collect();
    for (name, channel) in draft.channels.iter().filter(|(name, _)| !named.contains(name.as_str())) {
        let message = format!("channel `{}` is used by nobody", shown(name));
        marks.warn(
            channel.place.clone(),
            message,
            format!("reach somebody over it: reach = [\"{}:ana\"]", shown(name)),
        );
    }
}

/// Services without a question, domains with a date but no service, names whose domain nobody can ask about.
fn unwatched(draft: &Draft, derived: &Derived, marks: &mut Marks) {
    for (name, service) in &draft.services {
        if derived.graph.needs(&Resource::service(name)).next().is_none() {
            let message =
                format!("nothing is asked for service `{}`: its state will never be known", shown(name));
            marks.warn(service.place.clone(), message, "give it hosts, or a probe with `service`");
        }
    }
    for (zone, domain) in &draft.domains {
        if !derived.graph.contains(&Resource::domain(zone)) {
            let message = format!("`{zone}` is declared, but no service and no probe is behind it");
            marks.warn(
                domain.place.clone(),
                message,
                format!("ask after it: [probe.NAME] domain = \"{zone}\""),
            );
        }
    }
    let mut told = BTreeSet::new();
    for host in draft.services.values().flat_map(|service| &service.hosts) {
        let behind = host.value.host.dns().map(|name| Registration::of(name, &draft.declared));
        let Some(Registration::Unlisted(zone)) = behind else { continue };
        if !is_own_suffix(draft, &zone) && told.insert(zone.clone()) {
            let suffix = zone.split_once('.').map_or(zone.as_str(), |(_, suffix)| suffix);
            marks.warn(
                host.place.clone(),
                format!("`{suffix}` is no public suffix that we know: name servers and registration of {zone} are not watched"),
                format!("if it has a registry, name it: [registry] rdap = {{ {suffix} = \"https://...\" }}"),
            );
        }
    }
}

/// Inner addresses written down, but not allowed: every answer from them would be a fault.
fn inner(draft: &Draft, marks: &mut Marks) {
    let allowed = Allowed::new(draft.site.allow_private.iter().copied());
    let hosts = draft.services.values().flat_map(|service| &service.hosts);
    for at in hosts {
        let Name::Ip(ip) = at.value.host.name else { continue };
        if !allowed.permits(ip) {
            marks.warn(
                at.place.clone(),
                format!("{ip} is an inner address that the configuration does not allow"),
                format!("allow it: [site] allow_private = [\"{ip}\"]"),
            );
        }
    }
}

fn unsigned(draft: &Draft, marks: &mut Marks) {
    for (name, channel) in &draft.channels {
        if matches!(channel.kind, Some(ChannelKind::Webhook { .. })) && !channel.has_secret {
            let message = format!("webhook `{}` is not signed: anybody could send the like", shown(name));
            marks.warn(channel.place.clone(), message, "give it a key: secret = \"env:WEBHOOK_KEY\"");
        }
    }
}

/// Pools and callers that the edge does not need, and callers that it will not recognise.
fn edge(draft: &Draft, marks: &mut Marks) {
    let guards = serving::guarded(draft).filter_map(|(_, _, guard)| guard.pool.as_ref());
    let served: BTreeSet<&str> = guards.map(|pool| pool.value.as_str()).collect();
    let needs = draft.services.values().flat_map(|service| &service.needs);
    let needed: BTreeSet<&Resource> = needs.map(|need| &need.value).collect();
    for (name, pool) in draft.pools.iter().filter(|(name, _)| !served.contains(name.as_str())) {
        if !needed.contains(&Resource::pool(name)) {
            let message = format!("pool `{}` is used by nobody", shown(name));
            let hint = format!("serve a service from it: [service.NAME.traffic] pool = \"{}\"", shown(name));
            marks.warn(pool.place.clone(), message, hint);
        } else if draft.edge.is_none() || pool.pool.health.is_none() {
            let message =
                format!("nobody asks whether pool `{}` is well: its state will never be known", shown(name));
            let hint =
                "the edge does, if it has a path to ask: [edge], and health = { path = \"/health\" } here";
            marks.warn(pool.place.clone(), message, hint);
        }
    }
    for (name, caller) in &draft.callers {
        let Some(edge) = &draft.edge else {
            let message = format!("caller `{}` has no edge to ask through", shown(name));
            marks.warn(
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
                marks.warn(
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
