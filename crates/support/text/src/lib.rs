//! Text for people and terminals, and text from outside made safe for both.
//!
//! | module | has |
//! |---|---|
//! | [`accept`] | what HTTP clients accept: codings and media types by their weights |
//! | [`list`] | names joined in English: `a, b and c`, `a, b and 3 more` |
//! | [`number`] | digit grouping: `5,400`; `6 names` |
//! | [`wrap`] | lines broken at a width |
//! | [`tail`] | the last bytes of a stream |
//! | [`truncate`] | text cut to a length, with an ellipsis |
//! | [`escape`] | control and direction characters of untrusted text; HTML |
//! | [`hex`] | bytes as hexadecimal digits |
//! | [`trace_id`] | W3C trace ids |

pub mod accept;
pub mod escape;
pub mod hex;
pub mod list;
pub mod number;
pub mod tail;
pub mod trace_id;
pub mod truncate;
pub mod wrap;
