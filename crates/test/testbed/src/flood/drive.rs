//! The schedule of visits: arrivals, deadlines, retries.

use super::Shared;
use super::client::{Client, Flight};
use super::clients::{Group, Settings};
use super::tally::{End, Tally};
use crate::tasks::lock;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

/// Interval at which the schedule is processed.
const TICK: Duration = Duration::from_millis(1);
/// Most requests sent before responses are read again.
const BURST_MAX: usize = 256;
/// A visit that is later than this counts as not sent: the generator cannot keep up.
const LAG_MAX: Duration = Duration::from_millis(100);
/// Delay of the first retry; doubled for each further one.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Cookies are short; requests are composed in one buffer.
const REQUEST_USUAL: usize = 1_024;

/// State of one generator.
#[derive(Debug)]
pub(super) struct Field {
    settings: Settings,
    shared: Arc<Shared>,
    /// Per group and step: the request before and after its cookies.
    requests: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
    lanes: Vec<RefCell<Lane>>,
    /// Requests in progress, the oldest first. Completed ones stay until they are at the front.
    deadlines: RefCell<VecDeque<(Instant, Rc<Client>, u32)>>,
    /// Retries by time.
    again: RefCell<BTreeMap<(Instant, u32), Waiting>>,
    serial: Cell<u32>,
    buffer: RefCell<Vec<u8>>,
    chance: RefCell<fastrand::Rng>,
}

/// A client, and the request that it repeats.
type Waiting = (Rc<Client>, Flight);

/// Schedule of one group.
#[derive(Debug)]
struct Lane {
    rate: f64,
    next: Instant,
    /// Idle clients; the one idle for longest is first.
    idle: VecDeque<Rc<Client>>,
}

pub(super) async fn drive(settings: Settings, shared: Arc<Shared>) {
    let field = Rc::new(Field::new(settings, shared));
    let mut turn = tokio::time::interval(TICK);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut phase = 0;
    let mut ended: Option<Instant> = None;
    while !field.shared.stops.load(Ordering::Relaxed) {
        turn.tick().await;
        let now = Instant::now();
        if field.shared.ends.load(Ordering::Relaxed) && ended.is_none() {
            ended = Some(now);
            field.tally().close(now);
            field.give_up_again();
        }
        let (ordered, rates) = lock(&field.shared.order).clone();
        if ordered != phase || field.lanes.iter().zip(&rates).any(|(lane, rate)| lane.borrow().rate != *rate)
        {
            phase = ordered;
            field.set_rates(&rates, now);
        }
        field.hang_up_overdue(now);
        if let Some(ended) = ended {
            let patience = field.settings.deadline + LAG_MAX;
            if field.deadlines.borrow().is_empty() || now > ended + patience {
                return;
            }
            continue;
        }
        field.try_again(now);
        while field.launch_due(phase, Instant::now()) {
            tokio::task::yield_now().await;
        }
    }
}

