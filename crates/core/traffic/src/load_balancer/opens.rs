//! Opens at the load balancer: admitted at the rate of each server, held for two seconds at most, or refused.

use super::{LoadBalancer, NO_SERVER, RETRY_AFTER_MOST};
use crate::admission::{
    Admission, Arrival, Open, Opening, Outcome, Permit, Shed, ShedWhy, Ticket, Tried, Woken,
};
use crate::open_rate::{FIRST, Opened};
use crate::opens::{HELD_MOST, Place};
use crate::tick::Tick;
use std::time::Duration;

/// The part of its rate that a server begins with when it comes back.
const BACK: f64 = 0.1;
/// The longest Retry-After in seconds while no server serves.
const OUT_MOST: f64 = 15.0;
/// The least time between two looks at held opens.
const LOOK: Duration = Duration::from_millis(1);

impl LoadBalancer {
    /// Decides on an open. It needs no [`LoadBalancer::announce`] before.
    pub fn open(&mut self, tick: Tick, arrival: Arrival, kind: Opening) -> Admission {
        self.turn(tick);
        self.opens.came();
        let class = arrival.class;
        let client = (!arrival.own).then_some(arrival.client);
        if !self.opens.queue.before(class)
            && let Some(permit) = self.give_open(kind, (Tried::default(), true), client, tick)
        {
            self.opens.queue.passed(class);
            self.opens.admit();
            self.budget.request();
            return Admission::Go(permit);
        }
        let deadline = tick.after(HELD_MOST.min(arrival.deadline));
        match self.opens.queue.push(class, client, deadline, usize::MAX, tick) {
            Some(ticket) => {
                self.opens.hold(ticket, kind, tick);
                self.look_at_opens(tick);
                Admission::Wait(ticket)
            }
            None => Admission::Shed(self.shed_open(ShedWhy::Overload)),
        }
    }

    /// The server switched protocols or began its stream: the connection counts at its server until
    /// [`LoadBalancer::closed`]. `None` for the permit of an ordinary request.
    pub fn opened(&mut self, tick: Tick, mut permit: Permit, outcome: &Outcome) -> Option<Open> {
        let serial = permit.serial;
        if let Some((kind, number)) = permit.open.take() {
            self.open_answered(tick, &permit, (kind, number), outcome);
            self.turn(tick);
            self.dispatch(tick);
            return Some(Open { serial });
        }
        self.done(tick, permit, outcome.clone());
        None
    }

    /// A long-lived connection ended.
    pub fn closed(&mut self, tick: Tick, open: Open) {
        self.pool.closed(open.serial);
        if self.opens.queue.len() > 0 {
            self.turn(tick);
            self.dispatch(tick);
        }
    }

    /// Returns the numbers of servers whose long-lived connections are to go elsewhere, each with how many it has: the
    /// configuration drains or removes them.
    pub fn leaving(&self) -> impl Iterator<Item = (u64, u32)> {
        self.pool.leaving()
    }

    /// The configuration has this pool no more. Connections to servers that it declares elsewhere are not touched.
    pub fn abandon(&mut self, is_declared: impl Fn(&str) -> bool) {
        self.pool.abandon(is_declared);
    }

    pub(super) fn give_open(
        &mut self,
        kind: Opening,
        (tried, paced): (Tried, bool),
        client: Option<u64>,
        tick: Tick,
    ) -> Option<Permit> {
        let is_work = self.opens.is_work(kind);
        let (server, serial) = self.pool.pick_open(tried, (paced, is_work), tick)?;
        let number = self.opens.send(kind, (serial, is_work), tick);
        Some(Permit {
            server,
            serial,
            since: tick,
            tried,
            client,
            yielded: false,
            open: Some((kind, number)),
        })
    }

    /// Applies the outcome of an open that leaves no connection. Returns whether another server may be tried.
    pub(super) fn give_back_open(
        &mut self,
        tick: Tick,
        permit: &Permit,
        open: (Opening, u64),
        outcome: &Outcome,
    ) -> bool {
        let elsewhere = self.open_answered(tick, permit, open, outcome);
        self.pool.closed(permit.serial);
        elsewhere
    }

