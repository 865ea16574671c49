//! A pool as the edge asks it: who may go now and to which server, who waits, who comes again later.

use crate::admission::{Admission, Arrival, Failure, Outcome, Permit, Shed, ShedWhy, Ticket, Tried, Woken};
use crate::budget::Budget;
use crate::ceiling::Ceiling;
use crate::chance::Chance;
use crate::concurrency::{Concurrency, WINDOW};
use crate::facts::Class;
use crate::pool::Pool;
use crate::queue::{Queue, class_of};
use crate::share::Shares;
use crate::tick::Tick;
use model::plan;
use model::traffic::PoolSeen;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How long one waits for a permit at most, and never more than a fifth of the request's time.
const WAIT_MOST: Duration = Duration::from_millis(100);
/// Those who have waited long enough are looked for this often at most.
const SWEEP: Duration = Duration::from_millis(5);
/// When to come again if there is no server, and the most that is ever said.
const NO_SERVER: f64 = 5.0;
const RETRY_AFTER_MOST: f64 = 60.0;

/// A pool and everything that is known of it. One for all threads, behind a lock that is held for a moment.
///
/// Every [`Permit`] comes back once, every [`Ticket`] is told once by [`Origin::woken`] unless its owner gave up.
#[derive(Debug)]
pub struct Origin {
    pool: Pool,
    concurrency: Concurrency,
    ceiling: Ceiling,
    shares: Shares,
    queue: Queue,
    budget: Budget,
    chance: Chance,
    inflight: u32,
    /// When servers will have ended what nobody waits for any longer; it still is work for them.
    going_on: VecDeque<Tick>,
    woken: Vec<(Ticket, Woken)>,
    /// Whether somebody had to wait in this window.
    pressed: bool,
    turned: Tick,
    swept: Tick,
    /// The weights of those that served at the last look.
    serving: f64,
    /// The pool's version then.
    sized: u64,
}

impl Origin {
    /// A pool as the plan declares it. The seed is secret and random.
    #[must_use]
    pub fn new(pool: &plan::Pool, tick: Tick, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut origin = Self {
            concurrency: Concurrency::new(pool.begin, tick),
            ceiling: Ceiling::new(tick),
            shares: Shares::new(chance.next(), tick),
            queue: Queue::default(),
            budget: Budget::new(),
            chance,
            inflight: 0,
            going_on: VecDeque::new(),
            woken: Vec::new(),
            pressed: false,
            turned: tick,
            swept: tick,
            serving: 0.0,
            sized: 0,
            pool: Pool::new(pool, tick),
        };
        origin.resize();
        origin
    }

    /// The plan declares the pool anew. What is known of servers that stay is kept.
    pub fn reshape(&mut self, pool: &plan::Pool, tick: Tick) {
        self.pool.reshape(pool, tick);
        self.resize();
        self.dispatch(tick);
    }

    /// A request wants a server.
    pub fn arrive(&mut self, tick: Tick, arrival: Arrival) -> Admission {
        match self.announce(tick, arrival.class, arrival.visitor) {
            Ok(()) => self.admit(tick, arrival),
            Err(shed) => Admission::Shed(shed),
        }
    }

    /// A request has come that will want a server when its body is there: whether it will get one at all. Asked once; whoever
    /// may goes on by [`Origin::admit`].
    ///
    /// # Errors
    /// When it is not among those that are let through.
    pub fn announce(&mut self, tick: Tick, class: Class, visitor: u64) -> Result<(), Shed> {
        self.turn(tick);
        self.ceiling.asked();
        let lucky = self.shares.lucky(class, visitor, tick);
        if !self.pool.has_servers() {
            return Err(self.shed(class, ShedWhy::NoServer));
        }
        if lucky { Ok(()) } else { Err(self.shed(class, ShedWhy::Overload)) }
    }

    /// One that was announced wants its server now.
    pub fn admit(&mut self, tick: Tick, arrival: Arrival) -> Admission {
        self.turn(tick);
        let class = arrival.class;
        let visitor = (!arrival.own).then_some(arrival.visitor);
        if !self.pool.has_servers() {
            return Admission::Shed(self.shed(class, ShedWhy::NoServer));
        }
        if !self.queue.before(class)
            && let Some(permit) = self.take(Tried::default(), visitor, tick)
        {
            self.queue.passed(class);
            self.budget.request();
            return Admission::Go(permit);
        }
        self.pressed = true;
        let until = tick.after(self.wait_most(class).min(arrival.deadline / 5));
        match self.queue.push(class, visitor, until, self.waiting_most(), tick) {
            Some(ticket) => Admission::Wait(ticket),
            None => Admission::Shed(self.shed(class, ShedWhy::Overload)),
        }
    }

    /// One that waited has gone away: it is not sent anywhere.
    pub fn gave_up(&mut self, ticket: Ticket) {
        self.queue.remove(ticket);
    }

    /// A permit comes back.
    pub fn done(&mut self, tick: Tick, permit: Permit, outcome: Outcome) {
        let _ = self.give_back(tick, &permit, &outcome);
        self.turn(tick);
        self.dispatch(tick);
    }

    /// A permit comes back from a request that may be repeated: another server to ask, if one may. Not when the pool is at its
    /// limit, not for more than a tenth of all requests, and not when every server fails alike.
    pub fn retry(&mut self, tick: Tick, permit: Permit, outcome: Outcome) -> Option<Permit> {
        let elsewhere = self.give_back(tick, &permit, &outcome);
        self.turn(tick);
        self.dispatch(tick);
        let failed = matches!(outcome, Outcome::Failed(_));
        if !failed || !elsewhere || self.overloaded() {
            return None;
        }
        let tried = permit.tried.with(permit.serial)?;
        if !self.budget.pay() {
            return None;
        }
        self.take(tried, permit.visitor, tick)
    }

