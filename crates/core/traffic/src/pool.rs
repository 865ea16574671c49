//! The servers of a pool: which there are, which get requests, and which one gets the next.
//!
//! Of two servers chosen by weight, the first gets the request unless the second is clearly cheaper: latency, with
//! peaks remembered, times the requests in flight. A server that fails is ejected immediately, and comes back
//! gradually.
//!
//! When fewer than half of all servers serve - half of those declared or ever found together, not of those left -
//! the pool is in panic mode: the least bad of the others get requests too, until it is half. Never draining
//! servers; unreachable servers only when no other is left, and then all of them, until one answers.

use crate::admission::{Failure, Tried};
use crate::random::Random;
use crate::server::{Bad, Lately, Server, of};
use crate::tick::Tick;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use types::config;
use types::traffic::{ConnectsStatus, ServerState, ServerStatus};

mod opens;

/// The second of two servers must be cheaper than this times the first to get the request.
const CLEARLY: f64 = 0.8;
/// Time for which the highest number of addresses of a name is remembered.
const HIGHEST: Duration = Duration::from_secs(86_400);
/// The most addresses of one name.
const ADDRESSES: usize = 256;
/// The assumed latency of a pool that has not answered yet, in microseconds.
const LATENCY_UNKNOWN: f64 = 1_000.0;

/// The servers of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    servers: Vec<Server>,
    serials: u64,
    declared: Vec<config::PoolServer>,
    names: BTreeMap<String, Found>,
    each: u32,
    /// The most long-lived connections of one server.
    most_connections: u32,
    fall: u32,
    rise: u32,
    /// Servers that may get requests, as indices, with the running sum of their shares.
    chosen: Vec<(usize, f64)>,
    /// Requests in flight at servers that get no new ones: they hold no places of the others.
    stuck: u32,
    panics: bool,
    /// Changes whenever another server gets requests.
    version: u64,
    /// Whether it has answered anything yet: servers added later start slowly.
    began: bool,
    second: Tick,
    /// The problem with its servers' certificate, and the expected name.
    certificate: Option<(String, String)>,
}

/// State of a name.
#[derive(Clone, Debug, Default)]
struct Found {
    /// The most addresses that it recently had at the same time, and when.
    highest: (usize, Tick),
    /// Addresses that it has no more, the latest last.
    lost: Vec<(SocketAddr, Tick)>,
    since: Tick,
}

impl Pool {
    pub(crate) fn new(pool: &config::Pool, now: Tick) -> Self {
        let mut built = Self {
            servers: Vec::new(),
            serials: 0,
            declared: Vec::new(),
            names: BTreeMap::new(),
            each: 1,
            most_connections: u32::MAX,
            fall: 1,
            rise: 1,
            chosen: Vec::new(),
            stuck: 0,
            panics: false,
            version: 0,
            began: false,
            second: now,
            certificate: None,
        };
        built.reshape(pool, now);
        built
    }

    /// The configuration declares it again. What is known of servers that stay is kept.
    pub(crate) fn reshape(&mut self, pool: &config::Pool, now: Tick) {
        self.each = pool.max_concurrency.max(1);
        self.most_connections = pool.max_connections.unwrap_or(u32::MAX);
        (self.fall, self.rise) = pool.health.as_ref().map_or((1, 1), |health| (health.fall, health.rise));
        self.declared.clone_from(&pool.servers);
        let declared = |at: &str| pool.servers.iter().find(|server| server.at == at);
        for server in &mut self.servers {
            match declared(&server.at) {
                Some(config) => {
                    server.weight = config.weight;
                    server.set_drain(config.drain, now);
                    server.removed = false;
                }
                None => {
                    server.gone = true;
                    server.removed = true;
                }
            }
            if pool.health.is_none() {
                server.unchecked(now);
            }
        }
        self.names.retain(|name, _| declared(name).is_some());
        for server in &pool.servers {
            match server.at.parse() {
                Ok(address) => self.add(&server.at, address, now),
                Err(_) => {
                    let found = Found { since: now, ..Found::default() };
                    self.names.entry(server.at.clone()).or_insert(found);
                }
            }
        }
        self.choose(now);
    }

    /// Sets the addresses of a name. An empty result changes nothing: it is a fault of the name servers.
    pub(crate) fn resolved(&mut self, at: &str, found: &[SocketAddr], now: Tick) {
        let Some(known) = self.names.get_mut(at).filter(|_| !found.is_empty()) else { return };
        let found = &found[..found.len().min(ADDRESSES)];
        if found.len() >= known.highest.0 || now.since(known.highest.1) > HIGHEST {
            known.highest = (found.len(), now);
        }
        known.lost.retain(|(address, _)| !found.contains(address));
        for server in self.servers.iter_mut().filter(|server| server.at == at && !server.gone) {
            if !found.contains(&server.address) {
                server.gone = true;
                known.lost.push((server.address, now));
            }
        }
        let missing = known.highest.0 - found.len();
        let old = known.lost.len().saturating_sub(missing);
        known.lost.drain(..old);
        for address in found {
            self.add(at, *address, now);
        }
        self.choose(now);
    }

