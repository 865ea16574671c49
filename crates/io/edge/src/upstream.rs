//! Connections to servers: opened, kept while idle, and the codecs of their protocols.

pub(crate) mod connect;
pub(crate) mod h1;
pub(crate) mod http2;
pub(crate) mod http2_pool;
pub(crate) mod server_connections;
