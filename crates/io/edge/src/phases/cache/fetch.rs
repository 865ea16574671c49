//! A request for a cached path that goes to a server: it waits for another one with the same aim, or its response is
//! stored, or a stale one is served in place of a failure.

use super::super::forward::Relayed;
use super::super::forward::attempt::UpstreamResponse;
use super::super::forward::round_trip::Answer;
use super::super::respond::Responder;
use super::super::respond::body::Body;
use super::serve::{How, Served};
use crate::cache::entry::{self, Draft, Entry, Freshness};
use crate::cache::fetch::{Fetch, Kind};
use crate::cache::flight::{Landed, Part, WAIT};
use crate::cache::recording::{Destination, Recording};
use crate::cache::status::{self, CACHE_STATUS};
use crate::cache::storable::{self, Asked, Storable};
use crate::cache::validators::{self, Conditions};
use crate::cache::variant::Variant;
use crate::connection::Busy;
use crate::forward_error::Unanswered;
use crate::telemetry::{CacheOutcome, Failure, OpenRecord};
use crate::thread::Thread;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use std::fmt::Display;
use std::sync::Arc;
use std::time::SystemTime;
use traffic::ShedWhy;

/// After waiting for this many others a request goes on its own.
const ROUNDS: usize = 3;

impl Fetch {
    /// Waits for another request that fetches the same. Returns its response; `None` where this request is to fetch.
    pub(crate) async fn join(&mut self, headers: &HeaderMap, thread: &Thread) -> Option<Served> {
        if !self.shares || self.lead.is_some() {
            return None;
        }
        for _ in 0..ROUNDS {
            match self.cache.flights.join(&self.key) {
                Part::First(lead) => {
                    // Between the look-up and now another one may have come back.
                    let found = self.find(headers, thread);
                    if found.is_none() {
                        self.generation = self.cache.generation(&self.key);
                        self.lead = Some(lead);
                    }
                    return found;
                }
                // It is known that its servers fail: only one request finds out whether they still do.
                Part::Waits(_)
                    if self
                        .stored
                        .as_ref()
                        .is_some_and(|entry| entry.failing_for(thread.tick()).is_some()) =>
                {
                    return self.in_place_of(false, thread);
                }
                Part::Waits(flight) => match flight.wait(WAIT).await {
                    Some(Landed::Stored) => {
                        if let Some(found) = self.find(headers, thread) {
                            return Some(found);
                        }
                    }
                    Some(Landed::Failed) => return self.in_place_of(false, thread),
                    Some(Landed::Left) => {}
                    Some(Landed::Alone) | None => return None,
                },
            }
        }
        None
    }

    /// The response that another request has just fetched.
    fn find(&self, headers: &HeaderMap, thread: &Thread) -> Option<Served> {
        let slot = self.cache.get(&self.key)?;
        let entry = slot.select(&self.rule, headers)?;
        match entry.freshness(&self.rule, thread.tick()) {
            Freshness::Fresh(_) => Some(Served { entry: Arc::clone(entry), how: How::Coalesced(self.why) }),
            Freshness::Stale(_) => None,
        }
    }

    /// Makes the request one for the whole response, or for whether the stored one is still right.
    pub(crate) fn prepare(&mut self, headers: &mut HeaderMap) {
        if self.kind != Kind::Get || self.keeps_conditions {
            return;
        }
        self.conditions = Conditions::take(headers);
        if let Some(stored) = &self.stored {
            self.validates = validators::ask(&stored.draft.headers, headers);
        }
    }

    /// Gives the client's conditions back.
    pub(crate) fn restore(&self, headers: &mut HeaderMap) {
        if self.kind == Kind::Get && !self.keeps_conditions {
            self.conditions.restore(headers);
        }
    }

