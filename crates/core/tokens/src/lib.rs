//! Signed links, session cookies, form tokens and visitors' passes: text that comes back unchanged, for one purpose, until one instant.
//!
//! Pure: no clock, no randomness, no file. Whoever owns the machine hands in the 32 bytes and the time.
//!
//! | module | holds |
//! |---|---|
//! | [`key`] | the key, and the one way to use it: [`Key::sign`] and [`Key::open`] |
//! | [`pass`] | short passes for every request, under keys that change each week |
//! | [`token`] | how a signed text is laid out as a URL-safe token |
//!
//! A token is signed, not encrypted: whoever holds it can read it. It is a bearer's right, so its purpose is narrow and
//! its life is bounded. Nothing here remembers which tokens were used; one-time use is the business of whoever opens them.

pub mod key;
pub mod pass;
pub mod token;

pub use key::{Key, SealError};
pub use pass::Passes;

/// Compares secrets in a time that tells nothing about where they differ. Only their lengths may be guessed from it.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    a.ct_eq(b).into()
}
