//! Which long-lived connections are to go, and when: within `drain_timeout`, when their server or the edge drains.

use crate::long_lived::{GOING_AWAY, NEVER, SERVICE_RESTART};
use crate::pool::Pool;
use crate::thread::Thread;
use crate::ticks::whole_ticks;
use std::sync::Arc;
use std::task::Waker;
use traffic::drain;

impl Thread {
    /// Returns the ticks over which this many connections are closed.
    pub(crate) fn drain_ticks(&self, count: u32) -> u32 {
        let longest = self.shared.view().edge.limits.drain_timeout;
        whole_ticks(drain::spread(u64::from(count), longest))
    }

    /// Another policy applies: connections to servers that it drains or removes are to go, others stay.
    pub(crate) fn judge_long_lived(&self) {
        let entries = self.long_lived.entries.borrow();
        let mut judged: Vec<(*const Pool, Vec<(u64, u32)>)> = Vec::new();
        for (_, entry) in entries.iter() {
            let pool = Arc::as_ptr(&entry.pool);
            let known = judged.iter().position(|(known, _)| *known == pool).unwrap_or_else(|| {
                judged.push((pool, self.leaving_servers(&entry.pool)));
                judged.len() - 1
            });
            let leaving = judged.get(known).map(|(_, leaving)| leaving.as_slice()).unwrap_or_default();
            match leaving.iter().find(|(server, _)| *server == entry.server) {
                Some((_, count)) if entry.due.get() == NEVER => {
                    self.long_lived.send_away(entry, SERVICE_RESTART, self.drain_ticks(*count));
                }
                // One whose turn has come is being closed.
                None if entry.code.get() == SERVICE_RESTART && entry.due.get() > self.ticks.now() => {
                    entry.due.set(NEVER);
                }
                _ => {}
            }
        }
    }

    /// Servers of a pool whose connections are to go elsewhere, each with how many it has.
    fn leaving_servers(&self, pool: &Arc<Pool>) -> Vec<(u64, u32)> {
        let view = self.shared.view();
        if !view.pools.iter().any(|(current, _)| Arc::ptr_eq(current, pool)) {
            // Its servers may belong to another pool now.
            let declared = || view.pools.iter().flat_map(|(_, config)| &config.servers);
            let stays = |at: &str| declared().any(|server| server.at == at && !server.drain);
            pool.ask(|balancer, _| balancer.abandon(stays));
        }
        pool.ask(|balancer, _| balancer.leaving().collect())
    }

    /// Wakes the connections that are to go now. While the edge stops, all of them are to go within its drain time.
    pub(crate) fn send_away(&self) {
        let is_draining = self.shared.draining();
        if !is_draining && !self.long_lived.leaving.get() {
            return;
        }
        let now = self.ticks.now();
        let (mut wakers, mut are_left) = (Vec::new(), false);
        for (_, entry) in self.long_lived.entries.borrow().iter() {
            if is_draining && entry.code.replace(GOING_AWAY) != GOING_AWAY && entry.due.get() > now {
                let due = now.saturating_add(self.shared.drain_tick());
                entry.due.set(entry.due.get().min(due));
            }
            are_left |= entry.due.get() != NEVER;
            if entry.due.get() <= now {
                wakers.extend(entry.waker.borrow_mut().take());
            }
        }
        self.long_lived.leaving.set(are_left);
        wakers.into_iter().for_each(Waker::wake);
    }
}
