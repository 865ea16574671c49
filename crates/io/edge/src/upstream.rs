//! From a request to a server's answer.

pub(crate) mod connect;
pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod home;
pub(crate) mod relay;
pub(crate) mod replay;
mod sending;
pub(crate) mod streams;
pub(crate) mod trouble;
