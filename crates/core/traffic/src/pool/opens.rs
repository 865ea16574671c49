//! Long-lived connections of the servers of a pool: which server gets the next, how many each has, and which are to go.

use super::Pool;
use crate::admission::Tried;
use crate::open_rate::Opened;
use crate::server::Server;
use crate::tick::Tick;
use std::net::SocketAddr;
use std::time::Duration;

impl Pool {
    /// The server for the next open: the least loaded by connections and requests of those that may have one now. It
    /// has it from now on. A retry is not `paced`: its server was given one less. `is_work`: whether it needs a
    /// place until it is answered.
    pub(crate) fn pick_open(
        &mut self,
        tried: Tried,
        (paced, is_work): (bool, bool),
        now: Tick,
    ) -> Option<(SocketAddr, u64)> {
        let (each, most) = (self.each, self.most_connections);
        let mut best: Option<(f64, usize)> = None;
        for (place, _) in &self.chosen {
            let server = &mut self.servers[*place];
            let share = server.share(now);
            let may = !tried.has(server.serial)
                && server.connections < most
                && (!is_work || server.has_open_room(each))
                && (!paced || server.open_rate.is_ready(share, now));
            let cost = server.open_cost(now);
            if may && best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, *place));
            }
        }
        let server = &mut self.servers[best?.1];
        server.open_rate.take();
        server.opening += u32::from(is_work);
        server.connections += 1;
        Some((server.address, server.serial))
    }

    /// Servers that get requests and may have one more long-lived connection.
    fn open_to_more(&self) -> impl Iterator<Item = &Server> {
        let servers = self.chosen.iter().map(|(place, _)| &self.servers[*place]);
        servers.filter(|server| server.connections < self.most_connections)
    }

    /// Returns how long until a server may have an open; `None` where none ever may as things are.
    pub(crate) fn open_wait(&self, now: Tick) -> Option<Duration> {
        self.open_to_more().map(|server| server.open_rate.wait(server.share(now))).min()
    }

    /// Opens a second that all servers that have room may be given.
    pub(crate) fn open_rate(&self, now: Tick) -> f64 {
        self.open_to_more().map(|server| server.open_rate.rate(server.share(now))).sum()
    }

    /// The same when none of them starts slowly any more.
    pub(crate) fn open_rate_soon(&self) -> f64 {
        self.open_to_more().map(|server| server.open_rate.rate(f64::from(server.weight.max(1)))).sum()
    }

    /// Declared servers, and addresses of names: what the pool is when it is whole.
    pub(crate) fn whole(&self) -> f64 {
        self.size() as f64
    }

    /// An open gave its place back.
    pub(crate) fn open_answered(&mut self, serial: u64) {
        if let Some(place) = self.place(serial) {
            let server = &mut self.servers[place];
            server.opening = server.opening.saturating_sub(1);
            self.forget(place);
        }
    }

    /// Counts how an open went.
    pub(crate) fn open_went(&mut self, serial: u64, opened: Opened) {
        if let Some(place) = self.place(serial) {
            self.servers[place].open_rate.count(opened);
        }
    }

    /// A long-lived connection ended, or did not come about.
    pub(crate) fn closed(&mut self, serial: u64) {
        if let Some(place) = self.place(serial) {
            let server = &mut self.servers[place];
            server.connections = server.connections.saturating_sub(1);
            self.forget(place);
        }
    }

    /// Time went by for the rates of opens.
    pub(crate) fn turn_opens(&mut self, may_grow: bool, now: Tick) {
        for (place, _) in &self.chosen {
            let server = &mut self.servers[*place];
            let share = server.share(now);
            server.open_rate.turn(share, may_grow, now);
        }
    }

    /// Returns the servers whose connections are to go elsewhere, with the number of them.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = (u64, u32)> {
        let leaving = self.servers.iter().filter(|server| server.is_leaving());
        leaving.map(|server| (server.serial, server.connections))
    }

    /// The pool is no longer configured: connections to servers that no other pool has are to go elsewhere.
    pub(crate) fn abandon(&mut self, is_declared: impl Fn(&str) -> bool) {
        for server in &mut self.servers {
            server.removed |= !is_declared(&server.at);
        }
    }
}
