//! Server-sent events on their way to a client: where an event ends, so that a stream can be ended there.

use crate::long_lived::LongLived;
use std::task::Context;

/// Ticks for which the end of an event is waited for: longer than events take to be sent.
const EVENT_TICKS: u32 = 20;
/// Bytes that show that an event has ended.
const TAIL: usize = 4;

/// An event stream, counted at its server.
pub(crate) struct EventStream {
    connection: LongLived,
    /// Its last bytes.
    tail: [u8; TAIL],
    is_begun: bool,
    /// The tick until which the end of an event is waited for.
    until: Option<u32>,
}

impl EventStream {
    pub(crate) fn new(connection: LongLived) -> Box<Self> {
        Box::new(Self { connection, tail: [0; TAIL], is_begun: false, until: None })
    }

    /// Follows what is sent.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        self.is_begun |= !bytes.is_empty();
        for byte in &bytes[bytes.len().saturating_sub(TAIL)..] {
            self.tail.rotate_left(1);
            self.tail[TAIL - 1] = *byte;
        }
    }

    /// Whether it is to end here. Its client reconnects (HTML, section 9.2.3).
    pub(crate) fn ends(&mut self, cx: &Context<'_>) -> bool {
        if self.connection.leaves(cx).is_none() {
            return false;
        }
        let now = self.connection.ticks().now();
        let until = *self.until.get_or_insert(now + EVENT_TICKS);
        now >= until || is_boundary(self.is_begun, &self.tail)
    }
}

/// Whether an event ended with these bytes: by an empty line (HTML, section 9.2.5).
fn is_boundary(is_begun: bool, tail: &[u8; TAIL]) -> bool {
    !is_begun || tail.ends_with(b"\n\n") || tail.ends_with(b"\r\r") || tail == b"\r\n\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_with_an_empty_line() {
        let table: [(&[u8; TAIL], bool); 7] = [
            (b"1\n\n\n", true),
            (b": 1\n", false),
            (b"a 1\n", false),
            (b"\r\n\r\n", true),
            (b"x1\n\n", true),
            (b"x1\r\r", true),
            (b"1\r\n\r", false),
        ];
        for (tail, ends) in table {
            assert_eq!(is_boundary(true, tail), ends, "{tail:?}");
        }
        assert!(is_boundary(false, &[0; TAIL]), "nothing was sent yet");
    }
}
