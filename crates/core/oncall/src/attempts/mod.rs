//! Attempts: which are due, what they say, and how they ended.

mod due;
mod ended;
mod notification;
