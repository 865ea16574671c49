//! Incremental search for a text in a body, without buffering the body.

use memchr::memmem;

/// A search that goes on from piece to piece.
pub(super) struct Search<'a> {
    finder: memmem::Finder<'a>,
    /// The end of what has passed, one byte shorter than the text: where a match across the seam begins.
    tail: Vec<u8>,
    found: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { finder: memmem::Finder::new(text), tail: Vec::new(), found: text.is_empty() }
    }

    /// Whether the text was found.
    pub(super) fn found(&self) -> bool {
        self.found
    }

    /// Searches the next piece.
    pub(super) fn pass(&mut self, piece: &[u8]) {
        if self.found {
            return;
        }
        let keep = self.finder.needle().len() - 1;
        if !self.tail.is_empty() {
            let over = piece.get(..keep).unwrap_or(piece);
            self.tail.extend_from_slice(over);
            self.found = self.finder.find(&self.tail).is_some();
        }
        self.found = self.found || self.finder.find(piece).is_some();
        if piece.len() >= keep {
            self.tail.clear();
            self.tail.extend_from_slice(piece.get(piece.len() - keep..).unwrap_or_default());
        } else {
            if self.tail.is_empty() {
                self.tail.extend_from_slice(piece);
            }
            let surplus = self.tail.len().saturating_sub(keep);
            self.tail.drain(..surplus);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Few letters, so that near misses and matches across seams are common.
        #[test]
        fn pieces_are_searched_like_the_whole(
            text in "[ab]{0,6}",
            pieces in proptest::collection::vec("[ab]{0,5}", 0..12),
        ) {
            let mut search = Search::new(text.as_bytes());
            for piece in &pieces {
                search.pass(piece.as_bytes());
            }
            prop_assert_eq!(search.found(), pieces.concat().contains(&text));
        }
    }
}
