//! HTTP/1.1 towards a server, in the task of the client's own connection: no channel, no second task.

pub(crate) mod chunked;
pub(crate) mod codec;
pub(crate) mod conn;