    /// The stale response in place of a failure, where one may be served.
    pub(crate) fn instead(
        &mut self,
        failure: &Unanswered,
        thread: &Thread,
        record: &mut OpenRecord,
    ) -> Option<Served> {
        if let Some(lead) = self.lead.take() {
            let is_client = matches!(failure, Unanswered::Failed(error) if error.is_of_client());
            lead.land(if is_client { Landed::Left } else { Landed::Failed });
        }
        let is_overload = match failure {
            Unanswered::Shed(shed) if shed.why == ShedWhy::NoServer => {
                self.note_failure(&"no server available", thread);
                false
            }
            Unanswered::Shed(_) => true,
            Unanswered::Failed(error) if error.is_of_client() => return None,
            Unanswered::Failed(error) => {
                self.note_failure(error, thread);
                if let Some(server) = record.server.take() {
                    record.attempted(server, error.failure(), thread.tick().0);
                }
                false
            }
        };
        self.in_place_of(is_overload, thread)
    }

    fn note_failure(&self, why: &dyn Display, thread: &Thread) {
        let Some(stored) = &self.stored else { return };
        if stored.failed(thread.tick()) && thread.may_warn() {
            let path = self.key.rsplit('\n').next().unwrap_or_default().split('?').next().unwrap_or_default();
            let service = self.key.split('\n').next().unwrap_or_default();
            tracing::warn!(service, path, "a stored response cannot be refreshed: {why}");
        }
    }

    fn in_place_of(&self, is_overload: bool, thread: &Thread) -> Option<Served> {
        let entry = self.stored.as_ref()?;
        let Freshness::Stale(stale) = entry.freshness(&self.rule, thread.tick()) else { return None };
        let how = How::IfError { stale, is_overload };
        entry.may_if_error(&self.rule, stale).then(|| Served { entry: Arc::clone(entry), how })
    }

    /// The response for the client, and what is stored of it.
    pub(crate) fn answer(
        mut self,
        responder: &Responder<'_>,
        relayed: Relayed,
        upgrade: Option<Option<HeaderValue>>,
        parts: &Parts,
        (mut record, busy): (Box<OpenRecord>, Busy),
    ) -> Response<Body> {
        let thread = responder.thread;
        let (status, now) = (relayed.status(), thread.tick());
        if matches!(self.kind, Kind::Get | Kind::Head) {
            if is_failure(status) {
                self.note_failure(&format_args!("a server answered {}", status.as_u16()), thread);
                if let Some(served) = self.in_place_of(false, thread) {
                    self.land(Landed::Failed);
                    if let Some(server) = record.server.take() {
                        record.attempted(server, Failure::Status, now.0);
                    }
                    relayed.discard(now);
                    return responder.stored(&served, parts, record, busy);
                }
            } else if let Some(stored) = self.stored.clone() {
                if status == StatusCode::NOT_MODIFIED && self.validates {
                    return self.revalidated(&stored, responder, relayed, parts, (record, busy));
                }
                stored.recovered();
            }
        }
        record.cache = Some(CacheOutcome::Miss).filter(|_| self.kind != Kind::Unsafe);
        let destination = self.decide(&relayed, parts, responder);
        let is_stored = destination.is_some();
        let why = self.why;
        let mut response = responder.answer(relayed, upgrade, record, busy);
        if let Some((to, draft, length, most)) = destination
            && let Some(recording) = Recording::new(to, draft, length, most)
        {
            response.body_mut().record(recording);
        }
        response.headers_mut().append(CACHE_STATUS, status::forwarded(why, None, is_stored));
        response
    }

