//! The load balancer of one pool: server choice, queue, load shedding, retries.

mod opens;
mod turned_away;

use crate::admission::{Admission, Arrival, Failure, Outcome, Permit, Shed, ShedWhy, Ticket, Tried, Woken};
use crate::ceiling::{Ceiling, PAUSE};
use crate::clients::Clients;
use crate::concurrency::{Concurrency, Use, WINDOW};
use crate::crowd::Crowd;
use crate::demand::Demand;
use crate::facts::Class;
use crate::opens::Opens;
use crate::overload::{Overload, Seen};
use crate::pool::Pool;
use crate::queue::{Queue, class_of, is_open};
use crate::random::Random;
use crate::retry_budget::RetryBudget;
use crate::share::Shares;
use crate::tick::Tick;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use turned_away::TurnedAway;
use types::config;
use types::traffic::PoolStatus;

/// The longest wait for a permit at overloaded servers while other clients wait too.
const WAIT_MOST: Duration = Duration::from_millis(100);
/// A client that waits for longer than this is likely to leave.
const SOON: Duration = Duration::from_secs(1);
/// Duration of the onset of a flood.
const ONSET: Duration = Duration::from_secs(5);
/// This many times the limit are a crowd.
const CROWD: f64 = 4.0;
/// Fraction of the places in use above which a pool is full.
const FULL: f64 = 0.8;
/// Interval at which requests that have waited long enough are looked for.
const SWEEP: Duration = Duration::from_millis(5);
/// Retry-After in seconds without a server and while nothing is measured, and the longest Retry-After.
const NO_SERVER: f64 = 5.0;
const RETRY_AFTER_MOST: f64 = 60.0;

/// A pool and everything that is known of it. One for all threads, behind a lock that is held for a moment.
///
/// A pool is calm until slowness or refusals of its servers are seen. While it is calm, each server gets as many
/// requests as the configuration allows, from as many clients as were served without a slowdown before; further
/// requests wait, up to the deadline. Once servers are found overloaded, the measured limit counts requests, and a
/// request that would wait for long behind other clients is refused. A free place is never refused, and neither is
/// a client that waits only for itself.
///
/// Every [`Permit`] comes back once; every [`Ticket`] is returned once by [`LoadBalancer::woken`] unless its owner
/// gave up.
#[derive(Debug)]
pub struct LoadBalancer {
    pool: Pool,
    concurrency: Concurrency,
    ceiling: Ceiling,
    crowd: Crowd,
    shares: Shares,
    queue: Queue,
    opens: Opens,
    budget: RetryBudget,
    chance: Random,
    inflight: u32,
    clients: Clients,
    demand: Demand,
    overload: Overload,
    /// When servers will finish requests whose clients have left; they are work until then.
    going_on: VecDeque<Tick>,
    woken: Vec<(Ticket, Woken)>,
    /// Clients that had to wait or were refused in this window: none, one, several.
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
            crowd: Crowd::new(tick),
            shares: Shares::new(chance.next(), tick),
            queue: Queue::default(),
            opens: Opens::new(),
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

    /// Decides on a request that needs a server now.
    pub fn arrive(&mut self, tick: Tick, arrival: Arrival) -> Admission {
        match self.announce(tick, arrival.class, (arrival.client, arrival.subnet)) {
            Ok(()) => self.admit(tick, arrival),
            Err(shed) => Admission::Shed(shed),
        }
    }

    /// Decides whether a request will get a server at all that needs one once its body is there. Called once; an
    /// accepted request continues with [`LoadBalancer::admit`]. The numbers are the client's and its subnet's.
    ///
    /// # Errors
    /// When the request is refused.
    pub fn announce(&mut self, tick: Tick, class: Class, (client, subnet): (u64, u64)) -> Result<(), Shed> {
        self.turn(tick);
        if !self.pool.has_servers() {
            self.ceiling.asked();
            self.demand.asked();
            return Err(self.shed(class, ShedWhy::NoServer));
        }
        // A client whose own queue is full sends again and again: that is no demand of many.
        if self.queue.is_full_for(class, client) {
            return Err(self.shed(class, ShedWhy::Overload));
        }
        self.demand.asked();
        if !self.passes(class, (client, subnet), tick) {
            return Err(self.shed(class, ShedWhy::Overload));
        }
        self.ceiling.asked();
        let lucky = self.shares.lucky(class, client, tick);
        let may_wait = class <= Class::Recognized && self.ceiling.paused().is_some();
        if lucky || may_wait || self.is_idle() {
            return Ok(());
        }
        self.turned_away.one_more(client);
        Err(self.shed(class, ShedWhy::Overload))
    }

