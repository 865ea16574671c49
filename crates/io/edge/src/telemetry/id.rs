//! Ids of requests: the W3C trace context, levels 1 and 2.
//!
//! An incoming trace is continued, never trusted: its id only decides which hops are shown together. Anything that
//! is not exactly a `traceparent` begins a new trace, and then its `tracestate` is dropped as the standard
//! requires.

use http::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};
use std::fmt;
use text::trace_id;

/// The name of the header, in and out.
pub const TRACEPARENT: &str = "traceparent";
/// The name of its companion, passed on unchanged.
pub const TRACESTATE: &str = "tracestate";
/// The longest `tracestate` that is passed on; a longer one is dropped completely (the standard requires at least
/// 512).
pub const TRACESTATE_BYTES_MAX: usize = 1024;

// Looked up in every request: as a name it need not be parsed each time.
const PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);

/// One in this many traces that begin here is marked as sampled, 1.6 %: it is kept, and servers that follow the
/// flag record their part of it.
pub const SAMPLED_ONE_OF: u64 = 64;

const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// A trace: shown to people as the request's id. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub u128);

/// A span id of one hop of a trace. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub u64);

impl TraceId {
    /// A new one, from the thread's fast generator: ids need not be secret.
    #[must_use]
    pub fn fresh() -> Self {
        Self(u128::from(fastrand::u64(1..)) << 64 | u128::from(fastrand::u64(..)))
    }

    /// Reads 32 hexadecimal digits in lower case.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        trace_id::parse(text).map(Self)
    }

    /// 32 hexadecimal digits, for `x-request-id` and error pages.
    #[must_use]
    pub fn digits(self) -> [u8; 32] {
        let mut out = [0; 32];
        write_hex(&self.0.to_be_bytes(), &mut out);
        out
    }
}

impl SpanId {
    /// A new one.
    #[must_use]
    pub fn fresh() -> Self {
        Self(fastrand::u64(1..))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The ids of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The trace that it belongs to: its id for people.
    pub trace: TraceId,
    /// The span id of this hop.
    pub span: SpanId,
    /// The parent's span id; `None` where the trace begins here.
    pub parent: Option<SpanId>,
    /// The flags to pass on.
    flags: u8,
}

impl Ids {
    /// A new trace.
    #[must_use]
    pub fn fresh() -> Self {
        let trace = TraceId::fresh();
        let sampled = if (trace.0 as u64).is_multiple_of(SAMPLED_ONE_OF) { SAMPLED } else { 0 };
        Self { trace, span: SpanId::fresh(), parent: None, flags: RANDOM | sampled }
    }

    /// Continues the trace of the request's head, or begins one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut all = headers.get_all(PARENT).iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Self::read(one.as_bytes()).unwrap_or_else(Self::fresh),
            _ => Self::fresh(),
        }
    }

    /// Continues the trace that the value of a `traceparent` names; `None` where it is not exactly one.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let field = |from: usize, to: usize| value.get(from..to);
        let dash = |at: usize| value.get(at) == Some(&b'-');
        let version = hex(field(0, 2)?)?;
        if version == 0xff || !dash(2) || !dash(35) || !dash(52) {
            return None;
        }
        // Versions to come may only append, after another dash.
        let ends = if version == 0 { value.len() == 55 } else { value.len() == 55 || dash(55) };
        if !ends {
            return None;
        }
        let trace = TraceId::read(field(3, 35)?)?;
        let parent = u64::try_from(hex(field(36, 52)?)?).ok().filter(|id| *id != 0).map(SpanId)?;
        let flags = u8::try_from(hex(field(53, 55)?)?).ok()? & (SAMPLED | RANDOM);
        Some(Self { trace, span: SpanId::fresh(), parent: Some(parent), flags })
    }

    /// Whether the trace was begun elsewhere.
    #[must_use]
    pub fn continued(&self) -> bool {
        self.parent.is_some()
    }

    /// Whether the trace is marked to be recorded.
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The flags to pass on.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Returns the `traceparent` for the server.
    #[must_use]
    pub fn outward(&self) -> [u8; 55] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&self.trace.0.to_be_bytes(), &mut out[3..35]);
        write_hex(&self.span.0.to_be_bytes(), &mut out[36..52]);
        write_hex(&[self.flags], &mut out[53..55]);
        out
    }
}

