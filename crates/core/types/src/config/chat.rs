//! Chat services and phones, as channels.

/// A chat service with an incoming webhook, whose URL is the secret of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatService {
    /// Slack.
    Slack,
    /// Discord.
    Discord,
    /// Microsoft Teams: the URL of a workflow.
    Teams,
}

/// What a phone channel does with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Calls it and reads the message aloud.
    Call,
    /// Sends an SMS.
    Sms,
}

impl Medium {
    /// The word of the configuration, which is also the name of the channel that is there without being declared.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Sms => "sms",
        }
    }
}
