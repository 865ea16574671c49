//! The edge: visitors' connections in, requests out to the servers of a pool, as guard decides.

mod body;
pub mod edge;
mod forwarded;
pub mod geo;
mod head;
mod line;
mod proxy_protocol;
mod refuse;
mod request;
pub mod seeing;
mod serve;
mod stream;
mod thread;
mod ticks;
mod tls;
mod tunnel;
mod upstream;
pub mod view;
