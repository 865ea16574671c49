//! Subscribers of the status page: who gets which update, when, and in which words.
//!
//! Sans-I/O: the time, the stored progress and the answers of servers are arguments.
//!
//! | module | contents |
//! |---|---|
//! | [`matching`] | which subscriber gets an update |
//! | [`turns`](mod@turns) | which update is sent next, and which is not sent any more |
//! | [`answer`] | what follows from the answer of a server: done, again later, failed, paused |
//! | [`pace`] | how many messages may be sent now |
//! | [`limits`] | limits of requests to subscribe |
//! | [`template`] | texts with placeholders |
//! | [`message`] | mails: subject, text, HTML, message ids |
//! | [`chat`] | JSON for webhooks, Slack and Teams |
//!
//! # Invariants
//!
//! * A subscriber gets the updates of an incident in their order. After a newer one was begun, no older one is sent.
//! * A message has only what the status page shows, and links of its own subscriber.
//! * A text of a visitor or of the team never becomes a header or markup.

pub mod answer;
pub mod chat;
pub mod limits;
pub mod matching;
pub mod message;
pub mod pace;
pub mod template;
pub mod turns;

pub use answer::{Answer, Backoff, Next, next};
pub use limits::RequestLimits;
pub use message::{Links, Mail, Page};
pub use pace::Pace;
pub use template::{TemplateError, Templates};
pub use turns::{Closed, Outstanding, Turn, Turns, turns};
