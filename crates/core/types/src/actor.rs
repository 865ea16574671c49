//! Actors: who gave a command, and by which means. In the event of every command.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Author of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Its kind.
    pub kind: ActorKind,
    /// Name, as the configuration, the session or the program gives it. The same person has the same name by all means.
    pub id: String,
    /// Means by which the command arrived.
    pub via: Via,
    /// The contact whose link or phone it was, written `channel:address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// Kind of an actor: what vouches for its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person: by a signed link, a session, or an account of this machine.
    Person,
    /// A program with a token. Its name is only what it says.
    Token,
    /// mainstay itself.
    Mainstay,
}

/// Means by which a command arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The signed link of a notification.
    Link,
    /// A key of the phone during a call, or the reply to an SMS.
    Phone,
    /// The console.
    Console,
    /// The HTTP API.
    Api,
    /// The command line, over the control socket.
    CommandLine,
    /// None: mainstay decided it.
    Engine,
}

impl Actor {
    /// A person.
    #[must_use]
    pub fn person(id: impl Into<String>, via: Via) -> Self {
        Self { kind: ActorKind::Person, id: id.into(), via, contact: None }
    }

    /// A person by the link of a notification; `contact` is where it was sent, unless the link is of an earlier version.
    #[must_use]
    pub fn by_link(id: impl Into<String>, contact: Option<String>) -> Self {
        Self { contact, ..Self::person(id, Via::Link) }
    }

    /// A person by phone: over the number of a contact.
    #[must_use]
    pub fn by_phone(id: impl Into<String>, contact: String) -> Self {
        Self { contact: Some(contact), ..Self::person(id, Via::Phone) }
    }

    /// A program with a token of the HTTP API.
    #[must_use]
    pub fn token(id: impl Into<String>) -> Self {
        Self { kind: ActorKind::Token, id: id.into(), via: Via::Api, contact: None }
    }

    /// mainstay itself.
    #[must_use]
    pub fn mainstay() -> Self {
        Self { kind: ActorKind::Mainstay, id: "mainstay".to_owned(), via: Via::Engine, contact: None }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "link",
            Self::Phone => "phone",
            Self::Console => "console",
            Self::Api => "API",
            Self::CommandLine => "command line",
            Self::Engine => "engine",
        })
    }
}
