//! Asks the world: http, tcp, tls, dns and domain registration, each question bounded.
//!
//! A toucher: it reports what was seen and decides nothing. Every wait ends by the probe's timeout, every answer is read
//! to a limit, and a server that means harm costs no more than one that is merely slow.
//!
//! | module | holds |
//! |---|---|
//! | [`prober`] | one question, one answer: [`Prober::ask`] |
//! | [`rounds`] | every question of the configuration at its time, thousands at once: [`run`] |
//! | [`lag`] | how late the rounds run |
//! | [`names`] | from a name to its addresses, and which of them the configuration allows |
//! | `addresses` | every address behind a name, side by side |
//! | `http` | GET, redirects followed, the certificate of every hop judged |
//! | `tcp` | alert and opening a connection |
//! | `tls` | the chain as served, and everything wrong with it |
//! | `dns` | the parent, every name server and every resolver asked side by side |
//! | `domain` | RDAP and WHOIS |
//! | `trouble` | what the system says, in the words of the model |

mod addresses;
mod dns;
mod domain;
mod http;
pub mod lag;
pub mod names;
pub mod prober;
pub mod rounds;
mod tcp;
mod tls;
mod trouble;

pub use lag::{Lag, LagSnapshot};
pub use names::Names;
pub use prober::{Clock, Prober, SetupError};
pub use rounds::{Terms, run};
