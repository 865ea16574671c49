//! Asks the world: http, tcp, tls, dns and domain registration, each question bounded.
