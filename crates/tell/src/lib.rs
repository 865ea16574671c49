//! Turns incidents into posts and the public board.
//!
//! Pure: takes `now` and what others decided, returns what happened.

pub mod board;

pub use board::Board;
