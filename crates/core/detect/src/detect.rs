//! The thinker itself: one sample in, what changed out.

use crate::blind::{Sight, View};
use crate::delegation::Zone;
use crate::index::Index;
use crate::known::{Known, Open, Registration};
use crate::lane::Lane;
use crate::pace::{Lookup, Trouble, Troubles};
use crate::places::Places;
use crate::registration;
use crate::share::Share;
use crate::tally::{Opening, Tally};
use crate::traffic::{self, Traffic};
use crate::verdict::{self, Dark, Judged, Verdict, hurts_now};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::{Ask, Probe};
use types::event::Event;
use types::fault::{DnsFault, TlsFault};
use types::probe_result::Answer;
use types::time::later;
use types::{
    Alert, AlertId, Config, EventKind, Fault, Kind, LastResult, ProbeId, ProbeResult, Resource, SeenAt,
    ServiceId, Severity, Time,
};

mod baseline;
mod counting;
mod zones;

pub(crate) use baseline::is_usual;

/// A bad answer is followed up after this long.
const FOLLOW_UP: Duration = Duration::from_secs(1);
/// When a date comes close, the registry has this long to say that it moved before we say that it came close ...
pub(crate) const STEP_GRACE: Duration = Duration::from_secs(60);
/// ... and this long before we call a domain expired that we could not ask about.
pub(crate) const EXPIRY_GRACE: Duration = Duration::from_secs(6 * 3600);
/// Judges samples into alerts.
#[derive(Debug, Default)]
pub struct Detect {
    pub(crate) known: Known,
    pub(crate) open: Open,
    pub(crate) fresh: Fresh,
}

/// What was counted since boot.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    index: Option<Index>,
    /// The configuration changed: alerts whose probe left it must close.
    sweep: bool,
    pub(crate) probes: BTreeMap<ProbeId, Asked>,
    /// Probes whose next answer decides something.
    restless: BTreeSet<ProbeId>,
    pub(crate) zones: BTreeMap<String, Zone>,
    /// Since when a moved delegation answers as it should.
    healthy: BTreeMap<String, Time>,
    pub(crate) lookups: BTreeMap<ProbeId, Lookup>,
    /// Those of them that want another look whatever else happens.
    pub(crate) pressing: BTreeSet<ProbeId>,
    troubles: Troubles,
    /// When the dates of a registration must be judged again without an answer.
    pub(crate) due: BTreeSet<(Time, ProbeId)>,
    sight: Sight,
    /// Probes whose newest answer would have opened an alert, but for the jury; and what they are about.
    held: BTreeMap<ProbeId, Resource>,
    pub(crate) traffic: Traffic,
    places: Places,
}

/// One probe, since boot.
#[derive(Debug)]
pub(crate) struct Asked {
    last: Time,
    pub(crate) well: bool,
    lanes: BTreeMap<Lane, Tally>,
    share: Share,
}

impl Asked {
    fn new(now: Time, well: bool) -> Self {
        Self { last: now, well, lanes: BTreeMap::new(), share: Share::default() }
    }
}

/// What happened so far in one call; numbers count on within it.
pub(crate) struct Out {
    last: u64,
    pub(crate) events: Vec<EventKind>,
}

impl Out {
    pub(crate) fn open(&mut self, about: &Resource, probe: &ProbeId, opening: Opening) {
        self.last += 1;
        let Opening { fault, severity, since, evidence } = opening;
        let (id, about, probe) = (AlertId(self.last), about.clone(), probe.clone());
        let alert =
            Alert { id, about, fault, severity, probe, since, evidence, seen_at: types::SeenAt::default() };
        self.events.push(EventKind::AlertOpened { alert });
    }

    pub(crate) fn close(&mut self, alert: AlertId) {
        self.events.push(EventKind::AlertClosed { alert });
    }
}

impl Detect {
    /// Folds one event. Events about things unknown here change nothing.
    pub fn apply(&mut self, event: &Event) {
        self.open.follow(&self.known, event);
        self.known.apply(event);
        if matches!(event.kind, EventKind::ConfigAdopted { .. }) {
            self.fresh.index = None;
        }
    }