    fn add(&mut self, at: &str, address: SocketAddr, now: Tick) {
        let Some(config) = self.declared.iter().find(|server| server.at == at).cloned() else { return };
        let known = self.servers.iter_mut().find(|server| server.at == at && server.address == address);
        if let Some(server) = known {
            server.gone = false;
            server.removed = false;
            return;
        }
        self.serials += 1;
        let mut server = Server::new(self.serials, at, address, now, !self.began);
        server.weight = config.weight;
        server.drain = config.drain;
        self.servers.push(server);
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.servers.iter().filter(|server| !server.gone).map(|server| server.address)
    }

    /// Returns the servers that do not answer.
    pub(crate) fn silent(&self) -> impl Iterator<Item = SocketAddr> {
        let silent = |server: &&Server| matches!(server.bad(), Some(Bad::Silent | Bad::Unreachable));
        self.servers.iter().filter(silent).map(|server| server.address)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn panics(&self) -> bool {
        self.panics
    }

    /// Whether any client gets requests.
    pub(crate) fn has_servers(&self) -> bool {
        !self.chosen.is_empty()
    }

    /// Requests in flight at servers that get none any more.
    pub(crate) fn stuck(&self) -> u32 {
        self.stuck
    }

    /// The sum of the shares of serving servers.
    pub(crate) fn serving(&self) -> f64 {
        let serving = self.servers.iter().filter(|server| server.serves());
        serving.map(|server| f64::from(server.weight.max(1))).sum()
    }

    /// The most concurrent requests of the servers that get requests.
    pub(crate) fn most(&self) -> u64 {
        self.chosen.len() as u64 * u64::from(self.each)
    }

    /// The server for the next request, not one that had it already; its address and number. It has it from now on.
    pub(crate) fn pick(&mut self, tried: Tried, chance: &mut Random, now: Tick) -> Option<(SocketAddr, u64)> {
        let place = self.pair(tried, chance, now).or_else(|| self.cheapest(tried, now))?;
        let server = &mut self.servers[place];
        server.inflight += 1;
        Some((server.address, server.serial))
    }

    /// Whether a server that was not tried yet has a place for the request.
    pub(crate) fn has_other(&self, tried: Tried) -> bool {
        self.chosen.iter().any(|(place, _)| self.is_free(*place, tried))
    }

    fn is_free(&self, place: usize, tried: Tried) -> bool {
        let server = &self.servers[place];
        server.inflight + server.opening < self.each && !tried.has(server.serial)
    }

    /// The better of two, by weight.
    fn pair(&self, tried: Tried, chance: &mut Random, now: Tick) -> Option<usize> {
        let (_, whole) = *self.chosen.last()?;
        let mut take = || {
            let at = chance.unit() * whole;
            let place = self.chosen.partition_point(|(_, sum)| *sum <= at);
            self.chosen.get(place).map(|(place, _)| *place)
        };
        let first = take()?;
        let second = if self.chosen.len() == 2 {
            self.chosen.iter().map(|(place, _)| *place).find(|place| *place != first)?
        } else {
            (0..3).find_map(|_| take().filter(|place| *place != first)).unwrap_or(first)
        };
        match (self.is_free(first, tried), self.is_free(second, tried)) {
            (true, true) => {
                let usual = self.usual();
                let cost = |place: usize| self.servers[place].cost(now, usual);
                Some(if cost(second) < CLEARLY * cost(first) { second } else { first })
            }
            (true, false) => Some(first),
            (false, true) => Some(second),
            (false, false) => None,
        }
    }

    fn cheapest(&self, tried: Tried, now: Tick) -> Option<usize> {
        let usual = self.usual();
        let free = self.chosen.iter().map(|(place, _)| *place).filter(|place| self.is_free(*place, tried));
        free.min_by(|a, b| self.servers[*a].cost(now, usual).total_cmp(&self.servers[*b].cost(now, usual)))
    }

    /// The assumed latency of a server that has not answered yet: the least of the others. Otherwise it would get
    /// nothing beside them under a light load, and its latency would never be known.
    fn usual(&self) -> f64 {
        let all = self.chosen.iter().map(|(place, _)| self.servers[*place].latency());
        all.filter(|latency| *latency > 0.0).min_by(f64::total_cmp).unwrap_or(LATENCY_UNKNOWN)
    }

    /// A request to a server ended.
    pub(crate) fn returned(&mut self, serial: u64) {
        if let Some(place) = self.place(serial) {
            let server = &mut self.servers[place];
            server.inflight = server.inflight.saturating_sub(1);
            if server.is_stuck {
                self.stuck = self.stuck.saturating_sub(1);
            }
            self.forget(place);
        }
    }

    /// Forgets a server of which nothing is left.
    fn forget(&mut self, place: usize) {
        if self.servers[place].is_over() {
            self.servers.swap_remove(place);
            // Places have moved.
            self.rechoose();
        }
    }

    pub(crate) fn answered(&mut self, serial: u64, latency: Option<Duration>, status: u16, now: Tick) {
        self.began = true;
        if let Some(place) = self.place(serial)
            && self.servers[place].answered(latency, status, now)
        {
            self.choose(now);
        }
    }

    /// Counts a failed request. Returns whether another server may be tried.
    pub(crate) fn failed(&mut self, serial: u64, failure: &Failure, now: Tick) -> bool {
        let Some(place) = self.place(serial) else { return true };
        let eject = self.servers[place].failed(failure, now);
        if let Failure::Certificate { expected, why } = failure {
            self.certificate = Some((expected.clone(), why.clone()));
            let mut others =
                self.servers.iter().filter(|server| server.serial != serial && !server.gone && !server.drain);
            // When all fail alike, the certificate is at fault and not the server: retrying or ejecting helps no
            // client.
            if others.clone().any(certificate_good) {
                self.servers[place].eject(Bad::Certificate, failure.to_string(), now);
                self.choose(now);
                return true;
            }
            return others.any(|server| server.certificate_wrong.is_none());
        }
        if eject {
            let why = format!("failed several consecutive times: {failure}");
            self.servers[place].eject(of(failure), why, now);
            self.choose(now);
        }
        true
    }

    /// Applies the result of a health check.
    pub(crate) fn checked(&mut self, address: SocketAddr, found: &Result<(), Failure>, now: Tick) {
        if let Err(Failure::Certificate { expected, why }) = found {
            self.certificate = Some((expected.clone(), why.clone()));
        }
        let (fall, rise) = (self.fall, self.rise);
        let mut changed = false;
        for server in self.servers.iter_mut().filter(|server| server.address == address) {
            changed |= server.checked(found.clone(), fall, rise, now);
        }
        if changed {
            self.choose(now);
        }
    }

    /// Counts an attempt to connect to a server.
    pub(crate) fn connected(&mut self, address: SocketAddr, accepted: bool) {
        self.servers
            .iter_mut()
            .filter(|server| server.address == address)
            .for_each(|server| server.connected(accepted));
    }

    /// Counts a request whose connection to a server broke.
    pub(crate) fn broke(&mut self, address: SocketAddr, request: &str) {
        self.servers
            .iter_mut()
            .filter(|server| server.address == address)
            .for_each(|server| server.broke(request.to_owned()));
    }

    /// Time went by.
    pub(crate) fn turn(&mut self, now: Tick) {
        let mut changed = false;
        for server in &mut self.servers {
            changed |= server.turn(now);
        }
        if now.since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.compare(now);
            for server in &mut self.servers {
                server.fade();
            }
            let live = |server: &&Server| !server.gone;
            if !self.servers.iter().filter(live).any(certificate_wrong) {
                self.certificate = None;
            }
            // Slowly starting servers get a larger share.
            changed = true;
        }
        if changed {
            self.choose(now);
        }
    }

