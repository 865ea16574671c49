//! Request rate limit of a pool whose servers refuse: what they serve successfully, and a little more.
//!
//! A server that refuses answers immediately, so its latency says nothing. 429 and 503 count as refusals: with them
//! a server says that less load would be served better. 502 and 504 do not: something behind it is broken or slow,
//! which less load rarely fixes; ejection and the concurrency limit handle those.
//!
//! Clients are counted, not responses: a client that is refused a hundred times by the server's own limit per
//! client counts as one. When a quarter are refused, the ceiling drops to the rate of useful responses. While that
//! does not help it drops further, to a sixth: a server that counts refused requests too serves no client until the
//! load is below its limit. Then the ceiling rises: quickly to the proven rate, slowly around it, quickly again
//! beyond, since then the server has changed. After each collapse it stays four times as long at the proven rate
//! before it rises further. It is removed when no client is held back. When reducing the rate does not help for
//! long, the refusals have another cause - a part of the service that is switched off - and become usual; soon,
//! where demand was usual when they began.
//!
//! During a flood and in the minute after it the ceiling is guarded: refusals of two clients set it, immediately to the
//! least, and afterwards it stays below what servers bore for half a minute or longer. While it is that low, recognized
//! clients may wait: servers forget within seconds what was too much.

use crate::client_filter::ClientFilter;
use crate::concurrency::WINDOW;
use crate::tick::Tick;
use std::time::Duration;

/// Fractions of refused clients: above the first a ceiling is set; above and below the others it falls and rises.
const REFUSED: f64 = 0.25;
const TOO_MANY: f64 = 0.08;
const FEW: f64 = 0.04;
/// The least number of refused clients that is significant, without a ceiling and with one.
const CLIENTS_LEAST: f64 = 5.0;
const REFUSALS_LEAST: f64 = 3.0;
/// Answers that make an opinion, and after how long fewer do.
const ANSWERS: f64 = 10.0;
const LONG: Duration = Duration::from_secs(1);
/// Averaging times of useful responses, in seconds. Many servers' limits look back for ten seconds.
const SHORT_SECS: f64 = 1.0;
const LONG_SECS: f64 = 10.0;
/// The ceiling never falls below this part of the proven rate, nor below one request a second: the requests that
/// pass are also the measurement.
const LEAST: f64 = 0.16;
/// Rise per window, up to this multiple of the proven rate.
const RISES: f64 = 1.25;
const NEARLY: f64 = 0.95;
/// Time of the rise from there to the proven rate, in seconds: at first, and after collapses.
const PATIENCE: f64 = 0.7;
const PATIENCE_MOST: f64 = 8.0;
/// The same while it is guarded, and the part of the proven rate that it returns to.
const GUARDED_PATIENCE: f64 = 25.0;
const GUARDED_PATIENCE_MOST: f64 = 120.0;
const GUARDED: f64 = 0.95;
/// Refused clients, and their fraction, that set a guarded ceiling.
const GUARDED_REFUSED: f64 = 0.1;
const GUARDED_CLIENTS: f64 = 2.0;
/// The longest wait of recognized clients for a guarded ceiling that is low, and how long after that those who waited are
/// still served.
pub(crate) const PAUSE: Duration = Duration::from_secs(4);
const AFTER_PAUSE: Duration = Duration::from_secs(12);
/// Fraction of refusals that is a collapse although hardly more is sent than was served recently.
const COLLAPSE: f64 = 0.3;
/// Time without a client held back after which the ceiling is removed.
const UNBOUND: Duration = Duration::from_secs(2);
/// Time without an effect after which refusals become usual; and where demand was usual.
const IN_VAIN: Duration = Duration::from_secs(20);
const IN_VAIN_UNASKED: Duration = Duration::from_secs(4);
/// Factor above which demand is higher than usual.
const MORE: f64 = 1.3;