    /// Judges one answer that came in at `now`.
    pub fn judge(&mut self, config: &Config, now: Time, sample: &ProbeResult) -> Vec<EventKind> {
        let mut out = self.out();
        self.settle_in(config, now, &mut out);
        let Some(probe) = config.probes.get(&sample.probe) else { return out.events };
        self.fresh.places.note(sample);
        let verdict = self.verdict(config, probe, sample, now, &mut out);
        self.take(config, probe, verdict, now, &mut out);
        self.placed(out)
    }

    /// Lets time go by: dates come closer, juries give up, alerts whose probe left the configuration close.
    pub fn tick(&mut self, config: &Config, now: Time) -> Vec<EventKind> {
        let mut out = self.out();
        self.settle_in(config, now, &mut out);
        self.look_out(now, &mut out);
        self.listen(config, now, &mut out);
        while let Some((at, id)) = self.fresh.due.first().cloned().filter(|(at, _)| *at <= now) {
            self.fresh.due.remove(&(at, id.clone()));
            if let Some(probe) = config.probes.get(&id) {
                self.dates(config, probe, now, &mut out);
            }
        }
        self.placed(out)
    }

    /// What happened, with the place where each new alert was seen.
    fn placed(&self, mut out: Out) -> Vec<EventKind> {
        for kind in &mut out.events {
            if let EventKind::AlertOpened { alert } = kind
                && alert.about.kind != Kind::Mainstay
            {
                alert.seen_at = self.fresh.places.failed(&alert.probe);
            }
        }
        out.events
    }

    /// Things that other probes ask about at the same addresses, or behind the same alias; at most `most`.
    #[must_use]
    pub fn beside(&self, config: &Config, place: &SeenAt, most: usize) -> BTreeSet<Resource> {
        let mut resources = BTreeSet::new();
        for probe in self.fresh.places.at(place) {
            if resources.len() >= most {
                break;
            }
            resources.extend(config.probes.get(probe).map(|probe| probe.about.clone()));
        }
        resources
    }

    /// When to tick if nothing else happens.
    #[must_use]
    pub fn next(&self, config: &Config, now: Time) -> Option<Time> {
        let unsettled = self.fresh.index.as_ref().is_none_or(|index| !index.fits(config)) || self.fresh.sweep;
        let due = self.fresh.due.first().map(|(at, _)| *at);
        let others = [due, self.fresh.sight.deadline(now), self.listen_at(config, now)];
        others.into_iter().chain([unsettled.then_some(now)]).flatten().min()
    }

    /// Open alerts.
    #[must_use]
    pub fn alerts(&self) -> &BTreeMap<AlertId, Alert> {
        &self.known.alerts
    }

    /// Registrations as the registries last told them.
    #[must_use]
    pub fn registrations(&self) -> &BTreeMap<String, Registration> {
        &self.known.registrations
    }

    /// Name servers of a zone that are held to be meant, and since when.
    #[must_use]
    pub fn delegation(&self, zone: &str) -> Option<(&BTreeSet<String>, Time)> {
        self.known.delegations.get(zone).map(|known| (&known.servers, known.at))
    }

    /// Requests a second that are usual for a service that the edge serves, in thousandths; `None` while not known.
    #[must_use]
    pub fn usual_milli(&self, service: &ServiceId) -> Option<u64> {
        self.known.usual.get(service).map(|(usual, _)| *usual)
    }

    /// Why we cannot see out, when we cannot.
    #[must_use]
    pub fn blind(&self) -> Option<&str> {
        self.open.about(&self.known, &Resource::here()).find_map(|alert| match &alert.fault {
            Fault::Blind { why } => Some(why.as_str()),
            _ => None,
        })
    }