    /// Time went by. To be called at [`Origin::next`].
    pub fn tick(&mut self, tick: Tick) {
        self.turn(tick);
        self.dispatch(tick);
    }

    /// When [`Origin::tick`] is to be called at the latest: within a tenth of a second, sooner when somebody waits.
    #[must_use]
    pub fn next(&self) -> Tick {
        let free = if self.queue.len() > 0 { self.ceiling.next() } else { Tick::NEVER };
        self.queue.next().max(self.swept.after(SWEEP)).min(free).min(self.turned.after(WINDOW))
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

    /// Servers that do not answer, by their health checks or by requests that failed: what waits there for an answer waits in
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

    /// The pool as it stands. What was counted since the last time is told once.
    pub fn seen(&mut self, tick: Tick) -> PoolSeen {
        self.turn(tick);
        PoolSeen {
            servers: self.pool.seen(tick),
            limit: self.limit(),
            inflight: self.inflight,
            waiting: u32::try_from(self.queue.len()).unwrap_or(u32::MAX),
            panics: self.pool.panics(),
            certificate: self.pool.certificate(),
        }
    }

    fn limit(&self) -> u32 {
        self.concurrency.limit().max(1)
    }

    /// What servers have to do, with what nobody waits for any longer.
    fn working(&self) -> u32 {
        self.inflight.saturating_add(u32::try_from(self.going_on.len()).unwrap_or(u32::MAX))
    }

    fn overloaded(&self) -> bool {
        self.shares.cut()
            || self.ceiling.rate().is_some()
            || self.queue.len() > 0
            || self.working() >= self.limit()
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
        if class > Class::Known {
            return WAIT_MOST;
        }
        let each = self.ceiling.rate().map_or(0.0, |rate| 2.0 / rate);
        WAIT_MOST.max(self.concurrency.usual() / 2).max(Duration::from_secs_f64(each.min(1.0)))
    }

    /// As many may wait in one class as could be served in twice the time that they may.
    fn waiting_most(&self) -> usize {
        let served = self.drain().map_or(0.0, |drain| 2.0 * drain * WAIT_MOST.as_secs_f64());
        (served as usize).max(self.limit() as usize).max(8)
    }

    fn take(&mut self, tried: Tried, visitor: Option<u64>, tick: Tick) -> Option<Permit> {
        while self.going_on.front().is_some_and(|until| *until <= tick) {
            self.going_on.pop_front();
        }
        if self.working() >= self.limit() || !self.ceiling.take(tick) {
            return None;
        }
        let Some((server, serial)) = self.pool.pick(tried, &mut self.chance, tick) else {
            self.ceiling.put_back();
            return None;
        };
        self.inflight += 1;
        self.concurrency.working(self.working(), tick);
        Some(Permit { server, serial, since: tick, tried, visitor })
    }

    /// Books what came of a permit. Whether another server may be asked instead.
    fn give_back(&mut self, tick: Tick, permit: &Permit, outcome: &Outcome) -> bool {
        let held = tick.since(permit.since);
        self.inflight = self.inflight.saturating_sub(1);
        let goes_on = match outcome {
            Outcome::Left => self.concurrency.goes_on(held),
            _ => Duration::ZERO,
        };
        if !goes_on.is_zero() {
            self.going_on.push_back(tick.after(goes_on));
        }
        if *outcome != Outcome::Unsent {
            self.concurrency.returned(held + goes_on);
        }
        self.concurrency.working(self.working(), tick);
        let mut elsewhere = true;
        match outcome {
            Outcome::Answered { latency, status } => {
                // An error is often quick, and says nothing about how long work takes.
                if *status < 500 && *status != 429 {
                    self.concurrency.took(*latency);
                }
                if let Some(visitor) = permit.visitor {
                    self.ceiling.answered(visitor, *status);
                }
                self.pool.answered(permit.serial, *latency, *status, tick);
            }
            Outcome::Failed(failure) => {
                if *failure == Failure::Timeout {
                    self.concurrency.cut_short(held);
                }
                elsewhere = self.pool.failed(permit.serial, failure, tick);
            }
            // Who leaves after long has seen that it is slow; who leaves soon has seen nothing.
            Outcome::Left if self.concurrency.is_long(held) => self.concurrency.cut_short(held),
            Outcome::Left | Outcome::Unsent => {}
        }
        self.pool.returned(permit.serial);
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
        self.turned = tick;
        self.pool.turn(tick);
        self.concurrency.turn(tick);
        self.concurrency.count(tick);
        self.resize();
        self.ceiling.turn(self.shares.cut(), self.concurrency.usual(), tick);
        let pressed = self.pressed || self.ceiling.rate().is_some();
        self.shares.turn(self.drain(), pressed, tick);
        self.pressed = self.queue.len() > 0;
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
        if self.queue.next() <= tick && tick.since(self.swept) >= SWEEP {
            self.swept = tick;
            let mut late = Vec::new();
            self.queue.expire(tick, |ticket| late.push(ticket));
            self.turn_away(&late, ShedWhy::Waited);
        }
        if !self.pool.has_servers() {
            let mut all = Vec::new();
            self.queue.clear(|ticket| all.push(ticket));
            self.turn_away(&all, ShedWhy::NoServer);
        }
        while self.queue.len() > 0
            && let Some(mut permit) = self.take(Tried::default(), None, tick)
        {
            if let Some((ticket, visitor)) = self.queue.pop(tick) {
                permit.visitor = visitor;
                self.budget.request();
                self.woken.push((ticket, Woken::Go(permit)));
            }
        }
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
