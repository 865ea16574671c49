//! Request rate limit of a pool whose servers refuse: what they serve successfully, and a little more.
//!
//! A server that refuses answers at once, so its latency tells nothing. 429 and 503 count as refusals: with them a server says
//! that less would be answered better. 502 and 504 do not: they tell that something behind it is broken or slow, which asking
//! less mends only by chance; ejection and the limit of concurrent requests look at those.
//!
//! Counted are clients, not answers: whoever is refused a hundred times by the server's own limit for each client is one.
//! When a quarter are refused, the ceiling comes down to what was answered usefully of late. While that does not help
//! it follows further down, to a sixth: a server that counts refused requests too serves nobody until less is asked than it
//! bears. Then it rises: quickly to what was proven, slowly about there, quickly again beyond, since then it is another
//! server. After each collapse it waits four times as long at what was proven before it tries more. It is gone when nobody is
//! held back. When taking off does not help for long, the refusals have nothing to do with how much is asked - a part of the
//! service that is switched off - and become what is usual; soon, where no more was asked than usual when they began.

use crate::concurrency::WINDOW;
use crate::random::mix;
use crate::tick::Tick;
use std::time::Duration;

/// Of the clients answered: above, a ceiling comes; above and below, one that is there falls and rises.
const REFUSED: f64 = 0.25;
const TOO_MANY: f64 = 0.08;
const FEW: f64 = 0.04;
/// Fewer clients refused than this say nothing, without a ceiling and with one.
const VISITORS_LEAST: f64 = 5.0;
const REFUSALS_LEAST: f64 = 3.0;
/// Answers that make an opinion, and after how long fewer do.
const ANSWERS: f64 = 10.0;
const LONG: Duration = Duration::from_secs(1);
/// Over how long useful answers are counted, in seconds: to follow, and to begin with. Many servers' limits look back for ten.
const SHORT_SECS: f64 = 1.0;
const LONG_SECS: f64 = 10.0;
/// The ceiling never falls under this part of what was proven, nor under one a second: what comes through is also what
/// is measured.
const LEAST: f64 = 0.16;
/// It rises by so much in a window, up to so much of what was proven.
const RISES: f64 = 1.25;
const NEARLY: f64 = 0.95;
/// How long it takes from there to what was proven, in seconds: at first, and after collapses.
const PATIENCE: f64 = 0.7;
const PATIENCE_MOST: f64 = 8.0;
/// So many are refused although hardly more is asked than was answered of late: a collapse.
const COLLAPSE: f64 = 0.3;
/// Nobody was held back for so long: gone.
const UNBOUND: Duration = Duration::from_secs(2);
/// So long taking off did not help, and where no more was asked than usual.
const IN_VAIN: Duration = Duration::from_secs(20);
const IN_VAIN_UNASKED: Duration = Duration::from_secs(4);
/// So many times the usual are more than usual.
const MORE: f64 = 1.3;

