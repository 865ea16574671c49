//! Test pages: the proof that a person can be reached over a contact.

use crate::{PersonId, Time};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A test page over one contact. It belongs to no incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageTest {
    /// The person.
    pub person: PersonId,
    /// The contact that it was sent to, written `channel:address`.
    pub contact: String,
    /// When it was sent.
    pub sent: Time,
}

impl PageTest {
    /// Purpose that the token of its link is signed for.
    pub const PURPOSE: &str = "test-page";
}

/// The text of its token: `SENT|PERSON|CONTACT`.
impl fmt::Display for PageTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}|{}", self.sent, self.person, self.contact)
    }
}

/// The text is not that of the token of a test page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the link of a test page")]
pub struct NotATest;

impl FromStr for PageTest {
    type Err = NotATest;

    fn from_str(text: &str) -> Result<Self, NotATest> {
        let (sent, rest) = text.split_once('|').ok_or(NotATest)?;
        let (person, contact) = rest.split_once('|').ok_or(NotATest)?;
        let sent = sent.parse().map_err(|_| NotATest)?;
        Ok(Self { sent, person: person.into(), contact: contact.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_is_read_as_it_was_written() {
        let sent: Time = "2026-12-01T12:00:00Z".parse().unwrap();
        let test = PageTest { sent, person: "ana".into(), contact: "hook:a|b".to_owned() };
        assert_eq!(test.to_string(), "2026-12-01T12:00:00Z|ana|hook:a|b");
        assert_eq!(test.to_string().parse(), Ok(test));
        for text in ["", "7|ana", "2026-12-01T12:00:00Z|ana", "yesterday|ana|hook:a"] {
            assert_eq!(text.parse::<PageTest>(), Err(NotATest), "{text}");
        }
    }
}