/// The ceiling of one pool.
#[derive(Clone, Debug)]
pub(crate) struct Ceiling {
    /// Requests a second; infinite while there is none.
    rate: f64,
    /// Tokens available at an instant.
    tokens: f64,
    filled: Tick,
    /// Useful responses in this window, and per second: recently, and over a longer time.
    useful: u32,
    short: f64,
    long: f64,
    /// Requests in this window, and per second: recently, and over a longer time without a ceiling.
    asked: u32,
    asks: f64,
    usual: f64,
    /// Whether demand was higher than usual when the ceiling was set.
    more: bool,
    /// Time of that count, in seconds.
    age: f64,
    served: ClientCount,
    refused: ClientCount,
    /// Start of the current count of clients.
    apart: Tick,
    /// Clients served and refused of late, since a tick.
    late: (f64, f64),
    since: Tick,
    /// The share of refused clients that has nothing to do with how many come.
    own: f64,
    /// Useful responses a second before the last fall.
    proven: f64,
    /// The same over the longer time.
    lasting: f64,
    /// When it began to fall and has not returned since.
    fell: Tick,
    /// Clients served and refused since then.
    fallen: (f64, f64),
    phase: Phase,
    patience: f64,
    /// Whether a flood was recent when the ceiling was set, or is now.
    guarded: bool,
    /// When a client was last held back.
    bound: Tick,
    turned: Tick,
    /// When it was last far below the proven rate.
    low: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Falling: since when, and whether it is a collapse.
    Falls(Tick, bool),
    /// Rising to the proven rate.
    Rises,
    /// Around the proven rate since then.
    Tries(Tick),
}