    /// Takes out at most one server that does clearly worse than the others.
    fn compare(&mut self, now: Tick) {
        let serving: Vec<usize> =
            (0..self.servers.len()).filter(|place| self.servers[*place].serves()).collect();
        let all = serving.iter().fold(Lately::default(), |sum, place| sum.plus(self.servers[*place].lately));
        let mut worst: Option<(f64, usize, Bad, String)> = None;
        for place in &serving {
            let server = &mut self.servers[*place];
            let (own, others) = (server.lately, all.minus(server.lately));
            let (own_all, others_all) = (own.good + own.bad, others.good + others.bad);
            let fails = own.bad / own_all.max(1.0);
            let others_fail = others.bad / others_all.max(1.0);
            let takes = own.micros / own.good.max(1.0);
            let others_take = others.micros / others.good.max(1.0);
            let slow = own.good >= 10.0
                && others.good >= 10.0
                && takes > 3.0 * others_take
                && takes > others_take + 20_000.0;
            server.slow_secs = if slow { server.slow_secs + 1 } else { 0 };
            let errors =
                own_all >= 20.0 && others_all >= 20.0 && fails > 0.2 && fails > 3.0 * others_fail + 0.1;
            let (badness, bad, why) = if errors {
                let why = format!(
                    "fails {:.0} % of its requests, the others {:.0} %",
                    100.0 * fails,
                    100.0 * others_fail
                );
                (1e6 * fails, Bad::Errors, why)
            } else if server.slow_secs >= 3 {
                let why =
                    format!("takes {:.0} ms to answer, the others {:.0} ms", takes / 1e3, others_take / 1e3);
                (takes / others_take.max(1.0), Bad::Slow, why)
            } else {
                continue;
            };
            if worst.as_ref().is_none_or(|(worst, ..)| badness > *worst) {
                worst = Some((badness, *place, bad, why));
            }
        }
        // To compare is to compare with enough others.
        if let Some((_, place, bad, why)) = worst
            && 2 * (serving.len() - 1) >= self.size()
        {
            self.servers[place].eject(bad, why, now);
        }
    }

