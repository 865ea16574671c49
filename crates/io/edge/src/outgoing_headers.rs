//! Fields that the edge itself says to a server, in one buffer that is used again for the next request.

use bytes::Bytes;

/// Names with their values.
#[derive(Default)]
pub(crate) struct OutgoingHeaders {
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<(&'static str, usize)>,
}

impl OutgoingHeaders {
    /// One more; the value is appended to what is given.
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

    /// The same, as parts of one buffer that outlives this one.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (&'static str, Bytes)> {
        let bytes = Bytes::copy_from_slice(&self.bytes);
        let mut from = 0;
        self.ends
            .iter()
            .map(move |(name, end)| (*name, bytes.slice(std::mem::replace(&mut from, *end)..*end)))
    }

    /// How many there are.
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
