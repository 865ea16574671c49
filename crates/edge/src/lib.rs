//! The edge: visitors' connections in, requests out to the servers of a pool, as guard decides.

pub mod seeing;