    /// Whether a request is not held back with the crowd that it is part of.
    fn passes(&mut self, class: Class, client: (u64, u64), tick: Tick) -> bool {
        if class <= Class::Recognized {
            self.crowd.recognized();
            return true;
        }
        self.crowd.pass(client, || self.shares.luck(client.0, tick), tick)
    }

    /// Decides on an announced request that needs its server now.
    pub fn admit(&mut self, tick: Tick, arrival: Arrival) -> Admission {
        self.turn(tick);
        let class = arrival.class;
        let client = (!arrival.own).then_some(arrival.client);
        if !self.pool.has_servers() {
            return Admission::Shed(self.shed(class, ShedWhy::NoServer));
        }
        // While calm, a client that is being served does not queue behind others for its further requests.
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

    /// Removes a waiting request whose client has gone.
    pub fn gave_up(&mut self, tick: Tick, ticket: Ticket) {
        if is_open(ticket) {
            return self.open_gave_up(tick, ticket);
        }
        self.queue.remove(ticket, tick);
    }

    /// Takes a permit back.
    pub fn done(&mut self, tick: Tick, permit: Permit, outcome: Outcome) {
        let _ = self.give_back(tick, &permit, &outcome);
        self.turn(tick);
        if self.is_calm() && self.queue.len() > 0 {
            self.concurrency.hurry(tick);
        }
        self.dispatch(tick);
    }

    /// Frees the place of a request that is no work for its server while its client is waited for. The permit
    /// stays, and comes back later with its outcome.
    pub fn yields(&mut self, tick: Tick, permit: &mut Permit) {
        if permit.yielded || permit.open.is_some() {
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

    /// Takes a permit back from a failed request that may be repeated. Returns a permit for another server, if
    /// allowed: not at overloaded servers that are at their limit, not for more than a tenth of all requests, and
    /// not when every server fails alike.
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

    /// Returns another server for a failed request. Until overload is known it keeps its place before waiting
    /// requests, also where fewer places are left than before: a server that dies takes many requests with it, and
    /// the budget bounds them.
    fn again(&mut self, tick: Tick, permit: &Permit) -> Option<Permit> {
        if !self.may_retry(permit) {
            return None;
        }
        let tried = permit.tried.with(permit.serial)?;
        self.budget.pay();
        if let Some((kind, _)) = permit.open {
            return self.give_open(kind, (tried, false), permit.client, tick);
        }
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

    /// Returns when [`LoadBalancer::tick`] is to be called at the latest: within a tenth of a second, sooner when a
    /// request waits.
    #[must_use]
    pub fn next(&self) -> Tick {
        let window = self.turned.after(WINDOW).min(self.opens.next());
        if self.queue.len() == 0 {
            return window;
        }
        let late = if self.is_calm() { self.queue.deadline() } else { Tick::default() };
        late.max(self.swept.after(SWEEP)).min(self.ceiling.next()).min(window)
    }

    /// Returns the decisions on waiting requests, each once. To be called after every other call.
    pub fn woken(&mut self) -> std::vec::Drain<'_, (Ticket, Woken)> {
        self.woken.drain(..)
    }

    /// Applies the result of a health check.
    pub fn health(&mut self, tick: Tick, server: SocketAddr, found: Result<(), Failure>) {
        self.pool.checked(server, &found, tick);
        self.resize();
        self.dispatch(tick);
    }

    /// Counts an attempt to connect to a server: accepted, or refused because no process listens there.
    pub fn connected(&mut self, server: SocketAddr, accepted: bool) {
        self.pool.connected(server, accepted);
    }

    /// Counts a request whose connection to a server broke before a response; `request` names it: `GET /login`.
    pub fn broke(&mut self, server: SocketAddr, request: &str) {
        self.pool.broke(server, request);
    }

    /// Returns the names to be looked up, with their ports: `app.internal:8080`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pool.names()
    }

    /// Returns all servers, for health checks.
    pub fn servers(&self) -> impl Iterator<Item = SocketAddr> {
        self.pool.addresses()
    }

    /// Returns the servers that do not answer, by health checks or failed requests: waiting there for a response is
    /// useless. Not those that answer with errors or slowly.
    pub fn silent(&self) -> impl Iterator<Item = SocketAddr> {
        self.pool.silent()
    }

    /// Sets the addresses of a name. An empty result changes nothing: the old servers are better than none.
    pub fn resolved(&mut self, tick: Tick, at: &str, found: &[SocketAddr]) {
        self.pool.resolved(at, found, tick);
        self.resize();
        self.dispatch(tick);
    }

    /// Returns the status of the pool. Counters are reset.
    pub fn seen(&mut self, tick: Tick) -> PoolStatus {
        self.turn(tick);
        PoolStatus {
            servers: self.pool.seen(tick),
            limit: self.limit(),
            inflight: self.inflight,
            waiting: u32::try_from(self.queue.len()).unwrap_or(u32::MAX),
            panic_mode: self.pool.panics(),
            throttled: self.ceiling.rate().is_some(),
            certificate: self.pool.certificate(),
            opens: self.opens.seen(self.pool.open_rate(tick)),
        }
    }

    /// Whether requests are refused or have to wait: because servers are overloaded, or a crowd is held back.
    #[must_use]
    pub fn crowded(&self) -> bool {
        !self.is_calm() || self.shares.cut() || self.crowd.is_held()
    }

    /// Whether servers are known to be overloaded.
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

    /// Requests in progress at the servers, including those whose clients have left, and without those stuck at
    /// servers that are out.
    fn working(&self) -> u32 {
        let inflight = self.inflight.saturating_sub(self.pool.stuck());
        inflight.saturating_add(u32::try_from(self.going_on.len()).unwrap_or(u32::MAX))
    }

    /// The load that the measured limit counts: while calm, clients, without requests that wait at a server for an
    /// event; otherwise requests.
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

    /// Whether half of all places are free and no request waits: then every arrival may have one. The other half is
    /// kept for clients that were selected before and come soon.
    fn is_idle(&self) -> bool {
        self.queue.len() == 0 && self.ceiling.rate().is_none() && 2 * self.working() < self.limit()
    }

    /// Whether enough is free that a place may be held without need.
    #[must_use]
    pub fn has_plenty(&self, tick: Tick) -> bool {
        self.is_idle() && (!self.is_calm() || 2 * self.load(tick) < self.concurrency.limit())
    }

    /// Whether retries are not allowed: servers are overloaded and fully used, or refuse.
    fn overloaded(&self) -> bool {
        self.ceiling.rate().is_some()
            || self.overload.is_known()
                && (self.shares.cut() || self.queue.len() > 0 || self.working() >= self.limit())
    }

    /// The rate of requests that may be forwarded: limited by what is served, and by what servers do not refuse.
    fn drain(&self) -> Option<f64> {
        match (self.concurrency.drain(), self.ceiling.rate()) {
            (Some(drain), Some(ceiling)) => Some(drain.min(ceiling)),
            (drain, ceiling) => drain.or(ceiling),
        }
    }

    /// The longest wait. At a slow server, or where the rate is low, a permit is rarely free: better classes get
    /// the time that it takes; they are few.
    fn wait_most(&self, class: Class) -> Duration {
        if class > Class::Recognized {
            return WAIT_MOST;
        }
        if self.ceiling.paused().is_some() {
            return PAUSE;
        }
        let each = self.ceiling.rate().map_or(0.0, |rate| 8.0 / rate);
        WAIT_MOST.max(self.concurrency.usual() / 2).max(Duration::from_secs_f64(each.min(1.0)))
    }

    /// How long the head of a client's queue may wait now. `None`: up to its deadline, since no overload is known,
    /// or so few clients wait that it will soon be its turn.
    fn patience(&self, class: Class, tick: Tick) -> Option<Duration> {
        let most = self.wait_most(class);
        let served = self.drain().map_or(0.0, |drain| drain * most.as_secs_f64());
        let few = if self.shares.cut() { 0 } else { (served as usize).max(1) };
        // Requests that waited before overload was known get the same time from then on.
        let is_known = self.overload.is_known_for(most, tick) || self.ceiling.rate().is_some();
        (is_known && self.queue.clients(class) > few).then_some(most)
    }

    /// After how long of a queue that does not empty the newest goes first. `None`: the oldest does, since all will
    /// be served soon.
    fn newest(&self) -> Option<Duration> {
        if self.ceiling.paused().is_some() {
            return None;
        }
        let soon = if self.is_calm() { SOON } else { WAIT_MOST };
        let many = self.drain().map_or(f64::INFINITY, |drain| drain * soon.as_secs_f64());
        (self.is_overloaded() || self.queue.clients(Class::Bot) as f64 > many).then_some(WINDOW)
    }

    /// As many clients may wait in one class as could be served in twice the time that they may.
    fn waiting_most(&self) -> usize {
        if !self.is_overloaded() {
            return usize::MAX;
        }
        let paused = self.ceiling.paused().map_or(0.0, |rate| rate * PAUSE.as_secs_f64());
        let served = self.drain().map_or(0.0, |drain| 2.0 * drain * WAIT_MOST.as_secs_f64()).max(paused);
        (served as usize).max(self.limit() as usize).max(8)
    }

    fn take(&mut self, tried: Tried, client: Option<u64>, tick: Tick) -> Option<Permit> {
        if !self.has_room(client, tick) { None } else { self.give(tried, client, tick) }
    }

    /// Returns a permit for a server that has a place for it, whatever the pool's limit.
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
        Some(Permit { server, serial, since: tick, tried, client, yielded: false, open: None })
    }

    /// Frees a permit's place. Its server continues with the abandoned request for this time.
    fn free(&mut self, tick: Tick, permit: &Permit, goes_on: Duration) {
        self.inflight = self.inflight.saturating_sub(1);
        self.clients.end(permit.client, permit.since);
        if !goes_on.is_zero() {
            self.going_on.push_back(tick.after(goes_on));
        }
        self.concurrency.working(self.load(tick), tick);
    }

    /// Applies the outcome of a permit. Returns whether another server may be tried.
    fn give_back(&mut self, tick: Tick, permit: &Permit, outcome: &Outcome) -> bool {
        if let Some(open) = permit.open {
            return self.give_back_open(tick, permit, open, outcome);
        }
        // The time of a permit whose place was given back depends on its client and is not measured.
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
                // An error is often fast, and says nothing about the time that work takes.
                if *status < 500 && *status != 429 {
                    self.concurrency.took(*latency, tick);
                }
                if let Some(client) = permit.client {
                    self.ceiling.answered(client, *status);
                }
                self.pool.answered(permit.serial, Some(*latency), *status, tick);
            }
            Outcome::Failed(failure) => {
                if let Some(held) = held.filter(|_| *failure == Failure::Timeout) {
                    self.concurrency.cut_short(held, tick);
                }
                elsewhere = self.pool.failed(permit.serial, failure, tick);
            }
            // A client that leaves after a long wait has seen that it is slow; one that leaves early has seen
            // nothing.
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
        self.demand.turn(span.as_secs_f64(), self.is_calm() && !self.crowd.is_held());
        self.crowd.turn(!self.is_calm(), tick);
        self.ceiling.guard(self.crowd.is_recent(tick));
        self.pool.turn(tick);
        self.turn_opens(span.as_secs_f64(), tick);
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

    /// Updates the overload detection.
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
        // From now on the load counts clients instead of requests, or the reverse.
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

    /// Gives free permits to waiting requests, and refuses those that waited for too long.
    fn dispatch(&mut self, tick: Tick) {
        self.dispatch_opens(tick);
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
            // While calm, a client that is served gets all that it asks for.
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

    /// Computes Retry-After: as many seconds as it takes to serve the arrivals of one second, and up to half as
    /// many more.
    fn shed(&mut self, class: Class, why: ShedWhy) -> Shed {
        let wait = match (why, self.drain()) {
            (ShedWhy::NoServer, _) => NO_SERVER,
            (_, None) => self.crowd.wait_secs().clamp(NO_SERVER, RETRY_AFTER_MOST),
            (_, Some(drain)) => self.shares.excess(class, drain).clamp(1.0, RETRY_AFTER_MOST),
        };
        let jitter = 1.0 + 0.5 * self.chance.unit();
        Shed { retry_after: Duration::from_secs_f64(wait * jitter), why }
    }
}

#[cfg(test)]
mod tests;
