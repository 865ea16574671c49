//! Carries what is owed to people: ntfy and signed webhooks. One attempt for each effect; whether and where another
//! follows is decided by those who think.
//!
//! | module | holds |
//! |---|---|
//! | [`notifier`] | [`Notifier`]: an effect in, an outcome out, within ten seconds |
//! | [`lanes`] | [`run`]: many at once, each channel by itself |
//! | [`message`] | what is said, in the words of each provider |
//! | [`signature`] | how a receiver knows that a webhook is ours |
//! | [`answer`] | what a provider's answer, or its silence, means |
//! | [`inside`] | errors inside an answer that says "200" |
//! | [`secret`] | secrets, found when the courier is set up and never shown |
//! | `door` | the one way out: trusted roots, no redirects, no inner addresses by accident |

pub mod answer;
mod door;
pub mod inside;
pub mod lanes;
pub mod message;
pub mod notifier;
pub mod secret;
pub mod signature;

pub use lanes::run;
pub use notifier::{Notifier, SetupError};
