//! Measured figures of the methods, on fixed seeds and on recorded faults.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]
#![allow(clippy::print_stdout, reason = "the figures are shown with `--nocapture`")]
#![allow(unreachable_pub, reason = "two modules are shared with the examples")]

mod creep;
mod creep_figures;
mod effect;
mod effect_figures;
mod generated;
mod rank;
mod slowness;
mod slowness_figures;
mod trend_figures;
