//! The drills' real parts on loopback: a DNS tree, a registry, TLS servers, phones.
