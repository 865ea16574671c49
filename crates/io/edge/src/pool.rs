//! A pool as all threads share it: the load balancer's balancer behind a lock, and those that wait for it.

use crate::uploads::{Slot, Uploads, YIELD_TICKS};
use http::uri::Authority;
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use traffic::{
    Admission, Arrival, Class, LoadBalancer, Open, Opening, Outcome, Permit, Shed, Tick, Ticket, Woken,
};
use types::PoolId;
use types::config::{self, Protocol};

/// A pool, for as long as the configuration speaks to it in the same way.
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    pub(crate) protocol: Protocol,
    /// `Err` where TLS is configured and cannot be set up: then nothing is sent at all.
    pub(crate) tls: Result<Option<Tls>, TlsError>,
    /// Whether requests are refused or have to wait: see [`LoadBalancer::crowded`].
    pub(crate) crowded: AtomicBool,
    /// Uploads without a place.
    uploads: Arc<Uploads>,
    zero: Instant,
    desk: Mutex<Desk>,
}

/// TLS towards its servers.
pub(crate) struct Tls {
    pub(crate) name: ServerName<'static>,
    /// The same, for `:authority` and health checks.
    pub(crate) text: String,
    pub(crate) config: Arc<ClientConfig>,
}

/// TLS towards the servers of a pool cannot be set up: `tls` of the pool must be the host name in their certificates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("`{name}` is no name of a server: {why}")]
    Name { name: String, why: InvalidDnsNameError },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

struct Desk {
    balancer: LoadBalancer,
    waiting: BTreeMap<Ticket, Waiter>,
}

#[derive(Default)]
struct Waiter {
    waker: Option<Waker>,
    woken: Option<Woken>,
}

impl Pool {
    pub(crate) fn new(config: &config::Pool, tls: Result<Option<Tls>, TlsError>, zero: Instant) -> Arc<Self> {
        let balancer = LoadBalancer::new(config, Tick(micros(zero)), fastrand::u64(..));
        Arc::new(Self {
            id: config.id.clone(),
            protocol: config.protocol,
            tls,
            crowded: AtomicBool::new(false),
            uploads: Arc::default(),
            zero,
            desk: Mutex::new(Desk { balancer, waiting: BTreeMap::new() }),
        })
    }

    /// The host name for health checks of the pool.
    pub(crate) fn host(&self, server: std::net::SocketAddr) -> String {
        match &self.tls {
            Ok(Some(tls)) => tls.text.clone(),
            _ => server.to_string(),
        }
    }

    /// The authority of HTTP/2 requests to it when there is no better one.
    pub(crate) fn authority(&self, server: std::net::SocketAddr) -> Option<Authority> {
        self.host(server).parse().ok()
    }

    pub(crate) fn tick(&self) -> Tick {
        Tick(micros(self.zero))
    }

    /// Servers that do not answer.
    pub(crate) fn silent(&self) -> Vec<std::net::SocketAddr> {
        self.lock().balancer.silent().collect()
    }

    /// Counts an attempt to connect to a server: accepted, or refused because no process listens there.
    pub(crate) fn connected(&self, server: std::net::SocketAddr, accepted: bool) {
        self.lock().balancer.connected(server, accepted);
    }

    /// Counts a request whose connection to a server broke before a response.
    pub(crate) fn broke(&self, server: std::net::SocketAddr, request: &str) {
        self.lock().balancer.broke(server, request);
    }

    /// Runs an operation of the load balancer, and wakes the waiting requests that it decided.
    pub(crate) fn ask<T>(&self, what: impl FnOnce(&mut LoadBalancer, Tick) -> T) -> T {
        self.ask_at(self.tick(), what)
    }

    /// The same at a tick that is already known.
    fn ask_at<T>(&self, tick: Tick, what: impl FnOnce(&mut LoadBalancer, Tick) -> T) -> T {
        let mut desk = self.lock();
        let answer = what(&mut desk.balancer, tick);
        let wakers = desk.hand_out(tick);
        self.look(&desk.balancer);
        drop(desk);
        wakers.into_iter().for_each(Waker::wake);
        answer
    }