/// The ceiling of one pool.
#[derive(Clone, Debug)]
pub(crate) struct Ceiling {
    /// Requests a second; infinite while there is none.
    rate: f64,
    /// Requests that may go at once, as of an instant.
    tokens: f64,
    filled: Tick,
    /// Useful answers in this window, and a second: of late, and for longer.
    useful: u32,
    short: f64,
    long: f64,
    /// Requests in this window, and a second: of late, and for longer while nobody was held back.
    asked: u32,
    asks: f64,
    usual: f64,
    /// Whether more was asked than usual when the ceiling came.
    more: bool,
    /// For how long that was counted, in seconds.
    age: f64,
    served: Visitors,
    refused: Visitors,
    /// Since when clients are told apart.
    apart: Tick,
    /// Clients served and refused of late, since a tick.
    late: (f64, f64),
    since: Tick,
    /// The share of refused clients that has nothing to do with how many come.
    own: f64,
    /// Useful answers a second before it fell last.
    proven: f64,
    /// The same, by the longer count.
    lasting: f64,
    /// When it began to fall, and was not back where it was since.
    fell: Tick,
    /// Clients served and refused since then.
    fallen: (f64, f64),
    phase: Phase,
    patience: f64,
    /// When a client was held back last.
    bound: Tick,
    turned: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// It falls: since when, and whether it is a collapse.
    Falls(Tick, bool),
    /// It rises to what was proven.
    Rises,
    /// It is about there since then.
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
            served: Visitors::default(),
            refused: Visitors::default(),
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
            bound: now,
            turned: now,
        }
    }

    /// Requests a second; `None` while nobody is held back.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.rate.is_finite().then_some(self.rate)
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

    /// Whether so many are refused that the window's end is not waited for.
    pub(crate) fn alarmed(&self) -> bool {
        let refused = self.late.1 + f64::from(self.refused.new);
        let all = refused + self.late.0 + f64::from(self.served.new);
        self.rate.is_infinite() && self.too_many(refused, all)
    }

    /// Whether so many of all are refused beyond what is usual that it is no chance.
    fn too_many(&self, refused: f64, all: f64) -> bool {
        let own = self.own * all;
        let chance = 3.0 * (own * (1.0 - self.own)).sqrt();
        refused >= VISITORS_LEAST && self.own < 1.0 && refused - own >= chance.max(REFUSED * (all - own))
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
        self.tokens = (self.tokens + more).min(2.0 + self.rate / 20.0);
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
        // What was changed shows only after as long as a response takes.
        if span < WINDOW.max(usual.min(LONG)) && !self.alarmed() {
            return;
        }
        self.turned = now;
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
                // What is usual must be known: after a restart in the midst of it, it is not.
                self.more = self.age < LONG_SECS || self.asks >= MORE * self.usual;
                // Of what kind the servers are is not known yet, and all that is too much makes it worse.
                self.fall(0.5 * self.long.min(self.short), now);
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
                self.fall(if collapses { 0.5 * self.short } else { self.short }, now);
            }
            _ if now.since(self.bound) >= UNBOUND => self.lift(now),
            _ if share <= FEW => self.rise(secs, now),
            _ => {}
        }
    }

    /// What was asked and answered in so many seconds.
    fn count(&mut self, secs: f64, cut: bool, now: Tick) {
        // Those who are refused however little is asked are answered as usefully as they can be.
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
        // So that whoever is refused again and again stays one among many.
        if self.served.many() || self.refused.many() || now.since(self.apart) >= 2 * LONG {
            self.served.begin();
            self.refused.begin();
            self.apart = now;
        }
    }

    /// It falls: whether it is low enough, or was lowered in vain.
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
            let patience = if collapsed {
                (4.0 * self.patience).max(now.since(began).as_secs_f64())
            } else {
                0.8 * self.patience
            };
            self.patience = patience.clamp(PATIENCE, PATIENCE_MOST);
            self.phase = Phase::Rises;
        } else if clear {
            if share >= COLLAPSE && !collapsed && now.since(began) >= 3 * WINDOW {
                // What went well in a moment was borrowed from those that follow.
                self.proven = self.proven.min(self.lasting);
                self.phase = Phase::Falls(began, true);
            }
            // What servers hold against those who come for long is over sooner when hardly any client comes.
            let lasts = now.since(began) >= LONG && share >= COLLAPSE;
            self.lower(if lasts { 0.0 } else { self.short.min(0.5 * self.proven) }, now);
        }
    }

    /// Everybody goes through again.
    fn lift(&mut self, now: Tick) {
        self.rate = f64::INFINITY;
        self.phase = Phase::Tries(now);
    }

    /// It begins to fall.
    fn fall(&mut self, to: f64, now: Tick) {
        self.proven = self.short.max(self.long);
        self.lasting = self.long;
        // One that falls again so soon has not stopped falling.
        let well = matches!(self.phase, Phase::Tries(began) if now.since(began) >= 2 * LONG);
        if well || self.rate.is_infinite() {
            self.fell = now;
            self.fallen = (0.0, 0.0);
        }
        self.phase = Phase::Falls(now, false);
        self.lower(to, now);
    }

    fn lower(&mut self, to: f64, now: Tick) {
        self.rate = self.rate.min(to).max(LEAST * self.proven).max(1.0);
        self.tokens = self.tokens.min(1.0);
        self.late = (0.0, 0.0);
        self.since = now;
    }

    fn rise(&mut self, secs: f64, now: Tick) {
        // Not quicker than answers tell how it went.
        let quick = self.rate * RISES.powf((secs / WINDOW.as_secs_f64()).min(3.0 * self.rate * secs));
        match self.phase {
            Phase::Tries(began) => {
                // As CUBIC does after a loss (RFC 9438): flat about the point where it was too much.
                let patience = now.since(began).as_secs_f64() / self.patience;
                let about = self.proven * (1.0 + (1.0 - NEARLY) * (patience - 1.0).powi(3));
                // And never far beyond what is answered usefully: what is not asked for is not proven.
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
struct Visitors {
    seen: [u64; 8],
    /// How many in all, and since asked last.
    all: u32,
    new: u32,
}

impl Visitors {
    fn add(&mut self, client: u64) {
        let at = mix(client, 0);
        let (word, bit) = ((at >> 6) as usize % self.seen.len(), 1 << (at & 63));
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.all += 1;
            self.new += 1;
        }
    }

    fn count(&mut self) -> u32 {
        std::mem::take(&mut self.new)
    }

    /// Whether so many were seen that the next ones would be taken for them.
    fn many(&self) -> bool {
        self.all >= 128
    }

    fn begin(&mut self) {
        *self = Self::default();
    }
}
