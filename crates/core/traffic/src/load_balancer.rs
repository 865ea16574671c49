//! A pool as the edge asks it: who may go now and to which server, who waits, who comes again later.

use crate::admission::{Admission, Arrival, Failure, Outcome, Permit, Shed, ShedWhy, Ticket, Tried, Woken};
use crate::ceiling::Ceiling;
use crate::clients::Clients;
use crate::concurrency::{Concurrency, Use, WINDOW};
use crate::demand::Demand;
use crate::facts::Class;
use crate::overload::{Overload, Seen};
use crate::pool::Pool;
use crate::queue::{Queue, class_of};
use crate::random::Random;
use crate::retry_budget::RetryBudget;
use crate::share::Shares;
use crate::tick::Tick;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use types::config;
use types::traffic::PoolStatus;

/// How long one waits for a permit at most before servers that are known to be overloaded, while others wait too.
const WAIT_MOST: Duration = Duration::from_millis(100);
/// Who waits for longer than this is likely to leave.
const SOON: Duration = Duration::from_secs(1);
/// How long the onset of a flood lasts.
const ONSET: Duration = Duration::from_secs(5);
/// So many times the limit are a crowd.
const CROWD: f64 = 4.0;
/// This part of all places in use is full.
const FULL: f64 = 0.8;
/// Those who have waited long enough are looked for this often at most.
const SWEEP: Duration = Duration::from_millis(5);
/// When to come again if there is no server, and the most that is ever said.
const NO_SERVER: f64 = 5.0;
const RETRY_AFTER_MOST: f64 = 60.0;

/// A pool and everything that is known of it. One for all threads, behind a lock that is held for a moment.
///
/// It is calm until slowness or refusals of its servers are seen. In the calm as many requests go to each server as the configuration allows, of
/// as many clients as answers as quick as usual have shown to fit, and who exceeds that waits, up to the deadline. Once servers are
/// seen to be overloaded, the limit that was found counts requests, and who would wait for long behind other clients is refused. A
/// free place is never refused, and a client that waits only for itself is not refused either.
///
/// Every [`Permit`] comes back once, every [`Ticket`] is told once by [`LoadBalancer::woken`] unless its owner gave up.
#[derive(Debug)]
pub struct LoadBalancer {
    pool: Pool,
    concurrency: Concurrency,
    ceiling: Ceiling,
    shares: Shares,
    queue: Queue,
    budget: RetryBudget,
    chance: Random,
    inflight: u32,
    clients: Clients,
    demand: Demand,
    overload: Overload,
    /// When servers will have ended what nobody waits for any longer; it still is work for them.
    going_on: VecDeque<Tick>,
    woken: Vec<(Ticket, Woken)>,
    /// Who had to wait or was refused in this window: nobody, one client, several.
    turned_away: TurnedAway,
    turned: Tick,
    swept: Tick,
    /// The weights of those that served at the last look.
    serving: f64,
    /// The pool's version then.
    sized: u64,
}

impl LoadBalancer {
    /// A pool as the configuration declares it. The seed is secret and random.
    #[must_use]
    pub fn new(pool: &config::Pool, tick: Tick, seed: u64) -> Self {
        let mut chance = Random::new(seed);
        let mut balancer = Self {
            concurrency: Concurrency::new(pool.initial_concurrency, tick),
            ceiling: Ceiling::new(tick),
            shares: Shares::new(chance.next(), tick),
            queue: Queue::default(),
            budget: RetryBudget::new(),
            inflight: 0,
            clients: Clients::new(chance.next()),
            demand: Demand::default(),
            chance,
            overload: Overload::Calm,
            going_on: VecDeque::new(),
            woken: Vec::new(),
            turned_away: TurnedAway::default(),
            turned: tick,
            swept: tick,
            serving: 0.0,
            sized: 0,
            pool: Pool::new(pool, tick),
        };
        balancer.resize();
        balancer
    }

    /// The configuration declares the pool again. What is known of servers that stay is kept.
    pub fn reshape(&mut self, pool: &config::Pool, tick: Tick) {
        self.pool.reshape(pool, tick);
        self.resize();
        self.dispatch(tick);
    }