    /// The expected number of servers: those declared, and for a name the most that it had. Draining servers are
    /// not counted.
    fn size(&self) -> usize {
        let declared = self.declared.iter().filter(|server| !server.drain);
        declared.map(|server| self.names.get(&server.at).map_or(1, |name| name.highest.0.max(1))).sum()
    }

    /// Selects the servers that get requests.
    fn choose(&mut self, now: Tick) {
        self.version += 1;
        self.servers.retain(|server| !server.is_over());
        let mut places: Vec<usize> =
            (0..self.servers.len()).filter(|place| self.servers[*place].serves()).collect();
        let half = self.size().div_ceil(2);
        self.panics = places.len() < half;
        if self.panics {
            let mut bad: Vec<(Bad, usize)> = (0..self.servers.len())
                .filter_map(|place| self.servers[place].bad().map(|bad| (bad, place)))
                .collect();
            bad.sort_unstable();
            let reachable = bad.iter().filter(|(bad, _)| *bad < Bad::Unreachable).map(|(_, place)| *place);
            places.extend(reachable.take(half - places.len()));
            if places.is_empty() {
                places.extend(bad.into_iter().map(|(_, place)| place));
            }
        }
        let mut sum = 0.0;
        self.chosen = places
            .into_iter()
            .map(|place| {
                sum += self.servers[place].share(now);
                (place, sum)
            })
            .collect();
        let mut gets = vec![false; self.servers.len()];
        self.chosen.iter().for_each(|(place, _)| gets[*place] = true);
        for (server, gets) in self.servers.iter_mut().zip(gets) {
            // A draining server finishes its requests.
            server.is_stuck = !gets && !server.drain && !server.gone;
            let serves = server.serves();
            let served = std::mem::replace(&mut server.served, serves);
            if !gets || server.served && !served {
                server.open_rate.restart(now);
            }
        }
        let stuck = self.servers.iter().filter(|server| server.is_stuck);
        self.stuck = stuck.map(|server| server.inflight).sum();
    }

    /// Selects the same servers after indices moved: rare, so it is done simply.
    fn rechoose(&mut self) {
        let now = self.second;
        self.choose(now);
    }

    fn place(&self, serial: u64) -> Option<usize> {
        self.servers.iter().position(|server| server.serial == serial)
    }

    pub(crate) fn certificate(&self) -> Option<(String, String)> {
        self.certificate.clone()
    }

    pub(crate) fn seen(&mut self, now: Tick) -> Vec<ServerStatus> {
        let live = self.servers.iter_mut().filter(|server| !server.gone);
        let mut seen: Vec<ServerStatus> = live.map(|server| server.seen(now)).collect();
        for (name, found) in &self.names {
            for (address, since) in &found.lost {
                seen.push(absent(
                    address.to_string(),
                    format!("{name} no longer leads to it"),
                    now.since(*since),
                ));
            }
            if found.highest.0 == 0 {
                let why = "the name leads to no address".to_owned();
                seen.push(absent(name.clone(), why, now.since(found.since)));
            }
        }
        seen
    }
}

fn absent(address: String, why: String, since: Duration) -> ServerStatus {
    ServerStatus {
        address,
        state: ServerState::Down,
        since,
        why: Some(why),
        inflight: 0,
        connections: 0,
        answered: 0,
        failed: 0,
        latency: Duration::ZERO,
        connects: ConnectsStatus::default(),
    }
}

fn certificate_wrong(server: &Server) -> bool {
    server.certificate_wrong.is_some() && server.certificate_wrong > server.certificate_right
}

fn certificate_good(server: &Server) -> bool {
    server.certificate_right.is_some() && server.certificate_right >= server.certificate_wrong
}