    /// When a thing was last looked at since boot, and whether nothing hurt by the newest answers about it.
    #[must_use]
    pub fn looked(&self, resource: &Resource) -> Option<LastResult> {
        match (self.looked_by_probes(resource), self.looked_by_the_edge(resource)) {
            (Some(one), Some(other)) => {
                Some(LastResult { at: one.at.max(other.at), well: one.well && other.well })
            }
            (one, other) => one.or(other),
        }
    }

    fn looked_by_probes(&self, resource: &Resource) -> Option<LastResult> {
        let about = &self.fresh.index.as_ref()?.about;
        // A host that is not asked for a page is known by its certificate alone.
        let certificate =
            || (resource.kind == Kind::Host).then(|| about.get(&Resource::tls(resource.name.clone())));
        let probes = about.get(resource).or_else(|| certificate().flatten())?;
        let asked = || probes.iter().filter_map(|probe| self.fresh.probes.get(probe));
        let at = asked().map(|asked| asked.last).max()?;
        Some(LastResult { at, well: asked().all(|asked| asked.well) })
    }

    /// Everything folded from events, as text: equal for two folds of one journal.
    #[must_use]
    pub fn known_text(&self) -> String {
        format!("{:#?}", self.known)
    }

    /// Probes that are wanted before their usual turn, and when. An entry stands until an answer newer than it came in.
    #[must_use]
    pub fn sooner(&self, config: &Config, now: Time) -> BTreeMap<ProbeId, Time> {
        let mut wanted: BTreeMap<ProbeId, Time> = BTreeMap::new();
        let mut want = |probe: &ProbeId, at: Time| {
            if config.probes.contains_key(probe) {
                wanted.entry(probe.clone()).and_modify(|was| *was = at.min(*was)).or_insert(at);
            }
        };
        for id in &self.fresh.restless {
            if let Some(asked) = self.fresh.probes.get(id)
                && !self.fresh.lookups.contains_key(id)
            {
                want(id, later(asked.last, FOLLOW_UP));
            }
        }
        let Some(index) = &self.fresh.index else { return wanted };
        for (probe, at) in self.fresh.sight.wanted(index, self.blind().is_some(), now) {
            want(&probe, at);
        }
        let troubled = self.fresh.troubles.keys().filter_map(|zone| index.domain_probe.get(zone));
        let restless = self.fresh.restless.iter().filter(|id| self.fresh.lookups.contains_key(*id));
        let asked: BTreeSet<&ProbeId> = self.fresh.pressing.iter().chain(troubled).chain(restless).collect();
        for id in asked {
            let Some(lookup) = self.fresh.lookups.get(id) else { continue };
            let trouble = self.zone_of(config, id).and_then(|zone| self.fresh.troubles.get(&zone));
            if let Some(at) = lookup.wanted(trouble, self.fresh.restless.contains(id), now) {
                want(id, at);
            }
        }
        for (zone, trouble) in &self.fresh.troubles {
            let last = |id: &ProbeId| self.fresh.probes.get(id).map(|asked| asked.last);
            if let Some(id) = index.dns_probe.get(zone)
                && last(id).is_none_or(|last| last < trouble.since)
            {
                want(id, trouble.since);
            }
            if let Some(id) = index.domain_probe.get(zone)
                && !self.fresh.lookups.contains_key(id)
            {
                want(id, trouble.since);
            }
        }
        wanted
    }
}

// What follows is how one answer is taken in, in the order in which it happens.
impl Detect {
    pub(crate) fn out(&self) -> Out {
        Out { last: self.known.last_alert, events: Vec::new() }
    }