    /// A request wants a server.
    pub fn arrive(&mut self, tick: Tick, arrival: Arrival) -> Admission {
        match self.announce(tick, arrival.class, arrival.client) {
            Ok(()) => self.admit(tick, arrival),
            Err(shed) => Admission::Shed(shed),
        }
    }

    /// A request has come that will want a server when its body is there: whether it will get one at all. Asked once; whoever
    /// may goes on by [`LoadBalancer::admit`].
    ///
    /// # Errors
    /// When it is not among those that are let through.
    pub fn announce(&mut self, tick: Tick, class: Class, client: u64) -> Result<(), Shed> {
        self.turn(tick);
        if !self.pool.has_servers() {
            self.ceiling.asked();
            self.demand.asked();
            return Err(self.shed(class, ShedWhy::NoServer));
        }
        // A client whose own line is full comes again and again: that is no demand of many.
        if self.queue.is_full_for(class, client) {
            return Err(self.shed(class, ShedWhy::Overload));
        }
        self.ceiling.asked();
        self.demand.asked();
        let lucky = self.shares.lucky(class, client, tick);
        if lucky || self.is_idle() {
            return Ok(());
        }
        self.turned_away.one_more(client);
        Err(self.shed(class, ShedWhy::Overload))
    }

    /// One that was announced wants its server now.
    pub fn admit(&mut self, tick: Tick, arrival: Arrival) -> Admission {
        self.turn(tick);
        let class = arrival.class;
        let client = (!arrival.own).then_some(arrival.client);
        if !self.pool.has_servers() {
            return Admission::Shed(self.shed(class, ShedWhy::NoServer));
        }
        // In the calm a client that is being served does not queue behind others for its further requests.
        let is_next = !self.queue.before(class) || self.is_calm() && self.clients.has(client);
        if is_next && let Some(permit) = self.take(Tried::default(), client, tick) {
            self.queue.passed(class);
            self.budget.request();
            return Admission::Go(permit);
        }
        self.turned_away.one_more(arrival.client);
        match self.queue.push(class, client, tick.after(arrival.deadline), self.waiting_most(), tick) {
            Some(ticket) => Admission::Wait(ticket),
            None => Admission::Shed(self.shed(class, ShedWhy::Overload)),
        }
    }

    /// One that waited has gone away: it is not sent anywhere.
    pub fn gave_up(&mut self, tick: Tick, ticket: Ticket) {
        self.queue.remove(ticket, tick);
    }

    /// A permit comes back.
    pub fn done(&mut self, tick: Tick, permit: Permit, outcome: Outcome) {
        let _ = self.give_back(tick, &permit, &outcome);
        self.turn(tick);
        if self.is_calm() && self.queue.len() > 0 {
            self.concurrency.hurry(tick);
        }
        self.dispatch(tick);
    }

    /// A request goes on though it is no work for its server now, since its client is what is waited for: its place is free. The
    /// permit stays, and comes back later with what came of it.
    pub fn yields(&mut self, tick: Tick, permit: &mut Permit) {
        if permit.yielded {
            return;
        }
        self.free(tick, permit, Duration::ZERO);
        self.pool.returned(permit.serial);
        permit.yielded = true;
        self.turn(tick);
        self.dispatch(tick);
    }

    /// Concurrent requests that all servers together may have by the configuration.
    #[must_use]
    pub fn places(&self) -> u64 {
        self.pool.most()
    }

    /// A permit comes back from a request that may be repeated: another server to ask, if one may. Not before overloaded servers
    /// that are at their limit, not for more than a tenth of all requests, and not when every server fails alike.
    pub fn retry(&mut self, tick: Tick, permit: Permit, outcome: Outcome) -> Option<Permit> {
        let elsewhere = self.give_back(tick, &permit, &outcome);
        self.turn(tick);
        let again =
            if elsewhere && matches!(outcome, Outcome::Failed(_)) { self.again(tick, &permit) } else { None };
        self.dispatch(tick);
        again
    }

    /// Whether [`LoadBalancer::retry`] would find another server for this permit now.
    #[must_use]
    pub fn may_retry(&self, permit: &Permit) -> bool {
        let tried = permit.tried.with(permit.serial);
        !self.overloaded() && self.budget.suffices() && tried.is_some_and(|tried| self.pool.has_other(tried))
    }

