//! Whole surges in virtual time, random histories, and everything that needs more than one part.

mod surge;
mod world;
