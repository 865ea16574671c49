//! Asks the thinkers in one order: handle, apply, due, next, and the views.

pub mod views;

pub use views::{Board, Now, Views};
