//! The public status page, the team's console and the HTTP API.
//!
//! Touches sockets and one folder; decides nothing. It shows the views that the mind publishes and hands people's wishes
//! to the mind, saying "done" only after the mind said so.
//!
//! | module | holds |
//! |---|---|
//! | [`site`] | `Site`: publish, sign-in links, beats, the router |
//! | [`serve`] | the listening socket: finished bytes first, the router for the rest, every wait bounded |
//! | [`shelf`] | the finished documents: path -> bytes in three encodings; one lookup a request |
//! | [`keep`] | the status page's copy on disk |
//! | [`ask`] | a person's wish on its way to the mind and back |
//! | [`status_page`] | what visitors read: pages, Statuspage JSON, feeds, badge |
//! | [`console`] | what the team reads, and sign-in |
//! | [`api`] | what machines read and write |
//! | [`traffic`] | the same of the edge: denials, traces |
//! | [`metrics`] | `/metrics`, for whoever keeps time series |
//! | [`edge`] | what a running edge is asked |
//! | [`ack`] | the link in a page that says "I have it" |
//! | [`problem`] | refusals: RFC 9457 for machines, a small page for people |
//! | [`look`] | words, icons and the files under `web/` |
//!
//! **A request for the status page never waits**: not for the mind, not for a lock, not for the disk.

pub mod ack;
pub mod api;
pub mod ask;
pub mod console;
mod control;
pub mod edge;
pub mod keep;
pub mod look;
pub mod metrics;
pub mod problem;
pub mod seats;
pub mod seconds;
mod serve;
pub mod shelf;
pub mod site;
pub mod status_page;
pub mod traffic;

pub use ask::{Answer, Ask, AskError};
pub use control::serve_control;
pub use edge::{Edge, NoEdge};
pub use serve::serve;
pub use site::{Site, SiteSettings};