    /// Another server for a request that failed. Until overload is known it keeps its place before those who wait, also where
    /// fewer places are left than there were: a server that dies takes many requests with it, and the budget bounds them.
    fn again(&mut self, tick: Tick, permit: &Permit) -> Option<Permit> {
        if !self.may_retry(permit) {
            return None;
        }
        let tried = permit.tried.with(permit.serial)?;
        self.budget.pay();
        if self.overload.is_known() {
            return self.take(tried, permit.client, tick);
        }
        self.give(tried, permit.client, tick)
    }

    /// Time went by. To be called at [`LoadBalancer::next`].
    pub fn tick(&mut self, tick: Tick) {
        self.turn(tick);
        self.dispatch(tick);
    }

    /// When [`LoadBalancer::tick`] is to be called at the latest: within a tenth of a second, sooner when a client waits.
    #[must_use]
    pub fn next(&self) -> Tick {
        let window = self.turned.after(WINDOW);
        if self.queue.len() == 0 {
            return window;
        }
        let late = if self.is_calm() { self.queue.deadline() } else { Tick::default() };
        late.max(self.swept.after(SWEEP)).min(self.ceiling.next()).min(window)
    }

    /// What became of those that waited, each told once. To be asked after every other call.
    pub fn woken(&mut self) -> std::vec::Drain<'_, (Ticket, Woken)> {
        self.woken.drain(..)
    }

    /// What a health check found.
    pub fn health(&mut self, tick: Tick, server: SocketAddr, found: Result<(), Failure>) {
        self.pool.checked(server, &found, tick);
        self.resize();
        self.dispatch(tick);
    }

    /// Names that are to be looked up, with their ports: `app.internal:8080`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pool.names()
    }

    /// Every server that there is now: to be asked for its health.
    pub fn servers(&self) -> impl Iterator<Item = SocketAddr> {
        self.pool.addresses()
    }

    /// Servers that do not answer, by their health checks or by requests that failed: what waits there for a response waits in
    /// vain. Not those that answer badly or slowly.
    pub fn silent(&self) -> impl Iterator<Item = SocketAddr> {
        self.pool.silent()
    }

    /// Where a name leads now. Nothing changes when it leads nowhere: better the servers of yesterday than none.
    pub fn resolved(&mut self, tick: Tick, at: &str, found: &[SocketAddr]) {
        self.pool.resolved(at, found, tick);
        self.resize();
        self.dispatch(tick);
    }

    /// The pool in its current state. What was counted since the last time is told once.
    pub fn seen(&mut self, tick: Tick) -> PoolStatus {
        self.turn(tick);
        PoolStatus {
            servers: self.pool.seen(tick),
            limit: self.limit(),
            inflight: self.inflight,
            waiting: u32::try_from(self.queue.len()).unwrap_or(u32::MAX),
            panic_mode: self.pool.panics(),
            certificate: self.pool.certificate(),
        }
    }

    /// Whether requests are refused or have to wait because servers are overloaded.
    #[must_use]
    pub fn crowded(&self) -> bool {
        !self.is_calm() || self.shares.cut()
    }

    /// Whether it is known that servers are given more than they bear.
    fn is_overloaded(&self) -> bool {
        self.overload.is_known() || self.ceiling.rate().is_some()
    }

    fn is_calm(&self) -> bool {
        self.overload.is_calm() && self.ceiling.rate().is_none()
    }

    /// Requests that servers are given together.
    fn limit(&self) -> u32 {
        if self.is_calm() {
            return u32::try_from(self.pool.most()).unwrap_or(u32::MAX).max(1);
        }
        self.concurrency.limit().max(1)
    }

    /// What servers have to do, with what nobody waits for any longer, and without what is stuck at those that are out.
    fn working(&self) -> u32 {
        let inflight = self.inflight.saturating_sub(self.pool.stuck());
        inflight.saturating_add(u32::try_from(self.going_on.len()).unwrap_or(u32::MAX))
    }

    /// What the limit that is sought counts: in the calm clients, without requests that wait at a server for something to happen, else
    /// requests.
    fn load(&self, tick: Tick) -> u32 {
        let working = self.working();
        if !self.is_calm() {
            return working;
        }
        let long = self.clients.long(tick);
        let clients = self.clients.count().min(self.inflight.saturating_sub(self.pool.stuck()));
        let going_on = u32::try_from(self.going_on.len()).unwrap_or(u32::MAX);
        clients.saturating_sub(long).saturating_add(going_on)
    }

    /// Whether a request of this client fits now.
    fn has_room(&mut self, client: Option<u64>, tick: Tick) -> bool {
        while self.going_on.front().is_some_and(|until| *until <= tick) {
            self.going_on.pop_front();
        }
        let (limit, working) = (self.limit(), self.working());
        if !self.is_calm() {
            return working < limit;
        }
        let fits = working < limit || working.saturating_sub(self.clients.long(tick)) < limit;
        fits && (self.load(tick) < self.concurrency.limit().max(1) || self.clients.has(client))
    }

    /// Whether half of all places are free and nobody waits: then whoever comes may have one. The other half is kept for those whose turn
    /// it is, who come soon.
    fn is_idle(&self) -> bool {
        self.queue.len() == 0 && self.ceiling.rate().is_none() && 2 * self.working() < self.limit()
    }

    /// Whether so much is free that a place may be held for nothing.
    #[must_use]
    pub fn has_plenty(&self, tick: Tick) -> bool {
        self.is_idle() && (!self.is_calm() || 2 * self.load(tick) < self.concurrency.limit())
    }

    /// Whether nothing may be asked twice: servers are overloaded and have all that they can do, or refuse.
    fn overloaded(&self) -> bool {
        self.ceiling.rate().is_some()
            || self.overload.is_known()
                && (self.shares.cut() || self.queue.len() > 0 || self.working() >= self.limit())
    }

    /// Requests a second that may go through: what goes through at once, and what servers do not refuse.
    fn drain(&self) -> Option<f64> {
        match (self.concurrency.drain(), self.ceiling.rate()) {
            (Some(drain), Some(ceiling)) => Some(drain.min(ceiling)),
            (drain, ceiling) => drain.or(ceiling),
        }
    }

    /// How long one may wait. Before a slow server, or where little may go through, a permit is rarely free: those who go
    /// first get the time that it takes; they are few.
    fn wait_most(&self, class: Class) -> Duration {
        if class > Class::Recognized {
            return WAIT_MOST;
        }
        let each = self.ceiling.rate().map_or(0.0, |rate| 2.0 / rate);
        WAIT_MOST.max(self.concurrency.usual() / 2).max(Duration::from_secs_f64(each.min(1.0)))
    }

    /// How long the head of a client's line may wait now. `None`: up to its deadline, since nobody is known to be overloaded, or so few
    /// clients wait that it will soon be its turn.
    fn patience(&self, class: Class, tick: Tick) -> Option<Duration> {
        let most = self.wait_most(class);
        let served = self.drain().map_or(0.0, |drain| drain * most.as_secs_f64());
        let few = if self.shares.cut() { 0 } else { (served as usize).max(1) };
        // Those who waited before it was known get as long from then on.
        let is_known = self.overload.is_known_for(most, tick) || self.ceiling.rate().is_some();
        (is_known && self.queue.clients(class) > few).then_some(most)
    }

    /// After how long of a queue that does not empty the newest goes first. `None`: the oldest does, since all will be served soon.
    fn newest(&self) -> Option<Duration> {
        let soon = if self.is_calm() { SOON } else { WAIT_MOST };
        let many = self.drain().map_or(f64::INFINITY, |drain| drain * soon.as_secs_f64());
        (self.is_overloaded() || self.queue.clients(Class::Bot) as f64 > many).then_some(WINDOW)
    }

    /// As many clients may wait in one class as could be served in twice the time that they may.
    fn waiting_most(&self) -> usize {
        if !self.is_overloaded() {
            return usize::MAX;
        }
        let served = self.drain().map_or(0.0, |drain| 2.0 * drain * WAIT_MOST.as_secs_f64());
        (served as usize).max(self.limit() as usize).max(8)
    }

    fn take(&mut self, tried: Tried, client: Option<u64>, tick: Tick) -> Option<Permit> {
        if !self.has_room(client, tick) { None } else { self.give(tried, client, tick) }
    }

    /// A permit for a server that has a place for it, whatever the pool's limit.
    fn give(&mut self, tried: Tried, client: Option<u64>, tick: Tick) -> Option<Permit> {
        if !self.ceiling.take(tick) {
            return None;
        }
        let Some((server, serial)) = self.pool.pick(tried, &mut self.chance, tick) else {
            self.ceiling.put_back();
            return None;
        };
        self.inflight += 1;
        self.clients.begin(client, tick);
        self.concurrency.working(self.load(tick), tick);
        Some(Permit { server, serial, since: tick, tried, client, yielded: false })
    }

    /// Frees a permit's place. Its server goes on for so long with what was left.
    fn free(&mut self, tick: Tick, permit: &Permit, goes_on: Duration) {
        self.inflight = self.inflight.saturating_sub(1);
        self.clients.end(permit.client, permit.since);
        if !goes_on.is_zero() {
            self.going_on.push_back(tick.after(goes_on));
        }
        self.concurrency.working(self.load(tick), tick);
    }

    /// Books what came of a permit. Whether another server may be asked instead.
    fn give_back(&mut self, tick: Tick, permit: &Permit, outcome: &Outcome) -> bool {
        // How long one was held that was yielded is its client's doing and tells nothing.
        let held = (!permit.yielded).then(|| tick.since(permit.since));
        if let Some(held) = held {
            let goes_on = match outcome {
                Outcome::Left => self.concurrency.goes_on(held),
                _ => Duration::ZERO,
            };
            if *outcome != Outcome::Unsent {
                self.concurrency.returned(held + goes_on);
            }
            self.free(tick, permit, goes_on);
        }
        let mut elsewhere = true;
        match outcome {
            Outcome::Answered { latency, status } => {
                // An error is often quick, and says nothing about how long work takes.
                if *status < 500 && *status != 429 {
                    self.concurrency.took(*latency, tick);
                }
                if let Some(client) = permit.client {
                    self.ceiling.answered(client, *status);
                }
                self.pool.answered(permit.serial, *latency, *status, tick);
            }
            Outcome::Failed(failure) => {
                if let Some(held) = held.filter(|_| *failure == Failure::Timeout) {
                    self.concurrency.cut_short(held, tick);
                }
                elsewhere = self.pool.failed(permit.serial, failure, tick);
            }
            // Who leaves after long has seen that it is slow; who leaves soon has seen nothing.
            Outcome::Left => {
                if let Some(held) = held.filter(|held| self.concurrency.is_long(*held)) {
                    self.concurrency.cut_short(held, tick);
                }
            }
            Outcome::Unsent => {}
        }
        if !permit.yielded {
            self.pool.returned(permit.serial);
        }
        self.resize();
        elsewhere
    }

    /// Windows that are over are judged.
    fn turn(&mut self, tick: Tick) {
        if self.ceiling.alarmed() {
            self.ceiling.turn(self.shares.cut(), self.concurrency.usual(), tick);
        }
        if tick.since(self.turned) < WINDOW {
            return;
        }
        let span = tick.since(std::mem::replace(&mut self.turned, tick));
        self.demand.turn(span.as_secs_f64(), self.is_calm());
        self.pool.turn(tick);
        let clients = self.queue.clients(Class::Bot);
        let used = if self.is_calm() {
            Use::Calm { waiting: clients, more: self.demand.is_more() }
        } else {
            Use::Bound { onset: self.demand.is_flood() && self.overload.is_new(ONSET, tick) }
        };
        self.concurrency.turn(tick, used);
        self.concurrency.count(tick);
        self.resize();
        self.ceiling.turn(self.shares.cut(), self.concurrency.usual(), tick);
        self.judge(clients > 0, tick);
        let pressed = self.is_overloaded() && self.turned_away.several() || self.ceiling.rate().is_some();
        self.shares.turn(self.drain(), pressed, tick);
        self.turned_away = TurnedAway::default();
    }

    /// What is believed of the servers, by what was seen.
    fn judge(&mut self, waiting: bool, tick: Tick) {
        let working = f64::from(self.working());
        let seen = Seen {
            found: self.concurrency.found(),
            helped: self.concurrency.has_helped(),
            waiting,
            cut: self.shares.cut(),
            flood: self.demand.is_flood()
                && self.queue.clients(Class::Bot) as f64 > CROWD * f64::from(self.concurrency.limit()),
            crammed: waiting && working >= FULL * f64::from(self.limit()) && self.concurrency.is_slow(),
        };
        let after = self.overload.after(seen, tick);
        let before = std::mem::replace(&mut self.overload, after);
        if before.is_calm() == self.overload.is_calm() {
            return;
        }
        if self.overload.is_calm() {
            self.concurrency.relax();
        } else if seen.crammed {
            self.concurrency.set_limit(FULL * working);
        }
        // From now on the other is counted: clients, or requests.
        self.concurrency.working(self.load(tick), tick);
    }

    /// Fits the limit to the servers that are left.
    fn resize(&mut self) {
        if self.sized == self.pool.version() {
            return;
        }
        self.sized = self.pool.version();
        let serving = self.pool.serving();
        if serving > 0.0 && serving < self.serving {
            self.concurrency.shrink_to(serving / self.serving);
        }
        if serving > 0.0 && self.serving > 0.0 && serving != self.serving {
            self.ceiling.scale(serving / self.serving);
        }
        if serving > 0.0 {
            self.serving = serving;
        }
        if self.pool.has_servers() {
            self.concurrency.at_most(self.pool.most());
        }
    }

    /// Gives free permits to those who wait, and tells those who waited in vain.
    fn dispatch(&mut self, tick: Tick) {
        if self.queue.len() == 0 {
            return;
        }
        let is_due = !self.is_calm() || self.queue.deadline() <= tick;
        if is_due && tick.since(self.swept) >= SWEEP {
            self.swept = tick;
            let mut late = Vec::new();
            let patience = Class::ALL.map(|class| self.patience(class, tick));
            self.queue.expire(|class| patience[class as usize], tick, &mut late);
            self.turn_away(&late, ShedWhy::Waited);
        }
        if !self.pool.has_servers() {
            let mut all = Vec::new();
            self.queue.clear(&mut all);
            self.turn_away(&all, ShedWhy::NoServer);
        }
        while let Some((ticket, client)) = self.queue.next(self.newest(), tick) {
            if !self.let_in(ticket, client, tick) {
                break;
            }
            // In the calm whoever is served gets all that it asks for.
            while self.is_calm()
                && let Some(next) = client.and_then(|client| self.queue.head_of(ticket, client))
                && self.let_in(next, client, tick)
            {}
        }
    }

    fn let_in(&mut self, ticket: Ticket, client: Option<u64>, tick: Tick) -> bool {
        let Some(permit) = self.take(Tried::default(), client, tick) else { return false };
        self.queue.pop(ticket, tick);
        self.budget.request();
        self.woken.push((ticket, Woken::Go(permit)));
        true
    }

    fn turn_away(&mut self, tickets: &[Ticket], why: ShedWhy) {
        for ticket in tickets {
            let shed = self.shed(class_of(*ticket), why);
            self.woken.push((*ticket, Woken::Shed(shed)));
        }
    }

    /// When to come again: as many seconds as it takes to answer what came in one, and up to half as many more.
    fn shed(&mut self, class: Class, why: ShedWhy) -> Shed {
        let wait = match (why, self.drain()) {
            (ShedWhy::NoServer, _) | (_, None) => NO_SERVER,
            (_, Some(drain)) => self.shares.excess(class, drain).clamp(1.0, RETRY_AFTER_MOST),
        };
        let jitter = 1.0 + 0.5 * self.chance.unit();
        Shed { retry_after: Duration::from_secs_f64(wait * jitter), why }
    }
}

/// Clients that had to wait or were refused, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TurnedAway {
    #[default]
    Nobody,
    One(u64),
    Several,
}

impl TurnedAway {
    fn one_more(&mut self, client: u64) {
        *self = match *self {
            Self::Nobody => Self::One(client),
            Self::One(known) if known == client => *self,
            _ => Self::Several,
        };
    }

    fn several(self) -> bool {
        self == Self::Several
    }
}

#[cfg(test)]
mod tests;
