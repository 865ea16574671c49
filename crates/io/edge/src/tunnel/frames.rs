//! Boundaries of WebSocket frames in a stream of bytes (RFC 6455 section 5.2), so that a Close frame can be sent between
//! two of them. The contents are not looked at.

/// The longest header of a frame: two bytes, eight of length, four of mask.
const HEADER: usize = 14;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The last opcode of data frames that is defined.
const BINARY: u8 = 2;
const FIN: u8 = 0x80;

/// Follows the frames of one direction.
#[derive(Debug)]
pub(crate) struct Frames {
    header: [u8; HEADER],
    /// Bytes of the header that have come; 0 at a boundary and within a payload.
    have: u8,
    /// Bytes of the payload that are still to come.
    payload: u64,
    /// Whether another frame may be sent between these.
    is_open: bool,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { header: [0; HEADER], have: 0, payload: 0, is_open: true }
    }

    /// Whether a frame may be sent now: one ended here, it was no Close, and all before it were valid.
    pub(crate) fn at_boundary(&self) -> bool {
        self.is_open && self.have == 0 && self.payload == 0
    }

    /// Whether there may be a boundary again.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Follows these bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while self.is_open && !bytes.is_empty() {
            let taken = self.step(bytes);
            bytes = &bytes[taken..];
        }
    }

    /// Follows these bytes to the next boundary. Returns how many that are: all where there is none.
    pub(crate) fn feed_to_boundary(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while self.is_open && taken < bytes.len() && !(taken > 0 && self.at_boundary()) {
            taken += self.step(&bytes[taken..]);
        }
        if self.is_open { taken } else { bytes.len() }
    }

    /// Takes bytes of one part of a frame, at least one.
    fn step(&mut self, bytes: &[u8]) -> usize {
        if self.payload > 0 {
            let taken = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
            self.payload -= taken as u64;
            return taken;
        }
        let have = usize::from(self.have);
        let taken = (self.needs() - have).min(bytes.len());
        self.header[have..have + taken].copy_from_slice(&bytes[..taken]);
        self.have += taken as u8;
        if usize::from(self.have) == self.needs() {
            self.begin();
        }
        taken
    }

    /// The length of the header, as far as it is known.
    fn needs(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.header[1] & 0x80 == 0 { 0 } else { 4 }
    }

    /// The header is whole.
    fn begin(&mut self) {
        let [first, second, a, b, c, d, e, f, g, h, ..] = self.header;
        self.payload = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes([a, b])),
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            length => u64::from(length),
        };
        self.have = 0;
        let is_valid = match first & 0x0f {
            0..=BINARY => self.payload >> 63 == 0,
            PING | PONG => first & FIN != 0 && self.payload <= 125,
            // After a Close, and after what is not understood, nothing may be sent.
            _ => false,
        };
        self.is_open = is_valid;
    }
}

/// A Close frame of a server (RFC 6455 section 5.5.1).
pub(crate) fn close(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [FIN | CLOSE, 2, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(opcode: u8, fin: bool, masked: bool, length: usize) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![opcode | if fin { FIN } else { 0 }];
        match length {
            0..=125 => bytes.push(mask | length as u8),
            126..=0xffff => {
                bytes.push(mask | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(std::iter::repeat_n(0xff, if masked { 4 } else { 0 } + length));
        bytes
    }

    #[test]
    fn close_frame_has_its_code() {
        assert_eq!(close(1012), [0x88, 2, 0x03, 0xf4]);
    }

    #[test]
    fn nothing_is_sent_after_a_close_or_an_invalid_frame() {
        let long_ping = frame(PING, true, false, 126);
        let endless = [vec![0x82, 127, 0x80], vec![0; 7]].concat();
        let invalid = [
            frame(CLOSE, true, false, 2),
            frame(3, true, false, 1),
            frame(11, true, false, 0),
            long_ping,
            endless,
        ];
        for bytes in invalid {
            let mut frames = Frames::new();
            frames.feed(&frame(1, true, false, 5));
            assert!(frames.at_boundary());
            frames.feed(&bytes);
            frames.feed(&frame(1, true, false, 5));
            assert!(!frames.at_boundary() && !frames.is_open(), "{:?}", &bytes[..2]);
            assert_eq!(frames.feed_to_boundary(b"any"), 3);
        }
    }

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let one = prop_oneof![
            (0_u8..3, any::<bool>(), any::<bool>(), 0_usize..300)
                .prop_map(|(op, fin, mask, n)| frame(op, fin, mask, n)),
            (9_u8..11, any::<bool>(), 0_usize..126).prop_map(|(op, mask, n)| frame(op, true, mask, n)),
            Just(frame(2, true, false, 70_000)),
        ];
        prop::collection::vec(one, 0..12)
    }

    proptest! {
        /// In whatever pieces they come: a boundary is after each frame and nowhere else.
        #[test]
        fn boundaries_are_between_frames(frames in frames(), pieces in prop::collection::vec(1_usize..900, 0..200)) {
            let bytes = frames.concat();
            let mut ends: Vec<usize> = vec![0];
            frames.iter().for_each(|frame| ends.push(ends[ends.len() - 1] + frame.len()));
            let (mut follower, mut at) = (Frames::new(), 0);
            for piece in pieces.into_iter().chain([bytes.len()]) {
                let end = (at + piece).min(bytes.len());
                follower.feed(&bytes[at..end]);
                at = end;
                prop_assert!(follower.is_open());
                prop_assert_eq!(follower.at_boundary(), ends.contains(&at), "at {}", at);
            }
        }

        #[test]
        fn next_boundary_is_found(frames in frames(), from in 0_usize..2_000) {
            let bytes = frames.concat();
            let from = from.min(bytes.len());
            let mut follower = Frames::new();
            follower.feed(&bytes[..from]);
            let was = follower.at_boundary();
            let taken = follower.feed_to_boundary(&bytes[from..]);
            let mut end = 0;
            let next = frames.iter().map(|frame| { end += frame.len(); end }).find(|end| *end > from);
            prop_assert_eq!(from + taken, next.unwrap_or(bytes.len()), "{}", was);
            prop_assert!(next.is_none() || follower.at_boundary());
        }

        #[test]
        fn any_bytes_are_followed(bytes in prop::collection::vec(any::<u8>(), 0..3_000), cut in 0_usize..3_000) {
            let cut = cut.min(bytes.len());
            let (mut whole, mut parts) = (Frames::new(), Frames::new());
            whole.feed(&bytes);
            parts.feed(&bytes[..cut]);
            parts.feed(&bytes[cut..]);
            prop_assert_eq!(whole.at_boundary(), parts.at_boundary());
            prop_assert_eq!(whole.is_open(), parts.is_open());
        }
    }
}
