//! Inputs of the engine: one closed list, in three groups.
//!
//! | module | group |
//! |---|---|
//! | `command` | what a person or a program asks for, with its [`Actor`]; can be refused |
//! | `observation` | results of probes, roll-ups of the edge, results of deliveries |
//! | `system` | start, clock, configuration, the passing of time |
//!
//! A new input is written once, as a variant of its group: the channels of the event loop carry [`Input`] itself.

mod command;
mod observation;
mod system;

pub use command::{Command, Refused};
pub use observation::Observation;
pub use system::{ClockChange, System};

use crate::Actor;

/// One input of the engine.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "results of probes are nearly all inputs, and each lives for one call"
)]
pub enum Input {
    /// A person or a program asks for something.
    Command {
        /// Who.
        actor: Actor,
        /// What.
        command: Command,
    },
    /// Something was measured or delivered.
    Observation(Observation),
    /// Something happened to the process or its machine.
    System(System),
}

impl<T: Into<Observation>> From<T> for Input {
    fn from(observation: T) -> Self {
        Self::Observation(observation.into())
    }
}

impl From<System> for Input {
    fn from(system: System) -> Self {
        Self::System(system)
    }
}

impl From<(Actor, Command)> for Input {
    fn from((actor, command): (Actor, Command)) -> Self {
        Self::Command { actor, command }
    }
}
