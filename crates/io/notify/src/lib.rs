//! Sends notifications to people over phones, chats, ntfy, signed webhooks and e-mail, and updates to subscribers of the status page. One
//! attempt for each notification; whether another attempt follows, and over which contact, is decided by `oncall`.
//!
//! | module | content |
//! |---|---|
//! | [`notifier`] | [`Notifier`]: a notification in, its delivery result out, within ten seconds |
//! | [`queues`] | [`run`]: many notifications concurrently, a queue for each channel |
//! | [`outlet`] | messages to subscribers of the status page |
//! | `smtp` | e-mail: messages and connections |
//! | `providers` | one file for each kind of channel: its capabilities and its `send` |
//! | [`secret`] | secrets, read when the notifier is created and never shown |
//! | `dead_mans_switch` | the request that tells a service elsewhere that mainstay runs |
//! | `http` | HTTP client: trusted roots, no redirects, no private addresses unless allowed |
//! | `response` | the delivery result of a response, or of none |
//! | `body_error` | errors in the body of a response with a success status |

mod body_error;
mod dead_mans_switch;
mod http;
pub mod notifier;
pub mod outlet;
mod providers;
pub mod queues;
mod response;
pub mod secret;
mod smtp;

pub use notifier::{FALLBACK, Notifier, SetupError};
pub use outlet::Outlet;
pub use providers::{AcknowledgeLink, Capabilities};
pub use queues::run;