impl Ceiling {
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            rate: f64::INFINITY,
            tokens: 0.0,
            filled: now,
            useful: 0,
            short: 0.0,
            long: 0.0,
            asked: 0,
            asks: 0.0,
            usual: 0.0,
            more: false,
            age: 0.0,
            served: ClientCount::default(),
            refused: ClientCount::default(),
            apart: now,
            late: (0.0, 0.0),
            since: now,
            own: 0.0,
            proven: 0.0,
            lasting: 0.0,
            fell: now,
            fallen: (0.0, 0.0),
            phase: Phase::Tries(now),
            patience: PATIENCE,
            guarded: false,
            bound: now,
            turned: now,
            low: now,
        }
    }

    /// The rate; `None` without a ceiling.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.rate.is_finite().then_some(self.rate)
    }

    /// Requests a second that will be served soon, so that recognized clients wait for it: while a guarded ceiling is
    /// low, and until those who waited are served. `None` otherwise.
    pub(crate) fn paused(&self) -> Option<f64> {
        let is_recent = self.turned.since(self.low) < AFTER_PAUSE;
        (self.guarded && self.rate.is_finite() && is_recent).then_some(self.proven)
    }

    /// Guards it: a flood is recent.
    pub(crate) fn guard(&mut self, recent: bool) {
        self.guarded = recent || self.guarded && self.rate.is_finite();
    }

    /// Counts an arrival, whatever its verdict.
    pub(crate) fn asked(&mut self) {
        self.asked = self.asked.saturating_add(1);
    }

    /// A server answered a client.
    pub(crate) fn answered(&mut self, client: u64, status: u16) {
        match status {
            429 | 503 => self.refused.add(client),
            500.. => {}
            _ => {
                self.useful = self.useful.saturating_add(1);
                self.served.add(client);
            }
        }
    }

    /// Whether there are too many refusals, so that the window ends early.
    pub(crate) fn alarmed(&self) -> bool {
        let refused = self.late.1 + f64::from(self.refused.new);
        let all = refused + self.late.0 + f64::from(self.served.new);
        self.rate.is_infinite() && self.too_many(refused, all)
    }

    /// Whether the fraction of refusals beyond the usual is significant.
    fn too_many(&self, refused: f64, all: f64) -> bool {
        let own = self.own * all;
        let chance = 3.0 * (own * (1.0 - self.own)).sqrt();
        let (clients, part) =
            if self.guarded { (GUARDED_CLIENTS, GUARDED_REFUSED) } else { (CLIENTS_LEAST, REFUSED) };
        refused >= clients && self.own < 1.0 && refused - own >= chance.max(part * (all - own))
    }

    /// Takes one request's worth, if there is one.
    pub(crate) fn take(&mut self, now: Tick) -> bool {
        if self.rate.is_infinite() {
            return true;
        }
        self.fill(now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        } else {
            self.bound = now;
        }
        enough
    }

    /// Returns an unused token.
    pub(crate) fn put_back(&mut self) {
        self.tokens += 1.0;
    }

    /// Returns when the next request may go.
    pub(crate) fn next(&self) -> Tick {
        if self.rate.is_infinite() {
            return Tick::NEVER;
        }
        self.filled.after(Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / self.rate))
    }

    fn fill(&mut self, now: Tick) {
        let more = self.rate * now.since(self.filled).as_secs_f64();
        // Limits that look back for long do not mind short bursts.
        let burst = if self.guarded { self.rate / 4.0 } else { self.rate / 20.0 };
        self.tokens = (self.tokens + more).min(2.0 + burst);
        self.filled = now;
    }

    /// The servers that are left, or that there are now, beside those before.
    pub(crate) fn scale(&mut self, times: f64) {
        self.short *= times;
        self.long *= times;
        self.proven *= times;
        self.lasting *= times;
        if times < 1.0 {
            self.rate *= times;
        }
    }

    /// Judges the window if it is over. `cut`: some clients are not let through; `usual`: how long a response takes.
    pub(crate) fn turn(&mut self, cut: bool, usual: Duration, now: Tick) {
        let span = now.since(self.turned);
        // A change of the ceiling shows only after the duration of a response.
        if span < WINDOW.max(usual.min(LONG)) && !self.alarmed() {
            return;
        }
        self.turned = now;
        if self.rate < NEARLY * self.proven {
            self.low = now;
        }
        let secs = span.as_secs_f64().max(0.001);
        self.count(secs, cut, now);
        if cut && self.rate.is_finite() {
            self.bound = now;
        }
        let all = self.late.0 + self.late.1;
        let share = if all > 0.0 { self.late.1 / all } else { 0.0 };
        if self.own > 0.0 && self.rate.is_infinite() && all >= ANSWERS {
            self.own += 0.02 * (share - self.own);
        }
        let share = if self.own < 1.0 { ((share - self.own) / (1.0 - self.own)).max(0.0) } else { 0.0 };
        if self.rate.is_infinite() {
            if self.too_many(self.late.1, all) {
                self.fill(now);
                self.bound = now;
                // The usual rate must be known: after a restart during an overload it is not.
                self.more = self.guarded || self.age < LONG_SECS || self.asks >= MORE * self.usual;
                // The behaviour of the servers is not known yet, and any excess makes it worse.
                self.fall(if self.guarded { 0.0 } else { 0.5 * self.long.min(self.short) }, now);
            }
            return;
        }
        // Few answers are waited for.
        let waited = now.since(self.since);
        let clear = all >= ANSWERS || all >= 4.0 && waited >= LONG || all > 0.0 && waited >= 2 * LONG;
        match self.phase {
            Phase::Falls(began, collapsed) => self.falling((began, collapsed), clear, share, now),
            _ if clear && share > TOO_MANY && self.late.1 >= REFUSALS_LEAST => {
                let collapses = self.patience > PATIENCE;
                let to = if collapses { 0.5 * self.short } else { self.short };
                self.fall(if self.guarded { 0.0 } else { to }, now);
            }
            _ if now.since(self.bound) >= UNBOUND => self.lift(now),
            _ if share <= FEW => self.rise(secs, now),
            _ => {}
        }
    }

    /// Requests and responses over this many seconds.
    fn count(&mut self, secs: f64, cut: bool, now: Tick) {
        // Clients that are refused at any load are served as usefully as possible.
        let useful = f64::from(std::mem::take(&mut self.useful)) / secs / (1.0 - self.own).max(0.1);
        // The fewer, the longer it takes to believe it.
        let span_secs = (ANSWERS / self.long.max(0.1)).clamp(SHORT_SECS, 4.0 * SHORT_SECS);
        self.age += secs;
        self.short += (1.0 - (-secs / span_secs.min(self.age)).exp()) * (useful - self.short);
        self.long += (1.0 - (-secs / LONG_SECS.min(self.age)).exp()) * (useful - self.long);
        let asked = f64::from(std::mem::take(&mut self.asked)) / secs;
        self.asks += (1.0 - (-secs / span_secs.min(self.age)).exp()) * (asked - self.asks);
        if self.rate.is_infinite() && !cut {
            self.usual += (1.0 - (-secs / LONG_SECS.min(self.age)).exp()) * (asked - self.usual);
        }
        let falls = matches!(self.phase, Phase::Falls(..)) && self.rate.is_finite();
        let fade = if falls { 1.0 } else { (-2.0 * secs / span_secs).exp() };
        let (served, refused) = (f64::from(self.served.count()), f64::from(self.refused.count()));
        self.late = (self.late.0 * fade + served, self.late.1 * fade + refused);
        self.fallen = (self.fallen.0 + served, self.fallen.1 + refused);
        // So that a client that is refused again and again counts as one among many.
        if self.served.many() || self.refused.many() || now.since(self.apart) >= 2 * LONG {
            self.served.begin();
            self.refused.begin();
            self.apart = now;
        }
    }

    /// Falling: whether it is low enough, or had no effect.
    fn falling(&mut self, (began, collapsed): (Tick, bool), clear: bool, share: f64, now: Tick) {
        let of_all = self.fallen.1 / (self.fallen.0 + self.fallen.1).max(1.0);
        let in_vain = if self.more { IN_VAIN } else { IN_VAIN_UNASKED };
        if now.since(self.fell) >= in_vain && of_all >= REFUSED {
            // Chance had its part in it.
            self.own = (of_all + (of_all / (self.fallen.0 + self.fallen.1)).sqrt()).min(1.0);
            self.late = (0.0, 0.0);
            self.patience = PATIENCE;
            self.lift(now);
        } else if clear && share <= FEW {
            self.patience = if self.guarded {
                self.proven = GUARDED * self.proven.min(self.lasting);
                (2.0 * self.patience).clamp(GUARDED_PATIENCE, GUARDED_PATIENCE_MOST)
            } else if collapsed {
                (4.0 * self.patience).max(now.since(began).as_secs_f64()).clamp(PATIENCE, PATIENCE_MOST)
            } else {
                (0.8 * self.patience).clamp(PATIENCE, PATIENCE_MOST)
            };
            self.phase = Phase::Rises;
        } else if clear {
            if share >= COLLAPSE && !collapsed && now.since(began) >= 3 * WINDOW {
                // A short success was borrowed from the following seconds.
                self.proven = self.proven.min(self.lasting);
                self.phase = Phase::Falls(began, true);
            }
            // Penalties of servers against persistent clients end sooner when hardly any client comes.
            let lasts = now.since(began) >= LONG && share >= COLLAPSE;
            self.lower(if lasts { 0.0 } else { self.short.min(0.5 * self.proven) }, now);
        }
    }

    /// All clients pass again.
    fn lift(&mut self, now: Tick) {
        if self.guarded {
            self.patience = PATIENCE;
        }
        self.rate = f64::INFINITY;
        self.phase = Phase::Tries(now);
    }

    /// Begins to fall.
    fn fall(&mut self, to: f64, now: Tick) {
        self.proven = self.short.max(self.long);
        self.lasting = self.long;
        // A ceiling that falls again so soon has not stopped falling.
        let well = matches!(self.phase, Phase::Tries(began) if now.since(began) >= 2 * LONG);
        if well || self.rate.is_infinite() {
            self.fell = now;
            self.fallen = (0.0, 0.0);
        }
        self.phase = Phase::Falls(now, false);
        self.low = now;
        self.lower(to, now);
    }

    fn lower(&mut self, to: f64, now: Tick) {
        self.rate = self.rate.min(to).max(LEAST * self.proven).max(1.0);
        self.tokens = self.tokens.min(1.0);
        self.late = (0.0, 0.0);
        self.since = now;
    }

    fn rise(&mut self, secs: f64, now: Tick) {
        // Not faster than responses show the effect.
        let quick = self.rate * RISES.powf((secs / WINDOW.as_secs_f64()).min(3.0 * self.rate * secs));
        match self.phase {
            Phase::Tries(began) => {
                // As CUBIC does after a loss (RFC 9438): flat about the point where it was too much.
                let after = now.since(began).as_secs_f64() - self.patience;
                let span = if after > 0.0 { self.patience.min(LONG_SECS) } else { self.patience };
                let about = self.proven * (1.0 + (1.0 - NEARLY) * (after / span).powi(3));
                // And never far beyond the useful rate: what is not requested is not proven.
                self.rate = self.rate.max(about.min(1.5 * self.short + 2.0));
            }
            _ if quick >= NEARLY * self.proven => {
                self.rate = self.rate.max(NEARLY * self.proven);
                self.phase = Phase::Tries(now);
            }
            _ => self.rate = quick,
        }
    }
}

/// Counts clients, each once.
#[derive(Clone, Debug, Default)]
struct ClientCount {
    seen: ClientFilter<8>,
    /// The total, and the count since the last call.
    all: u32,
    new: u32,
}

impl ClientCount {
    fn add(&mut self, client: u64) {
        if self.seen.add(client) {
            self.all += 1;
            self.new += 1;
        }
    }

    fn count(&mut self) -> u32 {
        std::mem::take(&mut self.new)
    }

    /// Whether the filter is so full that new clients would be mistaken for counted ones.
    fn many(&self) -> bool {
        self.all >= 128
    }

    fn begin(&mut self) {
        *self = Self::default();
    }
}
