//! What pages are made of: words for states and times, icons whose shape tells the state, and the files under `web/`.

pub mod assets;
pub mod icon;
pub mod words;

pub use icon::Icon;
pub use words::{Clock, Look, Moment};
