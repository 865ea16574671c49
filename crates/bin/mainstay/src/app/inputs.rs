//! Channels of the event loop: messages in, decisions out.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::unconstrained;
use types::{
    Config, Delivery, Input, Notification, Observation, Policy, ProbeResult, ProbeTargets, Rollup, System,
};
use web::{CommandRequest, CommandResult, WebState};

/// One message to the event loop: an input of the engine, and who waits for the answer.
///
/// The channels are typed by what their senders know; a new input needs a variant in [`types::input`] and, when it
/// comes from a sender of its own, a channel in [`Messages`].
#[derive(Debug)]
pub(crate) struct Message {
    /// The input.
    pub input: Input,
    /// Receiver of the result of a command; `None` when nobody waits.
    pub reply: Option<oneshot::Sender<CommandResult>>,
}

impl<T: Into<Input>> From<T> for Message {
    fn from(input: T) -> Self {
        Self { input: input.into(), reply: None }
    }
}

impl Message {
    fn of_command(CommandRequest { actor, command, reply }: CommandRequest) -> Self {
        Self { input: Input::Command { actor, command }, reply: Some(reply) }
    }
}

/// Receivers of the event loop.
pub(crate) struct Inputs {
    /// Everything that becomes an input of the engine.
    pub messages: Messages,
    /// Why the configuration on disk is not in force.
    pub config_problem: watch::Receiver<Option<String>>,
    /// Why the edge does not follow the configuration.
    pub edge_problem: watch::Receiver<Option<String>>,
    /// Ignored lines of the system's resolver files.
    pub unused_lines: watch::Receiver<Vec<String>>,
    /// Lateness of probes.
    pub lag: prober::Lag,
    /// Becomes true when the process is to end.
    pub stop: watch::Receiver<bool>,
}

/// The channels whose messages become inputs, received in order of priority.
pub(crate) struct Messages {
    /// Results of deliveries.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// Commands of people and machines.
    pub commands: mpsc::Receiver<CommandRequest>,
    /// Valid configurations.
    pub configs: mpsc::Receiver<Arc<Config>>,
    /// What was measured by stored samples: effects of notes and changes, likely causes.
    pub measured: mpsc::Receiver<Observation>,
    /// Traffic of the edge.
    pub rollups: mpsc::Receiver<Rollup>,
    /// Results of probes.
    pub probe_results: mpsc::Receiver<ProbeResult>,
}

impl Messages {
    /// Waits for the next message.
    pub(crate) async fn next(&mut self) -> Message {
        poll_fn(|context| self.poll(context, true)).await
    }

    /// The next message that is there already.
    pub(crate) fn ready(&mut self, with_commands: bool) -> Option<Message> {
        // Outside of tokio's budget, which would end a batch early.
        let next = unconstrained(poll_fn(|context| self.poll(context, with_commands)));
        match pin!(next).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(message) => Some(message),
            Poll::Pending => None,
        }
    }

    /// Deliveries and commands before observations. A closed channel is never ready.
    fn poll(&mut self, context: &mut Context<'_>, with_commands: bool) -> Poll<Message> {
        if let Poll::Ready(Some(delivery)) = self.deliveries.poll_recv(context) {
            return Poll::Ready(delivery.into());
        }
        if with_commands && let Poll::Ready(Some(command)) = self.commands.poll_recv(context) {
            return Poll::Ready(Message::of_command(command));
        }
        if let Poll::Ready(Some(config)) = self.configs.poll_recv(context) {
            return Poll::Ready(System::Config(config).into());
        }
        if let Poll::Ready(Some(measured)) = self.measured.poll_recv(context) {
            return Poll::Ready(measured.into());
        }
        if let Poll::Ready(Some(rollup)) = self.rollups.poll_recv(context) {
            return Poll::Ready(rollup.into());
        }
        if let Poll::Ready(Some(result)) = self.probe_results.poll_recv(context) {
            return Poll::Ready(result.into());
        }
        Poll::Pending
    }
}

/// Senders of what is to be measured by stored samples.
pub(crate) struct MeasuredTasks {
    /// Notes and changes whose effect is to be measured.
    pub effects: watch::Sender<Vec<engine::effects::Task>>,
    /// Incidents whose resources are to be ranked.
    pub causes: watch::Sender<Vec<engine::causes::Task>>,
    /// Pools and databases whose peaks are to be read.
    pub headroom: watch::Sender<Vec<engine::headroom::Task>>,
    /// Levels whose medians are to be read.
    pub levels: watch::Sender<Vec<engine::levels::Task>>,
}

/// Senders of the event loop.
pub(crate) struct Outputs {
    /// Notifications owed.
    pub notifications: mpsc::Sender<Notification>,
    /// Probes to run.
    pub targets: watch::Sender<ProbeTargets>,
    /// What is to be measured by stored samples.
    pub to_measure: MeasuredTasks,
    /// Policy of the edge.
    pub policy: watch::Sender<Arc<Policy>>,
    /// Views for status page, console and API.
    pub views: watch::Sender<Option<Arc<engine::Views>>>,
    /// The web server: receives each beat, and the traffic of each second.
    pub site: Arc<WebState>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn config_precedes_rollup_and_closed_channels_are_skipped() {
        let (rollups_in, rollups) = mpsc::channel(2);
        let (configs_in, configs) = mpsc::channel(2);
        let mut messages = Messages {
            deliveries: mpsc::channel(1).1,
            commands: mpsc::channel(1).1,
            configs,
            measured: mpsc::channel(1).1,
            rollups,
            probe_results: mpsc::channel(1).1,
        };
        assert!(messages.ready(true).is_none());
        rollups_in.try_send(Rollup::default()).unwrap();
        let read = ::config::read("[site]\nname = \"x\"\n", "test", std::path::Path::new(".")).unwrap();
        configs_in.try_send(Arc::new(read.config)).unwrap();
        assert!(matches!(messages.next().await.input, Input::System(System::Config(_))));
        let next = messages.ready(false).unwrap().input;
        assert!(matches!(next, Input::Observation(types::Observation::Rollup(_))));
        assert!(messages.ready(true).is_none());
    }
}
