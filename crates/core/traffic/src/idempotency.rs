//! Writes that are delivered once: keys, what is known of one, and what follows from that.
//!
//! A client sends `Idempotency-Key` with a write (draft-ietf-httpapi-idempotency-key-header-07). The edge remembers the key
//! before it forwards the request, and the answer afterwards, so that a second request with the key gets that answer. A key
//! without an answer is in flight, or the edge ended before the answer came; then no one but the servers knows whether the
//! write took place.

use std::time::Duration;
use types::Time;

/// Shortest key: a shorter one may be a counter, which two clients share.
const KEY_MIN: usize = 16;
/// Longest key.
const KEY_MAX: usize = 128;
/// Time after which a client asks again for a request that is in flight.
pub const IN_FLIGHT_RETRY: Duration = Duration::from_secs(1);
/// Bytes of an answer's body that are remembered. Of a longer one only the head is.
pub const ANSWER_MAX: usize = 16 * 1024;

/// SHA-256 of what a request must have in common with the first one of its key: method, host, target and body.
pub type Fingerprint = [u8; 32];

/// What is remembered of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Of the first request.
    pub fingerprint: Fingerprint,
    /// When it is forgotten.
    pub until: Time,
    /// The state of the first request.
    pub state: State,
}

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A request with it is being forwarded.
    InFlight,
    /// A request with it was forwarded, and no answer is known.
    Uncertain,
    /// Its answer is stored.
    Answered,
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is forwarded, and the key remembered.
    Forward {
        /// Whether a server may have it already, so that only the server can prevent a second effect.
        is_again: bool,
    },
    /// The stored answer is sent.
    Replay,
    /// 422: the key belongs to another request.
    OtherRequest,
    /// 409: the first request with the key has no answer yet.
    InFlight,
}

/// Decides on a request with this key and fingerprint.
#[must_use]
pub fn decide(known: Option<&Known>, fingerprint: &Fingerprint, now: Time) -> Decision {
    match known.filter(|known| now < known.until || known.state == State::InFlight) {
        None => Decision::Forward { is_again: false },
        Some(known) if known.fingerprint != *fingerprint => Decision::OtherRequest,
        Some(known) => match known.state {
            State::InFlight => Decision::InFlight,
            State::Uncertain => Decision::Forward { is_again: true },
            State::Answered => Decision::Replay,
        },
    }
}

/// Returns the key in the header's value: a string of structured fields (RFC 8941) or a bare token. `None`: it is too short,
/// too long, or has characters that are not printable.
#[must_use]
pub fn key(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let key = quoted.unwrap_or(text);
    let is_plain = key.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    (is_plain && (KEY_MIN..=KEY_MAX).contains(&key.len())).then_some(key)
}

/// Whether a server's answer is the result of the write. One that says "not now" or "not you" is none: the key is forgotten,
/// and the next request with it is forwarded as the first.
#[must_use]
pub fn is_result(status: u16) -> bool {
    !matches!(status, 401 | 403 | 407 | 408 | 421 | 425 | 429 | 500..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: i64) -> Time {
        Time::from_second(secs).unwrap()
    }

    #[test]
    fn decisions() {
        let (same, other) = ([1; 32], [2; 32]);
        let known = |state| Known { fingerprint: same, until: at(100), state };
        let forward = |is_again| Decision::Forward { is_again };
        let table = [
            (None, same, 0, forward(false)),
            (Some(State::InFlight), same, 0, Decision::InFlight),
            (Some(State::InFlight), same, 100, Decision::InFlight),
            (Some(State::InFlight), other, 0, Decision::OtherRequest),
            (Some(State::Uncertain), same, 0, forward(true)),
            (Some(State::Uncertain), other, 0, Decision::OtherRequest),
            (Some(State::Uncertain), same, 100, forward(false)),
            (Some(State::Answered), same, 99, Decision::Replay),
            (Some(State::Answered), other, 99, Decision::OtherRequest),
            (Some(State::Answered), same, 100, forward(false)),
            (Some(State::Answered), other, 100, forward(false)),
        ];
        for (state, fingerprint, now, expected) in table {
            let known = state.map(known);
            assert_eq!(decide(known.as_ref(), &fingerprint, at(now)), expected, "{state:?} at {now}");
        }
    }

    #[test]
    fn keys_are_long_enough_that_no_two_clients_share_one() {
        let long = "x".repeat(KEY_MAX + 1);
        for (value, read) in [
            ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
            (" 8e03978e-40d5-43dd-bc93-6894a57f9324 ", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
            ("1", None),
            ("\"123456789012345\"", None),
            ("1234567890 123456", None),
            ("\"1234567890123456", None),
            ("1234567890\\123456", None),
            ("", None),
            (long.as_str(), None),
        ] {
            assert_eq!(key(value.as_bytes()), read, "{value:?}");
        }
        assert_eq!(key(b"12345678901234567\xff"), None);
    }

    #[test]
    fn results_are_remembered_and_postponements_are_not() {
        for (status, expected) in [
            (200, true),
            (201, true),
            (303, true),
            (400, true),
            (401, false),
            (403, false),
            (404, true),
            (409, true),
            (422, true),
            (429, false),
            (500, false),
            (503, false),
            (599, false),
        ] {
            assert_eq!(is_result(status), expected, "{status}");
        }
    }

    proptest! {
        /// Whatever happened, a request is never forwarded as the first while its key is remembered.
        #[test]
        fn remembered_key_is_never_forwarded_as_new(state in 0..3, until in 0..200i64, now in 0..200i64, is_same in any::<bool>()) {
            let state = [State::InFlight, State::Uncertain, State::Answered][state as usize];
            let known = Known { fingerprint: [1; 32], until: at(until), state };
            let fingerprint = if is_same { [1; 32] } else { [2; 32] };
            let decided = decide(Some(&known), &fingerprint, at(now));
            if now < until {
                prop_assert_ne!(decided, Decision::Forward { is_again: false });
            }
            if state == State::InFlight {
                prop_assert!(matches!(decided, Decision::InFlight | Decision::OtherRequest));
            }
        }

        #[test]
        fn any_bytes_are_a_key_or_none(value in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(key) = key(&value) {
                prop_assert!((KEY_MIN..=KEY_MAX).contains(&key.len()));
            }
        }
    }
}
