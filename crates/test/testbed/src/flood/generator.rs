//! State of one generator: its groups, the requests in progress, the retries that are due.

use super::Shared;
use super::client::{Client, Flight};
use super::clients::{Group, Settings};
use super::tally::{End, Tally};
use crate::tasks::lock;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

/// Cookies are short; requests are composed in one buffer.
const REQUEST_USUAL: usize = 1_024;

/// State of one generator.
#[derive(Debug)]
pub(super) struct Generator {
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    /// Per group and step: the request before and after its cookies.
    pub(super) requests: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
    pub(super) schedules: Vec<RefCell<GroupSchedule>>,
    /// Requests in progress, the oldest first. Completed ones stay until they are at the front.
    pub(super) deadlines: RefCell<VecDeque<(Instant, Rc<Client>, u32)>>,
    /// Retries by time.
    pub(super) retries: RefCell<BTreeMap<(Instant, u32), Waiting>>,
    pub(super) serial: Cell<u32>,
    pub(super) buffer: RefCell<Vec<u8>>,
    pub(super) chance: RefCell<fastrand::Rng>,
}

/// A client, and the request that it repeats.
type Waiting = (Rc<Client>, Flight);

/// Schedule of one group.
#[derive(Debug)]
pub(super) struct GroupSchedule {
    pub(super) rate: f64,
    pub(super) next: Instant,
    /// Idle clients; the one idle for longest is first.
    pub(super) idle: VecDeque<Rc<Client>>,
}

impl Generator {
    pub(super) fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        let mut chance = fastrand::Rng::with_seed(settings.seed);
        let now = Instant::now();
        let schedule = |(number, group): (usize, &Group)| {
            let mut cookies = group.cookies.iter().cycle();
            let addresses = group.clients.iter().flat_map(|range| range.addresses());
            let mut seats: Vec<Rc<Client>> =
                addresses.map(|from| Rc::new(Client::new(number, from, cookies.next()))).collect();
            chance.shuffle(&mut seats);
            RefCell::new(GroupSchedule { rate: 0.0, next: now, idle: seats.into() })
        };
        let schedules = settings.groups.iter().enumerate().map(schedule).collect();
        let requests = settings.groups.iter().map(|group| {
            let steps = group.steps.iter();
            steps.map(|step| group.request(step, &settings.host)).collect()
        });
        Self {
            requests: requests.collect(),
            schedules,
            shared,
            deadlines: RefCell::default(),
            retries: RefCell::default(),
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

    /// Ends a visit; its client is idle again.
    pub(super) fn over(&self, client: &Rc<Client>, flight: Flight, end: End) {
        self.tally().end(flight.phase, client.group, flight.visit_due, end, flight.attempt > 0);
        self.schedules[client.group].borrow_mut().idle.push_back(Rc::clone(client));
    }
}
