//! Tests over a real socket, and tests of the rendered documents.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod actions;
mod documents;
mod edge;
mod edge_views;
mod fixed_time;
mod fixture;
mod headroom;
mod intake;
mod latency;
mod maintenance;
mod metrics;
mod requests;
mod sign_in;
mod stub_samples;
mod stub_subscriptions;
mod subscriptions;
mod texts;
mod views;
