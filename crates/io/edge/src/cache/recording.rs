//! A body that is stored while it is sent.

use super::entry::{Draft, Entry};
use super::flight::{Landed, Lead};
use super::store::ResponseCache;
use crate::budget::Share;
use bytes::Bytes;
use std::sync::Arc;

/// Bytes set aside for a body at first: more follow as they come, since a declared length costs a server nothing.
const ROOM_FIRST: u64 = 64 * 1024;

/// Where a response is stored.
pub(crate) struct Destination {
    pub(crate) cache: Arc<ResponseCache>,
    pub(crate) key: Box<str>,
    /// See [`ResponseCache::generation`].
    pub(crate) generation: u64,
    /// The fetch that others wait for.
    pub(crate) lead: Option<Lead>,
}

impl Destination {
    /// Stores a complete response.
    pub(crate) fn put(self, draft: Draft, body: Bytes) -> Arc<Entry> {
        let entry = Arc::new(Entry::new(draft, body));
        self.cache.put(&self.key, self.generation, Arc::clone(&entry));
        self.land(Landed::Stored);
        entry
    }

    /// Ends without a stored response.
    pub(crate) fn land(self, landed: Landed) {
        if let Some(lead) = self.lead {
            lead.land(landed);
        }
    }
}

/// A response that is received for its client and for the cache. Dropped before its end, nothing is stored.
pub(crate) struct Recording {
    to: Destination,
    draft: Draft,
    body: Vec<u8>,
    share: Share,
    /// Bytes that may still come.
    room: u64,
    /// The declared length.
    length: Option<u64>,
}

impl Recording {
    /// `None` where it is too large, or too many bodies are being received.
    pub(crate) fn new(to: Destination, draft: Draft, length: Option<u64>, most: u64) -> Option<Box<Self>> {
        if length.is_some_and(|length| length > most) || to.cache.receiving.is_spent() {
            to.land(Landed::Alone);
            return None;
        }
        let first = usize::try_from(length.unwrap_or(0).min(ROOM_FIRST)).unwrap_or(0);
        let mut share = to.cache.receiving.share();
        share.hold(first);
        Some(Box::new(Self { body: Vec::with_capacity(first), to, draft, share, room: most, length }))
    }

    /// Takes the next part. Gives the recording back unless the body is too large.
    pub(crate) fn push(mut self: Box<Self>, data: &[u8]) -> Option<Box<Self>> {
        match self.room.checked_sub(data.len() as u64) {
            Some(room) if !self.to.cache.receiving.is_spent() || data.is_empty() => {
                self.room = room;
                self.body.extend_from_slice(data);
                self.share.hold(self.body.capacity());
                Some(self)
            }
            _ => {
                self.to.land(Landed::Alone);
                None
            }
        }
    }

    /// The body is complete: it is stored, if it is as long as declared.
    pub(crate) fn finish(self: Box<Self>) {
        let Self { to, draft, body, length, .. } = *self;
        if length.is_none_or(|length| length == body.len() as u64) {
            // Exactly as large as it is: its size is what the cache counts.
            to.put(draft, Bytes::from(body.into_boxed_slice()));
        } else {
            to.land(Landed::Failed);
        }
    }

    /// The response broke off.
    pub(crate) fn broke(self: Box<Self>) {
        self.to.land(Landed::Failed);
    }

    /// The response has something that is not stored.
    pub(crate) fn give_up(self: Box<Self>) {
        self.to.land(Landed::Alone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::storable::Terms;
    use crate::cache::variant::Variant;
    use http::{HeaderMap, StatusCode};
    use proptest::prelude::*;
    use traffic::Tick;

    proptest! {
        #[test]
        fn stored_body_is_the_received_one_or_nothing(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..12),
            declared in prop::option::of(0..20_000_u64),
            is_complete in any::<bool>(),
        ) {
            const MOST: u64 = 12_000;
            let cache = ResponseCache::new(1_000_000);
            let generation = cache.generation("k");
            let to = Destination { cache: Arc::clone(&cache), key: "k".into(), generation, lead: None };
            let draft = Draft {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                variant: Variant::default(),
                terms: Terms::default(),
                at: Tick(0),
            };
            let mut recording = Recording::new(to, draft, declared, MOST);
            for part in &parts {
                recording = recording.and_then(|recording| recording.push(part));
            }
            if is_complete && let Some(recording) = recording {
                recording.finish();
            }
            let sent = parts.concat();
            let length = sent.len() as u64;
            let is_stored = is_complete && length <= MOST && declared.is_none_or(|declared| declared == length);
            let slot = cache.get("k");
            let stored = slot.as_ref().and_then(|slot| slot.newest()).map(|entry| entry.body.clone());
            prop_assert_eq!(stored, is_stored.then(|| Bytes::from(sent)));
        }
    }
}
