//! Signed tokens for links, session cookies, forms and clients: a text that cannot be changed, for one purpose, until
//! one instant.
//!
//! Sans-I/O: no clock, no randomness, no file. The 32 bytes of the key and the time are arguments.
//!
//! | module | content |
//! |---|---|
//! | [`key`] | the key: [`Key::sign`] and [`Key::verify`] |
//! | [`pass`] | short tokens for every request, with keys that change each week |
//! | [`token`] | layout of a token in URL-safe characters |
//!
//! A token is signed, not encrypted: its holder can read it. It gives its holder a right, so its purpose is narrow and
//! its lifetime is bounded. This crate does not remember which tokens were used: one-time use is the task of the
//! caller.

pub mod key;
pub mod pass;
pub mod token;

pub use key::{Key, TokenError};
pub use pass::Passes;

/// Compares secrets in a time that does not depend on where they differ. It may depend on their lengths.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    a.ct_eq(b).into()
}
