//! Attempts: due, their notifications, and their results.

mod due;
mod ended;
mod notification;