    /// Publishes whether requests queue or are refused. A load most times: a store would take the line from the other threads.
    fn look(&self, balancer: &LoadBalancer) {
        let crowded = balancer.crowded();
        if self.crowded.load(Ordering::Relaxed) != crowded {
            self.crowded.store(crowded, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a new request will get a place at all. Waiting requests are not affected.
    pub(crate) fn announce(&self, tick: Tick, class: Class, client: (u64, u64)) -> Result<(), Shed> {
        self.lock().balancer.announce(tick, class, client)
    }

    /// Waits for a place for an announced request, or for an open: immediately, after a short wait, or refused. Returns
    /// the tick of the decision.
    pub(crate) async fn arrive(
        self: &Arc<Self>,
        tick: Tick,
        arrival: Arrival,
        opening: Option<Opening>,
    ) -> Result<(Held, Tick), Shed> {
        let waiting = match self.knock(tick, arrival, opening) {
            Admission::Go(permit) => return Ok((self.hold(permit), tick)),
            Admission::Shed(shed) => return Err(shed),
            Admission::Wait(ticket) => Waiting { pool: self, ticket },
        };
        let held = poll_fn(|cx| waiting.poll(cx)).await?;
        Ok((held, self.tick()))
    }

    fn knock(&self, tick: Tick, arrival: Arrival, opening: Option<Opening>) -> Admission {
        let mut desk = self.lock();
        let admission = match opening {
            None => desk.balancer.admit(tick, arrival),
            Some(kind) => desk.balancer.open(tick, arrival, kind),
        };
        if let Admission::Wait(ticket) = &admission {
            desk.waiting.insert(*ticket, Waiter::default());
        }
        // Requests that this arrival displaced are woken.
        let wakers = desk.hand_out(tick);
        self.look(&desk.balancer);
        drop(desk);
        wakers.into_iter().for_each(Waker::wake);
        admission
    }

    pub(crate) fn hold(self: &Arc<Self>, permit: Permit) -> Held {
        Held { pool: Arc::clone(self), permit: Some(permit), upload: None }
    }
}

impl Desk {
    /// Hands decisions to waiting requests. Returns the wakers.
    fn hand_out(&mut self, tick: Tick) -> Vec<Waker> {
        let mut wakers = Vec::new();
        loop {
            let mut orphans = Vec::new();
            for (ticket, woken) in self.balancer.woken() {
                match self.waiting.get_mut(&ticket) {
                    Some(waiter) => {
                        waiter.woken = Some(woken);
                        wakers.extend(waiter.waker.take());
                    }
                    None => orphans.push(woken),
                }
            }
            if orphans.is_empty() {
                return wakers;
            }
            // Permits of requests that have gone are given to others.
            for woken in orphans {
                if let Woken::Go(permit) = woken {
                    self.balancer.done(tick, permit, Outcome::Unsent);
                }
            }
        }
    }
}

/// A place in the queue. Dropped, the request gives it up.
struct Waiting<'a> {
    pool: &'a Arc<Pool>,
    ticket: Ticket,
}

impl Waiting<'_> {
    fn poll(&self, cx: &Context<'_>) -> Poll<Result<Held, Shed>> {
        let mut desk = self.pool.lock();
        let Some(waiter) = desk.waiting.get_mut(&self.ticket) else { return Poll::Pending };
        match waiter.woken.take() {
            Some(Woken::Go(permit)) => Poll::Ready(Ok(self.pool.hold(permit))),
            Some(Woken::Shed(shed)) => Poll::Ready(Err(shed)),
            None => {
                waiter.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waiter = self.pool.lock().waiting.remove(&self.ticket);
        match waiter {
            Some(Waiter { woken: Some(Woken::Go(permit)), .. }) => {
                self.pool.ask(|balancer, tick| balancer.done(tick, permit, Outcome::Unsent));
            }
            Some(Waiter { woken: None, .. }) => {
                self.pool.ask(|balancer, tick| balancer.gave_up(tick, self.ticket))
            }
            _ => {}
        }
    }
}

/// A permit for one request to a server, given back in any case.
pub(crate) struct Held {
    pool: Arc<Pool>,
    permit: Option<Permit>,
    /// Its slot among slow uploads, instead of a place.
    upload: Option<Slot>,
}

impl Held {
    pub(crate) fn server(&self) -> Option<std::net::SocketAddr> {
        self.permit.as_ref().map(Permit::server)
    }

    /// Whether it is the permit of an open.
    pub(crate) fn is_open(&self) -> bool {
        self.permit.as_ref().is_some_and(Permit::is_open)
    }

    /// The server began the long-lived connection that was asked for. Returns it, and how many its server has where they
    /// are to go elsewhere.
    pub(crate) fn opened(mut self, tick: Tick, outcome: Outcome) -> Option<(Arc<Pool>, Open, Option<u32>)> {
        let permit = self.permit.take()?;
        let (open, leaving) = self.pool.ask_at(tick, |balancer, tick| {
            let open = balancer.opened(tick, permit, &outcome)?;
            let leaving = balancer.leaving().find(|(server, _)| *server == open.server());
            Some((open, leaving.map(|(_, count)| count)))
        })?;
        Some((Arc::clone(&self.pool), open, leaving))
    }

    /// Gives the permit back with its outcome.
    pub(crate) fn done(mut self, tick: Tick, outcome: Outcome) {
        self.give_back(tick, outcome);
    }

    /// Gives the place back while the response is still awaited; nothing is counted then, nor later.
    pub(crate) fn release(&mut self, tick: Tick) {
        self.give_back(tick, Outcome::Unsent);
    }

    /// Gives the place back while the client is waited for; the outcome is still reported. The place is kept for a
    /// second while no other request needs it. Where many such uploads are in progress it is kept while no other
    /// request needs it. Returns false where one does and this upload, of which `came` bytes arrived in `ticks`, is
    /// the one to end.
    pub(crate) fn yields(&mut self, tick: Tick, came: u64, ticks: u32) -> bool {
        if self.upload.is_some() {
            return true;
        }
        let (places, has_plenty) = {
            let desk = self.pool.lock();
            (desk.balancer.places(), desk.balancer.has_plenty(tick))
        };
        let limit = Uploads::limit(places);
        if has_plenty && (ticks < YIELD_TICKS || self.pool.uploads.count() >= limit) {
            return true;
        }
        let Some(mut permit) = self.permit.take() else { return true };
        self.upload = self.pool.uploads.enter(limit, permit.client(), came, ticks);
        self.pool.ask_at(tick, |balancer, tick| balancer.yields(tick, &mut permit));
        self.permit = Some(permit);
        self.upload.is_some()
    }

    /// The upload without a place.
    pub(crate) fn upload(&self) -> Option<&Slot> {
        self.upload.as_ref()
    }

    /// Whether its place was given back.
    pub(crate) fn yielded(&self) -> bool {
        self.permit.as_ref().is_none_or(Permit::yielded)
    }

    /// Whether another server would get it now, if it failed here.
    pub(crate) fn may_retry(&self) -> bool {
        self.permit.as_ref().is_some_and(|permit| self.pool.lock().balancer.may_retry(permit))
    }

    /// Gives the permit of a failed attempt back. Returns the permit for another server, if the request may be
    /// repeated.
    pub(crate) fn retry(mut self, outcome: Outcome) -> Option<Self> {
        let permit = self.permit.take()?;
        let next = self.pool.ask(|balancer, tick| balancer.retry(tick, permit, outcome))?;
        Some(self.pool.hold(next))
    }

    fn give_back(&mut self, tick: Tick, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            self.pool.ask_at(tick, |balancer, tick| balancer.done(tick, permit, outcome));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.give_back(self.pool.tick(), Outcome::Left);
        }
    }
}

fn micros(zero: Instant) -> u64 {
    u64::try_from(zero.elapsed().as_micros()).unwrap_or(u64::MAX)
}
