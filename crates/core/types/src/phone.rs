//! Phone calls and SMS: what their callbacks are about, and what came of a call.

use crate::{IncidentId, NotificationKey, PageTest, Time};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A call or SMS that was sent. Its text is the content of the token in the URLs that the provider calls back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneMessage {
    /// The incident; `None` for a test page.
    pub incident: Option<IncidentId>,
    /// The person, or what stands for a fallback contact.
    pub person: String,
    /// The contact, written `channel:number`.
    pub contact: String,
    /// When it was sent.
    pub sent: Time,
    /// Key of the attempt.
    pub key: NotificationKey,
}

impl PhoneMessage {
    /// Purpose that the token is signed for.
    pub const PURPOSE: &str = "phone";

    /// The channel of the contact.
    #[must_use]
    pub fn channel(&self) -> &str {
        self.contact.split_once(':').map_or(self.contact.as_str(), |(channel, _)| channel)
    }

    /// The test page that it is, unless it is about an incident.
    #[must_use]
    pub fn test(&self) -> Option<PageTest> {
        let (person, contact) = (self.person.as_str().into(), self.contact.clone());
        self.incident.is_none().then_some(PageTest { person, contact, sent: self.sent })
    }
}

/// The text of its token: `SENT|INCIDENT|PERSON|CONTACT|KEY`, with `-` for no incident.
impl fmt::Display for PhoneMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { incident, person, contact, sent, key } = self;
        write!(f, "{sent}|")?;
        match incident {
            Some(incident) => write!(f, "{}", incident.0)?,
            None => f.write_str("-")?,
        }
        write!(f, "|{person}|{contact}|{key}")
    }
}

/// The text is not that of the token of a call or SMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the callback of a call or SMS")]
pub struct NotAPhoneMessage;

impl FromStr for PhoneMessage {
    type Err = NotAPhoneMessage;

    fn from_str(text: &str) -> Result<Self, NotAPhoneMessage> {
        let mut parts = text.splitn(5, '|');
        let mut next = || parts.next().ok_or(NotAPhoneMessage);
        let (sent, incident, person, contact, key) = (next()?, next()?, next()?, next()?, next()?);
        let number = |text: &str| text.parse().map(IncidentId).map_err(|_| NotAPhoneMessage);
        Ok(Self {
            incident: if incident == "-" { None } else { Some(number(incident)?) },
            person: person.to_owned(),
            contact: contact.to_owned(),
            sent: sent.parse().map_err(|_| NotAPhoneMessage)?,
            key: NotificationKey(key.to_owned()),
        })
    }
}

/// The link of an SMS that answers it: short, because each 153 characters of an SMS are paid for. Its text is in the link,
/// before a signature over the text with person and contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortLink {
    /// The incident; `None` for a test page.
    pub incident: Option<IncidentId>,
    /// When the SMS was sent, in seconds since 1970, rounded up.
    pub sent_secs: i64,
}

impl ShortLink {
    /// Purpose of the signature.
    pub const PURPOSE: &str = "sms";

    /// What the signature is over.
    #[must_use]
    pub fn signed(&self, person: &str, contact: &str) -> String {
        format!("{self}|{person}|{contact}")
    }
}

/// `7.1764763200`, with `t` for a test page.
impl fmt::Display for ShortLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.incident {
            Some(incident) => write!(f, "{}.{}", incident.0, self.sent_secs),
            None => write!(f, "t.{}", self.sent_secs),
        }
    }
}

impl FromStr for ShortLink {
    type Err = NotAPhoneMessage;

    fn from_str(text: &str) -> Result<Self, NotAPhoneMessage> {
        let (incident, sent) = text.split_once('.').ok_or(NotAPhoneMessage)?;
        let incident = match incident {
            "t" => None,
            number => Some(IncidentId(number.parse().map_err(|_| NotAPhoneMessage)?)),
        };
        Ok(Self { incident, sent_secs: sent.parse().map_err(|_| NotAPhoneMessage)? })
    }
}

/// What came of a call or SMS that a provider had accepted. None of them is an answer (P6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneOutcome {
    /// The call was taken and no key was pressed, or the SMS arrived.
    Ended,
    /// An answering machine took the call.
    Machine,
    /// The phone was busy.
    Busy,
    /// Nobody took the call.
    NoAnswer,
    /// The phone is off, the number does not exist, or the network refused it.
    Failed,
}

impl PhoneOutcome {
    /// Whether certainly no person noticed it, so that the next attempt does not wait.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ended)
    }
}

impl fmt::Display for PhoneOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "ended without an answer",
            Self::Machine => "taken by an answering machine",
            Self::Busy => "busy",
            Self::NoAnswer => "not taken",
            Self::Failed => "not connected",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_link_is_read_as_it_was_written() {
        for (incident, text) in [(Some(IncidentId(7)), "7.1764763200"), (None, "t.1764763200")] {
            let link = ShortLink { incident, sent_secs: 1_764_763_200 };
            assert_eq!(link.to_string(), text);
            assert_eq!(text.parse(), Ok(link));
        }
        for text in ["", "7", "7.", "x.1", "-7.1", "7.1.2"] {
            assert_eq!(text.parse::<ShortLink>(), Err(NotAPhoneMessage), "{text}");
        }
    }

    #[test]
    fn message_is_read_as_it_was_written() {
        let sent: Time = "2026-12-01T12:00:00Z".parse().unwrap();
        let page = PhoneMessage {
            incident: Some(IncidentId(7)),
            person: "ana".to_owned(),
            contact: "call:+3725550100".to_owned(),
            sent,
            key: NotificationKey("page-3/r0/0/ana/1/0".to_owned()),
        };
        let text = page.to_string();
        assert_eq!(text, "2026-12-01T12:00:00Z|7|ana|call:+3725550100|page-3/r0/0/ana/1/0");
        assert_eq!(text.parse(), Ok(page.clone()));
        assert_eq!((page.channel(), page.test()), ("call", None));
        let page = PhoneMessage { incident: None, ..page };
        assert_eq!(page.to_string().parse(), Ok(page.clone()));
        let test = page.test().unwrap();
        assert_eq!((test.contact.as_str(), test.sent), ("call:+3725550100", sent));
        for text in ["", "7|ana|call:+372", "now|7|ana|call:+372|k", "2026-12-01T12:00:00Z|x|ana|call:+372|k"]
        {
            assert_eq!(text.parse::<PhoneMessage>(), Err(NotAPhoneMessage), "{text}");
        }
    }
}
