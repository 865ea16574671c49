//! The running process: composition, event loop, watchdog and edge controller. Imports nothing of the command line.
//!
//! | Module | Subject |
//! |---|---|
//! | `composition` | starts every part, connects them, stops them |
//! | `event_loop`, `inputs`, `heartbeat` | the one thread that asks the engine, its channels, its sign of life |
//! | `watchdog` | notifies the fallback contacts when the event loop stalls |
//! | `dead_mans_switch` | tells a service elsewhere that the event loop runs |
//! | `edge_controller`, `edge_only`, `saved_policy` | the edge: follows the policy; alone, without event loop and journal |
//! | `reload`, `config_path`, `watched_files`, `certificates` | takes over a changed configuration |
//! | `measuring` | tasks of the engine that need stored samples: `effects` of notes and changes, likely `causes` |
//! | `auditing` | the audit once an hour, for the history of criteria |
//! | `subscribers` | subscribers of the status page: requests, and the sending of updates |
//! | `sources` | secrets of the sources that report changes |
//! | `control`, `address_file` | how the command line reaches this process |
//! | `clock`, `throttle`, `lag_monitor` | engine time, cost of views, lateness of probes |
//! | `stored_samples` | stored samples for web and detection |
//! | `keys`, `permissions` | secrets of this installation, access to the data folder |

pub mod address_file;
mod auditing;
mod causes;
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod composition;
pub(crate) mod config_path;
pub(crate) mod control;
mod dead_mans_switch;
pub(crate) mod edge_controller;
pub(crate) mod edge_only;
mod effects;
mod event_loop;
mod headroom;
mod heartbeat;
mod inputs;
pub(crate) mod keys;
mod lag_monitor;
mod levels;
mod measuring;
pub(crate) mod permissions;
mod reload;
mod saved_policy;
pub(crate) mod sources;
mod stored_samples;
pub(crate) mod subscribers;
mod throttle;
mod watchdog;
mod watched_files;
