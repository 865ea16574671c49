//! The schedule of visits: when they begin, when a request is late, when one is retried.

use super::Shared;
use super::client::Flight;
use super::clients::Settings;
use super::generator::Generator;
use super::tally::End;
use crate::tasks::lock;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Interval at which the schedule is processed.
const TICK: Duration = Duration::from_millis(1);
/// Most requests sent before responses are read again.
const BURST_MAX: usize = 256;
/// A visit that is later than this counts as not sent: the generator cannot keep up.
const LAG_MAX: Duration = Duration::from_millis(100);

pub(super) async fn drive(settings: Settings, shared: Arc<Shared>) {
    let generator = Rc::new(Generator::new(settings, shared));
    let mut turn = tokio::time::interval(TICK);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut phase = 0;
    let mut ended: Option<Instant> = None;
    while !generator.shared.stops.load(Ordering::Relaxed) {
        turn.tick().await;
        let now = Instant::now();
        if generator.shared.ends.load(Ordering::Relaxed) && ended.is_none() {
            ended = Some(now);
            generator.tally().close(now);
            generator.cancel_retries();
        }
        let (ordered, rates) = lock(&generator.shared.order).clone();
        if ordered != phase
            || generator.schedules.iter().zip(&rates).any(|(schedule, rate)| schedule.borrow().rate != *rate)
        {
            phase = ordered;
            generator.set_rates(&rates, now);
        }
        generator.hang_up_overdue(now);
        if let Some(ended) = ended {
            let patience = generator.settings.deadline + LAG_MAX;
            if generator.deadlines.borrow().is_empty() || now > ended + patience {
                return;
            }
            continue;
        }
        generator.retry_due(now);
        while generator.launch_due(phase, Instant::now()) {
            tokio::task::yield_now().await;
        }
    }
}

impl Generator {
    /// The first visit of a phase is at a random time of the first interval, so that groups are not in phase.
    fn set_rates(&self, rates: &[f64], now: Instant) {
        for (schedule, &rate) in self.schedules.iter().zip(rates) {
            let mut schedule = schedule.borrow_mut();
            schedule.rate = rate;
            if rate > 0.0 {
                schedule.next = now + interval(rate).mul_f64(self.chance.borrow_mut().f64());
            }
        }
    }

    /// Starts the visits that are due; returns whether more are left.
    fn launch_due(self: &Rc<Self>, phase: usize, now: Instant) -> bool {
        let mut sent = 0;
        for (group, schedule) in self.schedules.iter().enumerate() {
            loop {
                let mut schedule = schedule.borrow_mut();
                if schedule.rate <= 0.0 || schedule.next > now {
                    break;
                }
                if sent == BURST_MAX {
                    return true;
                }
                let due = schedule.next;
                schedule.next = due + interval(schedule.rate);
                let in_time = now.saturating_duration_since(due) <= LAG_MAX;
                let client = if in_time { schedule.idle.pop_front() } else { None };
                drop(schedule);
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

    fn retry_due(self: &Rc<Self>, now: Instant) {
        loop {
            let mut retries = self.retries.borrow_mut();
            match retries.first_entry() {
                Some(first) if first.key().0 <= now => {
                    let ((due, _), (client, flight)) = first.remove_entry();
                    drop(retries);
                    self.launch(&client, Flight { due, ..flight }, now);
                }
                _ => return,
            }
        }
    }

    /// Cancels all retries.
    fn cancel_retries(&self) {
        for (_, (client, flight)) in self.retries.take() {
            self.over(&client, flight, End::Refused);
        }
    }
}

fn interval(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate)
}
