//! Which clients were seen: one bit of many for each, chosen by its hash. A client may be mistaken for one that was seen
//! before, never the reverse.

use crate::random::mix;

/// Clients that were seen, in 64 bits times `WORDS`.
#[derive(Clone, Debug)]
pub(crate) struct ClientFilter<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for ClientFilter<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl<const WORDS: usize> ClientFilter<WORDS> {
    /// Adds a client. Returns whether it was not seen before.
    pub(crate) fn add(&mut self, client: u64) -> bool {
        let at = mix(client, 0);
        let (word, bit) = ((at >> 6) as usize % WORDS, 1 << (at & 63));
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }
}
