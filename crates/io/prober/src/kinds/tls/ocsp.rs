//! Parsing of a stapled OCSP response: whether the certificate is revoked. RFC 6960.
//!
//! The response's own signature is not checked. The server hands it out about itself, over a connection that its
//! certificate has signed: a forged "revoked" would be a strange way to harm oneself, and a "good" is never relied upon.

/// Whether the response states that the certificate with this serial number is revoked. `false` for anything that
/// cannot be parsed.
pub(super) fn says_revoked(response: &[u8], serial: &[u8]) -> bool {
    single_responses(response)
        .is_some_and(|singles| Items(singles).any(|(tag, single)| tag == SEQUENCE && revoked(single, serial)))
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
/// `[0]` around further structure: the response's bytes, and the version of its data.
const CONTEXT_0: u8 = 0xa0;
/// `[1]` of the choice `CertStatus`.
const REVOKED: u8 = 0xa1;
const SUCCESSFUL: &[u8] = &[0];

/// The contents of `ResponseData.responses`.
fn single_responses(response: &[u8]) -> Option<&[u8]> {
    let mut outer = Items(only(response, SEQUENCE)?);
    if outer.next()? != (ENUMERATED, SUCCESSFUL) {
        return None;
    }
    let wrapped = only(outer.wanted(CONTEXT_0)?, SEQUENCE)?;
    let mut typed = Items(wrapped);
    typed.next()?; // the type; there is only one in use, and another one would not read as it
    let basic = only(typed.wanted(OCTETS)?, SEQUENCE)?;
    let mut data = Items(Items(basic).wanted(SEQUENCE)?);
    // version [0] is optional; the responder is [1] or [2]; then the time; then the responses.
    data.find(|(tag, _)| *tag == SEQUENCE).map(|(_, responses)| responses)
}

fn revoked(single: &[u8], serial: &[u8]) -> bool {
    let mut parts = Items(single);
    let named = parts.wanted(SEQUENCE).and_then(|id| Items(id).find(|(tag, _)| *tag == INTEGER));
    named.is_some_and(|(_, number)| stripped(number) == stripped(serial))
        && parts.next().is_some_and(|(status, _)| status == REVOKED)
}

fn stripped(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    Items(bytes).wanted(tag)
}

/// Iterator over the items of a DER structure. Ends at the first incomplete one.
struct Items<'a>(&'a [u8]);

impl<'a> Items<'a> {
    fn wanted(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            // Four bytes of length are already more than a handshake can carry.
            let count = usize::from(*first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (bytes, rest) = rest.split_at_checked(count)?;
            (bytes.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

#[cfg(test)]
#[path = "../../../tests/it/staple.rs"]
mod staple;

#[cfg(test)]
mod tests {
    use super::staple::{GOOD, UNKNOWN, response};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_revocation_of_this_very_certificate_counts() {
        for (of, status, revoked) in [
            (&[0x5a, 1, 2][..], REVOKED, true),
            (&[0, 0x5a, 1, 2][..], REVOKED, true),
            (&[0x5a, 1, 3][..], REVOKED, false),
            (&[0x5a, 1, 2][..], GOOD, false),
            (&[0x5a, 1, 2][..], UNKNOWN, false),
        ] {
            assert_eq!(says_revoked(&response(of, status), &[0x5a, 1, 2]), revoked, "{of:?} {status:x}");
        }
        assert!(!says_revoked(&[], &[1]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            says_revoked(&bytes, &[1]);
        }

        #[test]
        fn no_broken_response_panics(place in 0usize..1000, flip in 1u8.., cut in 0usize..1000) {
            let mut bytes = response(&[0x5a, 1, 2], REVOKED);
            let place = place % bytes.len();
            bytes[place] ^= flip;
            says_revoked(&bytes, &[0x5a, 1, 2]);
            bytes.truncate(cut % bytes.len());
            says_revoked(&bytes, &[0x5a, 1, 2]);
        }
    }
}
