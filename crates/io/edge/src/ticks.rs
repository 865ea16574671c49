//! The thread's coarse clock: ten ticks a second, and alarms that cost a store to set.
//!
//! A timer for every request and connection would be a tenth of what a request costs; a deadline of seconds does not
//! need it.

use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// Length of a tick.
pub(crate) const TICK: Duration = Duration::from_millis(100);
const TICKS_A_SECOND: u64 = 1000 / TICK.subsec_millis() as u64;
const NEVER: u32 = u32::MAX;

/// The clock and the alarms of one thread.
pub(crate) struct Ticks {
    began: Instant,
    now: Cell<u32>,
    alarms: RefCell<Slab<Entry>>,
}

struct Entry {
    due: u32,
    waker: Option<Waker>,
}

impl Ticks {
    pub(crate) fn new() -> Rc<Self> {
        // Begins with 1, so that 0 can mean "not yet".
        Rc::new(Self { began: Instant::now(), now: Cell::new(1), alarms: RefCell::default() })
    }

    /// Ticks since the thread began.
    pub(crate) fn now(&self) -> u32 {
        self.now.get()
    }

    /// The tick that is at least `wait` from now.
    pub(crate) fn after(&self, wait: Duration) -> u32 {
        self.now().saturating_add(ticks(wait)).min(NEVER - 1)
    }

    /// Advances the clock and wakes the tasks that are due.
    pub(crate) fn advance(&self) {
        let now = u32::try_from(self.began.elapsed().as_millis() / TICK.as_millis()).unwrap_or(NEVER - 2) + 1;
        self.now.set(now);
        let mut due = Vec::new();
        for (_, entry) in self.alarms.borrow_mut().iter_mut() {
            if entry.due <= now {
                entry.due = NEVER;
                due.extend(entry.waker.clone());
            }
        }
        due.into_iter().for_each(Waker::wake);
    }

    /// Wakes all tasks: state of general interest has changed.
    pub(crate) fn ring(&self) {
        let all: Vec<Waker> =
            self.alarms.borrow().iter().filter_map(|(_, entry)| entry.waker.clone()).collect();
        all.into_iter().for_each(Waker::wake);
    }

    /// A new alarm, set to never.
    pub(crate) fn alarm(self: &Rc<Self>) -> Alarm {
        let key = self.alarms.borrow_mut().insert(Entry { due: NEVER, waker: None });
        Alarm { key, due: Cell::new(NEVER), ticks: Rc::clone(self) }
    }
}

/// Returns a duration in whole ticks, rounded up by at least one.
pub(crate) fn ticks(wait: Duration) -> u32 {
    // Asked several times a request: numbers of 128 bits, as `as_millis` gives, would be divided by a function of
    // their own.
    let parts = u64::from(wait.subsec_millis().div_ceil(TICK.subsec_millis()));
    let all = wait.as_secs().saturating_mul(TICKS_A_SECOND).saturating_add(parts);
    u32::try_from(all).unwrap_or(NEVER / 2).saturating_add(1)
}

/// Returns a duration in whole ticks, rounded down.
pub(crate) fn whole_ticks(span: Duration) -> u32 {
    u32::try_from(span.as_millis() / TICK.as_millis()).unwrap_or(NEVER - 1)
}

/// A deadline of one task.
pub(crate) struct Alarm {
    key: usize,
    due: Cell<u32>,
    ticks: Rc<Ticks>,
}

impl Alarm {
    /// Wakes the task at tick `due`, or at the next tick if that has passed.
    pub(crate) fn set(&self, due: u32, cx: &Context<'_>) {
        self.due.set(due);
        if let Some(entry) = self.ticks.alarms.borrow_mut().get_mut(self.key) {
            entry.due = due;
            match &entry.waker {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                _ => entry.waker = Some(cx.waker().clone()),
            }
        }
    }

    /// Does not wake any more.
    pub(crate) fn clear(&self) {
        if self.due.replace(NEVER) != NEVER
            && let Some(entry) = self.ticks.alarms.borrow_mut().get_mut(self.key)
        {
            entry.due = NEVER;
        }
    }

    /// Whether the deadline has passed.
    pub(crate) fn late(&self) -> bool {
        self.due.get() <= self.ticks.now()
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.ticks.alarms.borrow_mut().try_remove(self.key);
    }
}