impl Field {
    fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        let mut chance = fastrand::Rng::with_seed(settings.seed);
        let now = Instant::now();
        let lane = |(number, group): (usize, &Group)| {
            let mut cookies = group.cookies.iter().cycle();
            let addresses = group.clients.iter().flat_map(|range| range.addresses());
            let mut seats: Vec<Rc<Client>> =
                addresses.map(|from| Rc::new(Client::new(number, from, cookies.next()))).collect();
            chance.shuffle(&mut seats);
            RefCell::new(Lane { rate: 0.0, next: now, idle: seats.into() })
        };
        let lanes = settings.groups.iter().enumerate().map(lane).collect();
        let requests = settings.groups.iter().map(|group| {
            let steps = group.steps.iter();
            steps.map(|step| group.request(step, &settings.host)).collect()
        });
        Self {
            requests: requests.collect(),
            lanes,
            shared,
            deadlines: RefCell::default(),
            again: RefCell::default(),
            serial: Cell::new(0),
            buffer: RefCell::new(Vec::with_capacity(REQUEST_USUAL)),
            chance: RefCell::new(chance),
            settings,
        }
    }

    pub(super) fn target(&self) -> SocketAddr {
        self.settings.target
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.shared.tally)
    }

    pub(super) fn keeps_cookies(&self, group: usize) -> bool {
        self.settings.groups[group].recognized
    }

    /// Builds a request.
    pub(super) fn with_request(
        &self,
        group: usize,
        step: usize,
        cookies: &[String],
        send: impl FnOnce(&[u8]) -> bool,
    ) -> bool {
        let (before, after) = &self.requests[group][step];
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        buffer.extend_from_slice(before);
        for (n, cookie) in cookies.iter().enumerate() {
            buffer.extend_from_slice(if n == 0 { b"cookie: " } else { b"; " });
            buffer.extend_from_slice(cookie.as_bytes());
        }
        if !cookies.is_empty() {
            buffer.extend_from_slice(b"\r\n");
        }
        buffer.extend_from_slice(after);
        send(&buffer)
    }

    /// The first visit of a phase is at a random time of the first interval, so that groups are not in phase.
    fn set_rates(&self, rates: &[f64], now: Instant) {
        for (lane, &rate) in self.lanes.iter().zip(rates) {
            let mut lane = lane.borrow_mut();
            lane.rate = rate;
            if rate > 0.0 {
                lane.next = now + interval(rate).mul_f64(self.chance.borrow_mut().f64());
            }
        }
    }

    /// Starts the visits that are due; returns whether more are left.
    fn launch_due(self: &Rc<Self>, phase: usize, now: Instant) -> bool {
        let mut sent = 0;
        for (group, lane) in self.lanes.iter().enumerate() {
            loop {
                let mut lane = lane.borrow_mut();
                if lane.rate <= 0.0 || lane.next > now {
                    break;
                }
                if sent == BURST_MAX {
                    return true;
                }
                let due = lane.next;
                lane.next = due + interval(lane.rate);
                let in_time = now.saturating_duration_since(due) <= LAG_MAX;
                let client = if in_time { lane.idle.pop_front() } else { None };
                drop(lane);
                self.tally().visit(phase, group, due, client.is_some());
                if let Some(client) = client {
                    sent += 1;
                    let flight = Flight {
                        phase,
                        visit_due: due,
                        due,
                        sent: now,
                        step: 0,
                        attempt: 0,
                        resent: false,
                        serial: 0,
                    };
                    self.launch(&client, flight, now);
                }
            }
        }
        false
    }

    fn launch(self: &Rc<Self>, client: &Rc<Client>, flight: Flight, now: Instant) {
        let serial = self.serial.get().wrapping_add(1);
        self.serial.set(serial);
        client.flight.set(Some(Flight { serial, sent: now, resent: false, ..flight }));
        self.deadlines.borrow_mut().push_back((now + self.settings.deadline, Rc::clone(client), serial));
        client.send(self);
    }

    fn hang_up_overdue(self: &Rc<Self>, now: Instant) {
        loop {
            let (client, serial) = {
                let mut deadlines = self.deadlines.borrow_mut();
                match deadlines.front() {
                    // Completed requests at the front are removed too.
                    Some((at, client, serial))
                        if *at <= now
                            || client.flight.get().is_none_or(|flight| flight.serial != *serial) => {}
                    _ => return,
                }
                let Some((_, client, serial)) = deadlines.pop_front() else { return };
                (client, serial)
            };
            if let Some(flight) = client.flight.get().filter(|flight| flight.serial == serial) {
                client.flight.take();
                client.hang_up();
                self.lost(&client, flight, End::Timeout, now);
            }
        }
    }

    fn try_again(self: &Rc<Self>, now: Instant) {
        loop {
            let mut again = self.again.borrow_mut();
            match again.first_entry() {
                Some(first) if first.key().0 <= now => {
                    let ((due, _), (client, flight)) = first.remove_entry();
                    drop(again);
                    self.launch(&client, Flight { due, ..flight }, now);
                }
                _ => return,
            }
        }
    }

    /// Cancels all retries.
    fn give_up_again(&self) {
        for (_, (client, flight)) in self.again.take() {
            self.over(&client, flight, End::Refused);
        }
    }

    /// A request succeeded: continues with the next step, or ends the visit.
    pub(super) fn succeeded(self: &Rc<Self>, client: &Rc<Client>, flight: Flight, now: Instant) {
        if now.saturating_duration_since(flight.due) > self.settings.deadline {
            return self.lost(client, flight, End::Timeout, now);
        }
        if flight.step + 1 < self.requests[client.group].len() {
            return self.launch(client, Flight { step: flight.step + 1, due: now, ..flight }, now);
        }
        self.over(client, flight, End::Good);
    }

    /// A request failed: retries, or ends the visit.
    pub(super) fn lost(self: &Rc<Self>, client: &Rc<Client>, flight: Flight, end: End, now: Instant) {
        let group = &self.settings.groups[client.group];
        if flight.attempt >= group.retries || self.shared.ends.load(Ordering::Relaxed) {
            return self.over(client, flight, end);
        }
        // A random factor from 0.5 to 1.5, so that clients rejected together do not retry together.
        let after = AGAIN_AFTER * (1 << flight.attempt.min(6));
        let at = now + after.mul_f64(0.5 + self.chance.borrow_mut().f64());
        let flight = Flight { attempt: flight.attempt + 1, ..flight };
        self.again.borrow_mut().insert((at, flight.serial), (Rc::clone(client), flight));
    }

    fn over(&self, client: &Rc<Client>, flight: Flight, end: End) {
        self.tally().end(flight.phase, client.group, flight.visit_due, end, flight.attempt > 0);
        self.lanes[client.group].borrow_mut().idle.push_back(Rc::clone(client));
    }
}

fn interval(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate)
}