/// Lower case only, as the standard has it.
fn hex(digits: &[u8]) -> Option<u128> {
    let mut value = 0;
    for digit in digits {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u128::from(nibble);
    }
    Some(value)
}

/// Writes bytes as digits, two of each.
fn write_hex(bytes: &[u8], out: &mut [u8]) {
    for (byte, digits) in bytes.iter().zip(out.as_chunks_mut::<2>().0) {
        *digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn exact_traceparent_is_continued() {
        let ids = Ids::read(GOOD.as_bytes()).unwrap();
        assert_eq!(ids.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(ids.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert!(ids.sampled() && ids.continued());
        let out = String::from_utf8(ids.outward().to_vec()).unwrap();
        assert_eq!(out, format!("00-{}-{}-01", ids.trace, ids.span));
        assert_eq!(ids.trace.digits(), *b"4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn malformed_traceparent_begins_a_new_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (bad, why) in [
            (String::new(), "empty"),
            (GOOD.to_uppercase(), "upper case"),
            (format!("{GOOD}-"), "version 00 is 55 bytes"),
            (format!("{GOOD}0"), "too long"),
            (GOOD[..54].to_owned(), "too short"),
            (GOOD.replacen("00-", "ff-", 1), "version ff"),
            (GOOD.replacen("00-", "0-", 1), "short version"),
            (GOOD.replacen("00-", "01-", 1) + "x", "a later version appends after a dash"),
            (GOOD.replace('-', "_"), "no dashes"),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), "trace of zeros"),
            (format!("00-{trace}-0000000000000000-01"), "parent of zeros"),
            (format!(" {GOOD}"), "blank"),
            (format!("{GOOD},{GOOD}"), "two"),
        ] {
            assert_eq!(Ids::read(bad.as_bytes()), None, "{why}: {bad}");
        }
        for fine in [GOOD.replacen("00-", "01-", 1), GOOD.replacen("00-", "cc-", 1) + "-more"] {
            assert!(Ids::read(fine.as_bytes()).is_some(), "{fine}");
        }
    }

    #[test]
    fn one_trace_in_sixty_four_is_marked() {
        fastrand::seed(11);
        let marked = (0..64_000).filter(|_| Ids::fresh().sampled()).count();
        assert!((850..1_150).contains(&marked), "{marked}");
    }

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert!(Ids::of(&headers).continued());
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert!(!Ids::of(&headers).continued());
        assert!(!Ids::of(&HeaderMap::new()).continued());
    }

    proptest! {
        #[test]
        fn whatever_comes_either_continues_or_is_refused(value in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(ids) = Ids::read(&value) {
                prop_assert_eq!(&ids.outward()[3..35], &value[3..35]);
            }
        }

        #[test]
        fn one_changed_byte_never_changes_the_reading_silently(at in 0usize..55, byte in any::<u8>()) {
            let mut value = GOOD.as_bytes().to_vec();
            value[at] = byte;
            if let Some(ids) = Ids::read(&value) {
                prop_assert_eq!(&ids.outward()[3..35], &value[3..35]);
                let parent = ids.parent.unwrap().to_string();
                prop_assert_eq!(parent.as_bytes(), &value[36..52]);
            }
        }

        #[test]
        fn what_we_say_is_what_we_read(trace in 1u128.., span in 1u64.., flags in 0u8..4) {
            let ids = Ids { trace: TraceId(trace), span: SpanId(span), parent: None, flags };
            let read = Ids::read(&ids.outward()).unwrap();
            prop_assert_eq!((read.trace, read.parent, read.flags), (ids.trace, Some(ids.span), flags));
        }
    }
}
