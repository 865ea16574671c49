//! Headers that the edge adds to a request, in one buffer that is reused for the next request.

use bytes::Bytes;

/// Names with their values.
#[derive(Default)]
pub(crate) struct OutgoingHeaders {
    bytes: Vec<u8>,
    /// The end of each value.
    ends: Vec<(&'static str, usize)>,
}

impl OutgoingHeaders {
    /// Adds a header; the value is appended to the buffer.
    pub(crate) fn put(&mut self, name: &'static str, value: impl FnOnce(&mut Vec<u8>)) {
        value(&mut self.bytes);
        self.ends.push((name, self.bytes.len()));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let mut from = 0;
        self.ends.iter().map(move |(name, end)| {
            let value = &self.bytes[from..*end];
            from = *end;
            (*name, value)
        })
    }

    /// The same, as slices of one buffer that outlives this one.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (&'static str, Bytes)> {
        let bytes = Bytes::copy_from_slice(&self.bytes);
        let mut from = 0;
        self.ends
            .iter()
            .map(move |(name, end)| (*name, bytes.slice(std::mem::replace(&mut from, *end)..*end)))
    }

    /// Number of headers.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Whether it is small enough to be kept.
    pub(crate) fn modest(&self) -> bool {
        self.bytes.capacity() <= 8 * 1024
    }
}
