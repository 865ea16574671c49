//! Parsers of single values. Each returns the value, or a [`ValueError`](crate::value_error::ValueError) with a hint.

pub(crate) mod address;
pub(crate) mod balancer;
pub(crate) mod domain;
pub(crate) mod host;
pub(crate) mod mail;
pub(crate) mod path;
pub(crate) mod phone;
pub(crate) mod scalar;
pub(crate) mod size;
pub(crate) mod url;