    /// Follows a changed configuration.
    pub(crate) fn settle_in(&mut self, config: &Config, now: Time, out: &mut Out) {
        if self.fresh.index.as_ref().is_none_or(|index| !index.fits(config)) {
            let index = Index::new(config);
            self.fresh.due =
                index.domain_probe.values().map(|id| (later(now, STEP_GRACE), id.clone())).collect();
            self.fresh.index = Some(index);
            self.fresh.sweep = true;
            let stays = |id: &ProbeId| config.probes.contains_key(id);
            self.fresh.probes.retain(|id, _| stays(id));
            self.fresh.restless.retain(stays);
            self.fresh.lookups.retain(|id, _| stays(id));
            self.fresh.pressing.retain(stays);
            self.fresh.places.retain(stays);
            // The next answers say it again.
            self.fresh.held.clear();
            for trouble in self.fresh.troubles.values_mut() {
                trouble.seen_by.retain(stays);
            }
            self.fresh.troubles.retain(|_, trouble| !trouble.seen_by.is_empty());
            self.fresh.traffic.fit(config, now);
        }
        if std::mem::take(&mut self.fresh.sweep) {
            let gone = |alert: &&Alert| {
                if traffic::is_of_the_edge(&alert.fault) {
                    return !traffic::is_still_planned(config, alert);
                }
                alert.about.kind != Kind::Mainstay
                    && config.probes.get(&alert.probe).is_none_or(|probe| probe.about != alert.about)
            };
            for alert in self.known.alerts.values().filter(gone) {
                out.close(alert.id);
            }
        }
    }

    fn zone_of(&self, config: &Config, probe: &ProbeId) -> Option<String> {
        let probe = config.probes.get(probe)?;
        self.fresh.index.as_ref()?.zone_of(&probe.ask, &probe.about)
    }

    fn verdict(
        &mut self,
        config: &Config,
        probe: &Probe,
        sample: &ProbeResult,
        now: Time,
        out: &mut Out,
    ) -> Verdict {
        match (&probe.ask, &sample.answer) {
            (Ask::Dns { names, .. }, Answer::Dns(seen)) => self.zone(seen, names, now, out),
            (Ask::Domain { .. }, Answer::Domain(seen)) => self.registered(config, probe, seen, now, out),
            (Ask::Domain { .. }, Answer::Failed(Fault::Domain { domain })) => {
                self.looked_up(config, probe, now);
                registration::unregistered(domain)
            }
            // Whatever else kept us from asking the registry: the last known date stands (P12).
            (Ask::Domain { .. }, Answer::Failed(fault)) => {
                let retry_after = match fault {
                    Fault::Lookup { retry_after, .. } => *retry_after,
                    _ => None,
                };
                self.fresh.lookups.entry(probe.id.clone()).or_default().failed(retry_after, now);
                self.fresh.pressing.insert(probe.id.clone());
                let well = self.fresh.probes.get(&probe.id).is_none_or(|asked| asked.well);
                let verdict = Verdict { well, ..Verdict::default() };
                // While we cannot see out, it is not the registry that is mute.
                if self.blind().is_some() {
                    return verdict;
                }
                verdict.bad(self.stale(probe, now).unwrap_or_else(|| registration::unanswered(fault.clone())))
            }
            (Ask::Domain { .. } | Ask::Dns { .. }, Answer::Http(_) | Answer::Tcp { .. } | Answer::Tls(_)) => {
                Verdict::default()
            }
            _ => {
                let host = Resource::host(probe.about.name.clone());
                let host_too = probe.about.kind == Kind::Tls
                    && self.fresh.index.as_ref().is_some_and(|index| index.about.contains_key(&host));
                let usual = self.baseline(probe, sample, out);
                verdict::plain(probe, sample, host_too, usual, now)
            }
        }
    }

    /// Takes a verdict in: sight first, then the counts, then who is in trouble.
    fn take(&mut self, config: &Config, probe: &Probe, verdict: Verdict, now: Time, out: &mut Out) {
        let Verdict { lanes, dark, well } = verdict;
        let quiet = self.blind().is_some()
            || self.open.about(&self.known, &probe.about).any(|alert| alert.probe == probe.id);
        if let (Some(index), false) = (&self.fresh.index, matches!(probe.ask, Ask::Domain { .. })) {
            self.fresh.sight.note(&probe.id, dark, index, quiet, now);
        }
        // This answer takes the place of the one that was held back.
        self.fresh.held.remove(&probe.id);
        let blind = self.look_out(now, out);
        let lanes = if blind && dark != Dark::Light { BTreeMap::new() } else { lanes };
        let hold = dark != Dark::Light && self.fresh.sight.holds(now);
        let troubled = self.troubling(probe, &lanes);
        let asked = self.fresh.probes.entry(probe.id.clone()).or_insert_with(|| Asked::new(now, well));
        asked.last = now;
        asked.well = well;
        self.count(probe, lanes, hold, now, out);
        self.trouble(config, probe, troubled, now);
    }