    /// Where the response is stored; otherwise what follows from that it is not.
    fn decide(
        &mut self,
        relayed: &Relayed,
        parts: &Parts,
        responder: &Responder<'_>,
    ) -> Option<(Destination, Draft, Option<u64>, u64)> {
        let (status, headers, now) = (relayed.status(), relayed.headers(), responder.thread.tick());
        if self.kind == Kind::Unsafe && (status.is_success() || status.is_redirection()) {
            self.cache.invalidate(&self.key);
        }
        if self.kind != Kind::Get {
            return None;
        }
        // With the client's own conditions a 304 says nothing about what is stored.
        if status == StatusCode::NOT_MODIFIED {
            self.land(Landed::Alone);
            return None;
        }
        let asked = Asked { headers: &parts.headers, has_cookies: self.has_cookies };
        let decided = storable::decide(asked, status, headers, SystemTime::now());
        let variant = Variant::new(&self.rule.vary, &parts.headers, headers);
        let (terms, variant) = match (decided, variant) {
            (Storable::Yes(terms), Some(variant)) if relayed.has_end() => (terms, variant),
            (decided, _) => {
                let replaced = self.stored.as_ref().filter(|_| decided != Storable::NotThis);
                // A failure says nothing about the responses that come when it is over.
                if is_failure(status) {
                    self.land(Landed::Failed);
                } else {
                    self.cache.mark_alone(&self.key, now, replaced);
                    self.land(Landed::Alone);
                }
                return None;
            }
        };
        if terms.lifetime.unwrap_or(self.rule.max_age).is_zero() {
            // Stored for validation and for failures; requests that wait cannot use it.
            self.land(Landed::Alone);
        }
        let draft = Draft { status, headers: entry::kept(headers), variant, terms, at: self.at };
        let length =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Some((self.destination(), draft, length, self.rule.max_size))
    }

    fn destination(&mut self) -> Destination {
        Destination {
            cache: Arc::clone(&self.cache),
            key: self.key.clone(),
            generation: self.generation,
            lead: self.lead.take(),
        }
    }

    fn land(&mut self, landed: Landed) {
        if let Some(lead) = self.lead.take() {
            lead.land(landed);
        }
    }

    /// A server has confirmed the stored response (RFC 9111 section 4.3.4).
    fn revalidated(
        &mut self,
        stored: &Arc<Entry>,
        responder: &Responder<'_>,
        relayed: Relayed,
        parts: &Parts,
        (record, busy): (Box<OpenRecord>, Busy),
    ) -> Response<Body> {
        let fresh = relayed.headers().clone();
        relayed.discard(responder.thread.tick());
        let headers = entry::updated(&stored.draft.headers, &fresh);
        let asked = Asked { headers: &parts.headers, has_cookies: false };
        let decided = storable::decide(asked, stored.draft.status, &headers, SystemTime::now());
        let variant = Variant::new(&self.rule.vary, &parts.headers, &headers);
        let draft =
            |terms, variant| Draft { status: stored.draft.status, headers, variant, terms, at: self.at };
        let entry = match (decided, variant) {
            (Storable::Yes(terms), Some(variant)) => {
                let draft = draft(terms, variant);
                self.destination().put(draft, stored.body.clone())
            }
            _ => {
                let draft = draft(stored.draft.terms, Variant::default());
                self.cache.mark_alone(&self.key, responder.thread.tick(), Some(stored));
                self.land(Landed::Alone);
                Arc::new(Entry::new(draft, stored.body.clone()))
            }
        };
        let mut response = responder.stored(&Served { entry, how: How::Revalidated }, parts, record, busy);
        for cookie in fresh.get_all(header::SET_COOKIE) {
            response.headers_mut().append(header::SET_COOKIE, cookie.clone());
        }
        response
    }
}

/// Whether a stale response is better (RFC 5861 section 4).
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

impl Relayed {
    fn headers(&self) -> &HeaderMap {
        match &self.response {
            UpstreamResponse::Answer(head, _) | UpstreamResponse::Switched(head, _) => &head.headers,
            UpstreamResponse::Http2(head, _) => head.headers(),
        }
    }

    /// Whether the end of its body shows that it is complete: not where the server just closes the connection.
    fn has_end(&self) -> bool {
        match &self.response {
            UpstreamResponse::Answer(_, Answer::Whole(_)) | UpstreamResponse::Http2(..) => true,
            UpstreamResponse::Answer(_, Answer::Rest(download)) => download.has_end(),
            UpstreamResponse::Switched(..) => false,
        }
    }

    /// Gives the server's place back without sending its response on.
    fn discard(self, now: traffic::Tick) {
        let outcome = self.outcome(now);
        self.held.done(now, outcome);
    }
}
