//! A short text of bounded size that is copied, never allocated.

use serde::{Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};

/// At most `N` bytes of text (`N` up to 255); what is longer is cut and ends in `~`.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; N] };

    /// Takes printable ASCII as it is and a `?` for every other byte: what is shown to people in a terminal must not
    /// be able to steer it.
    #[must_use]
    pub fn new(from: &[u8]) -> Self {
        let mut text = Self::EMPTY;
        let len = from.len().min(N).min(255);
        text.bytes[..len].copy_from_slice(&from[..len]);
        for byte in &mut text.bytes[..len] {
            if !matches!(byte, b' '..=b'~') {
                *byte = b'?';
            }
        }
        if from.len() > len && len > 0 {
            text.bytes[len - 1] = b'~';
        }
        text.len = u8::try_from(len).unwrap_or(0);
        text
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl<const N: usize> PartialEq for Text<N> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes[..usize::from(self.len)] == other.bytes[..usize::from(other.len)]
    }
}

impl<const N: usize> Eq for Text<N> {}

impl<const N: usize> Hash for Text<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.bytes[..usize::from(self.len)]);
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_text_is_cut_with_a_mark() {
        assert_eq!(Text::<8>::from("/short").as_str(), "/short");
        assert_eq!(Text::<8>::from("/eightch").as_str(), "/eightch");
        assert_eq!(Text::<8>::from("/much longer").as_str(), "/much l~");
        assert_eq!(Text::<8>::new(b"\x1b[31m\xff").as_str(), "?[31m?");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_printable(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = Text::<16>::new(&bytes);
            prop_assert!(text.as_str().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(text.as_str().len(), bytes.len().min(16));
        }
    }
}
