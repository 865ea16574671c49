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
use types::Thing;
use types::plan::ChannelKind;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Leaves a warning at everything doubtful.
pub(crate) fn warn(draft: &Draft, derived: &Derived, marks: &mut Marks) {
    own_board(draft, derived, marks);
    nobody(draft, marks);
    last_resorts(draft, marks);
    unused(draft, marks);
    unwatched(draft, derived, marks);
    inner(draft, marks);
    unsigned(draft, marks);
    edge(draft, marks);
}

/// A board on a watched domain falls together with what it should tell about.
fn own_board(draft: &Draft, derived: &Derived, marks: &mut Marks) {
    let Some(url) = &draft.url else { return };
    let registration = url.value.host.dns().map(|name| Registration::of(name, &draft.declared));
    let zone = registration.as_ref().and_then(Registration::zone);
    if let Some(zone) = zone.filter(|zone| derived.zones.contains(*zone)) {
        marks.warn(
            url.place.clone(),
            format!("the board shares the domain {zone} with a watched service, and falls with it"),
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
            "nobody will be woken: the plan names no person",
            "add a channel and a person: [channel.ntfy] ntfy = \"https://ntfy.sh\", [person.ana] reach = [\"ntfy:ana\"]",
        );
    }
}

fn last_resorts(draft: &Draft, marks: &mut Marks) {
    if draft.people.is_empty() {
        return;
    }
    let hint = "a number or topic that somebody always hears: last_resort = [\"ntfy:everybody\"]";
    for (name, ladder) in draft.ladders.iter().filter(|(_, ladder)| !ladder.has_last_resort) {
        let message =
            format!("ladder `{}` has no last resort: if everybody sleeps on, so does the page", shown(name));
        marks.warn(ladder.place.clone(), message, hint);
    }
    if !draft.ladders.contains_key(DEFAULT)
        && let Some(person) = draft.people.values().min_by_key(|person| person.place.start)
        && draft.services.values().any(|service| service.ladder.is_none())
    {
        let message =
            "the ladder that is made for you has no last resort: if everybody sleeps on, so does the page";
        marks.warn(person.place.clone(), message, "declare [ladder.default] with rungs and last_resort");
    }
}

/// People, rotas and channels that nothing in the plan leads to.
fn unused(draft: &Draft, marks: &mut Marks) {
    let rungs = || draft.ladders.values().flat_map(|ladder| &ladder.rungs);
    let is_default_made = !draft.ladders.contains_key(DEFAULT);

    let in_rungs = rungs().flat_map(|rung| &rung.people);
    let in_layers = draft.rotas.values().flat_map(|rota| &rota.layers).flat_map(|layer| &layer.people);
    let named: BTreeSet<&str> = in_rungs.chain(in_layers).map(|at| at.value.as_str()).collect();
    let are_all_named = is_default_made && draft.rotas.is_empty();
    for (name, person) in
        draft.people.iter().filter(|(name, _)| !are_all_named && !named.contains(name.as_str()))
    {
        let message =
            format!("person `{}` is on no rota and no ladder: nothing will ever wake them", shown(name));
        marks.warn(person.place.clone(), message, "name them in a layer of a rota or a rung of a ladder");
    }

    let of_services = draft.services.values().filter_map(|service| service.rota.as_ref());
    let named: BTreeSet<&str> =
        rungs().flat_map(|rung| &rung.rotas).chain(of_services).map(|at| at.value.as_str()).collect();
    for (name, rota) in
        draft.rotas.iter().filter(|(name, _)| !is_default_made && !named.contains(name.as_str()))
    {
        let message = format!("rota `{}` is on no ladder and no service", shown(name));
        marks.warn(rota.place.clone(), message, "name it in a rung of a ladder");
    }

    let of_people = draft.people.values().flat_map(|person| &person.reach);
    let of_ladders = draft.ladders.values().flat_map(|ladder| &ladder.last_resort);
    let named: BTreeSet<&str> = of_people.chain(of_ladders).map(|at| at.value.channel.as_str()).collect();
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
        if derived.graph.needs(&Thing::service(name)).next().is_none() {
            let message =
                format!("nothing is asked for service `{}`: its state will never be known", shown(name));
            marks.warn(service.place.clone(), message, "give it hosts, or a probe with `service`");
        }
    }
    for (zone, domain) in &draft.domains {
        if !derived.graph.contains(&Thing::domain(zone)) {
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
    let hosts = draft.services.values().flat_map(|service| &service.hosts);
    for at in hosts {
        let Name::Ip(ip) = at.value.host.name else { continue };
        if is_inner(ip) && !draft.site.inner.iter().any(|network| network.contains(&ip)) {
            marks.warn(
                at.place.clone(),
                format!("{ip} is an inner address that the plan does not allow"),
                format!("allow it: [site] inner = [\"{ip}\"]"),
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
    let needed: BTreeSet<&Thing> = needs.map(|need| &need.value).collect();
    for (name, pool) in draft.pools.iter().filter(|(name, _)| !served.contains(name.as_str())) {
        if !needed.contains(&Thing::pool(name)) {
            let message = format!("pool `{}` is used by nobody", shown(name));
            let hint = format!("serve a service from it: [service.NAME.guard] pool = \"{}\"", shown(name));
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
            let hop = edge.edge.hops.iter().find(|hop| hop.contains(value) || value.contains(*hop));
            if let Some(hop) = hop {
                marks.warn(
                    place.clone(),
                    format!(
                        "{} is a caller, but lies in {hop}, whose word is taken for who asks",
                        written(*value)
                    ),
                    "let it show a token, or take it out of [edge] hops",
                );
            }
        }
    }
}