    /// Counts how an open went. Returns whether another server may be tried.
    fn open_answered(
        &mut self,
        tick: Tick,
        permit: &Permit,
        (kind, number): (Opening, u64),
        outcome: &Outcome,
    ) -> bool {
        let serial = permit.serial;
        let place = self.opens.answered(permit.since, number);
        let opened = match outcome {
            Outcome::Answered { status, .. } if *status == 429 || *status >= 500 => Some(Opened::Failed),
            // Another error says nothing about what the server can take.
            Outcome::Answered { status, .. } if *status >= 400 => None,
            Outcome::Answered { latency, .. } => {
                self.opens.complete();
                Some(self.opens.judge(kind, *latency, tick))
            }
            Outcome::Failed(_) => Some(Opened::Failed),
            Outcome::Left | Outcome::Unsent => None,
        };
        if let Some(opened) = opened.filter(|_| place == Place::Had || !self.opens.is_work(kind)) {
            self.pool.open_went(serial, opened);
        }
        let mut elsewhere = true;
        match outcome {
            Outcome::Answered { status, .. } => self.pool.answered(serial, None, *status, tick),
            Outcome::Failed(failure) => elsewhere = self.pool.failed(serial, failure, tick),
            Outcome::Left | Outcome::Unsent => {}
        }
        if place != Place::None {
            self.pool.open_answered(serial);
        }
        self.resize();
        elsewhere
    }

    /// A window is over.
    pub(super) fn turn_opens(&mut self, secs: f64, tick: Tick) {
        for (serial, is_slow, gives_back) in self.opens.waiting(tick) {
            if is_slow {
                self.pool.open_went(serial, Opened::Slow);
            }
            if gives_back {
                self.pool.open_answered(serial);
            }
        }
        let may_grow = self.is_calm();
        self.pool.turn_opens(may_grow, tick);
        self.opens.turn(secs);
    }

    /// Sends held opens where a server may have one, and refuses those that were held for too long.
    pub(super) fn dispatch_opens(&mut self, tick: Tick) {
        if self.opens.queue.len() == 0 {
            return;
        }
        while let Some((ticket, client)) = self.opens.queue.next(None, tick) {
            let kind = self.opens.kind(ticket);
            let Some(permit) = self.give_open(kind, (Tried::default(), true), client, tick) else { break };
            self.opens.queue.pop(ticket, tick);
            self.opens.release(ticket);
            self.opens.admit();
            self.budget.request();
            self.woken.push((ticket, Woken::Go(permit)));
        }
        if self.opens.queue.deadline() <= tick {
            let mut late = Vec::new();
            self.opens.queue.expire(|_| None, tick, &mut late);
            for ticket in late {
                self.opens.release(ticket);
                let why = if self.pool.has_servers() { ShedWhy::Waited } else { ShedWhy::NoServer };
                let shed = self.shed_open(why);
                self.woken.push((ticket, Woken::Shed(shed)));
            }
        }
        self.look_at_opens(tick);
    }

    /// Notes when held opens are looked at next.
    fn look_at_opens(&mut self, tick: Tick) {
        let token = self.pool.open_wait(tick).map_or(Tick::NEVER, |wait| tick.after(wait.max(LOOK)));
        self.opens.due = self.opens.queue.deadline().min(token);
    }

    /// Removes a held open whose client has gone.
    pub(super) fn open_gave_up(&mut self, tick: Tick, ticket: Ticket) {
        self.opens.queue.remove(ticket, tick);
        self.opens.release(ticket);
    }

    /// Computes Retry-After of a refused open: the time until all that were refused before it can be opened, with
    /// random spread. So refused clients come back at the rate at which they are served.
    fn shed_open(&mut self, why: ShedWhy) -> Shed {
        let serves = self.pool.serving() > 0.0;
        let rate = match self.pool.open_rate_soon() {
            rate if serves && rate > 0.0 => rate,
            _ => BACK * FIRST * self.pool.whole().max(1.0),
        };
        // It is not known when servers are back: clients that stay away for long would leave them idle then.
        let (least, most) = if serves { (1.0, RETRY_AFTER_MOST) } else { (NO_SERVER, OUT_MOST) };
        let wait = self.opens.refuse(rate).clamp(least, most);
        let jitter = 0.5 + 0.5 * self.chance.unit();
        Shed { retry_after: Duration::from_secs_f64((wait * jitter).max(1.0)), why }
    }
}
