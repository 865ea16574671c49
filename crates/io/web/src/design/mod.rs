//! Design of all pages: texts for states and times, icons, and the files under `web/`.

pub mod assets;
pub mod icon;
pub mod text;

pub use icon::Icon;
pub use text::{Clock, Moment, StateClass};