    /// Asks the jury, and tells whether we are blind. What waited for the jury opens as soon as it need not wait.
    fn look_out(&mut self, now: Time, out: &mut Out) -> bool {
        let blind = self.ask_jury(now, out);
        if !blind && !self.fresh.sight.holds(now) {
            // Two probes may have said the same about one thing.
            let mut said = BTreeSet::new();
            for (id, about) in std::mem::take(&mut self.fresh.held) {
                let Some(asked) = self.fresh.probes.get_mut(&id) else { continue };
                for opening in asked.lanes.values_mut().filter_map(|tally| tally.release(now)) {
                    let word = opening.fault.word();
                    if self.open.worded(&about, word).is_none() && said.insert((about.clone(), word)) {
                        out.open(&about, &id, opening);
                    }
                }
            }
        }
        blind
    }

    fn ask_jury(&mut self, now: Time, out: &mut Out) -> bool {
        let blind = self.open.worded(&Resource::here(), "blind");
        let Some(index) = &self.fresh.index else { return blind.is_some() };
        match (self.fresh.sight.view(index, blind.is_some(), now), blind) {
            (View::Blind(why), None) => {
                let evidence = format!("{why}; they are on domains that have nothing else in common");
                let opening = Opening {
                    fault: Fault::Blind { why },
                    severity: Severity::Warning,
                    since: now,
                    evidence,
                };
                out.open(&Resource::here(), &ProbeId("mainstay.here".to_owned()), opening);
                // What was counted in the dark counts for nothing afterwards.
                self.fresh.held.clear();
                for id in &std::mem::take(&mut self.fresh.restless) {
                    if let Some(asked) = self.fresh.probes.get_mut(id) {
                        asked.lanes.clear();
                        asked.share.forget();
                    }
                }
                true
            }
            (View::Clear, Some(alert)) => {
                out.close(alert);
                false
            }
            (_, blind) => blind.is_some(),
        }
    }

    /// Whether an answer suggests that the domain itself may be lost.
    fn troubling(&self, probe: &Probe, lanes: &BTreeMap<Lane, Judged>) -> bool {
        lanes.values().any(|judged| match judged {
            Judged::Well => false,
            Judged::Bad(charge) => match &charge.fault {
                Fault::Dns { dns } => matches!(
                    dns,
                    DnsFault::DelegationMoved { .. } | DnsFault::NotDelegated | DnsFault::NoServer
                ),
                Fault::Domain { .. } => hurts_now(&charge.fault, charge.severity),
                Fault::Tls { tls } => matches!(tls, TlsFault::WrongName { .. } | TlsFault::SelfSigned),
                Fault::NameNotFound => probe.about.kind == Kind::Host,
                _ => false,
            },
        })
    }

    /// Follows which domains something is wrong with.
    fn trouble(&mut self, config: &Config, probe: &Probe, troubled: bool, now: Time) {
        let Some(zone) = self.zone_of(config, &probe.id) else { return };
        if troubled {
            let trouble = self.fresh.troubles.entry(zone).or_insert_with(|| Trouble::new(now));
            trouble.seen_by.insert(probe.id.clone());
        } else if let Some(trouble) = self.fresh.troubles.get_mut(&zone) {
            // A failed lookup tells nothing and ends nothing.
            let failing = self.fresh.lookups.get(&probe.id).is_some_and(Lookup::is_failing);
            if !failing {
                trouble.seen_by.remove(&probe.id);
            }
            if trouble.seen_by.is_empty() {
                self.fresh.troubles.remove(&zone);
            }
        }
    }
}
