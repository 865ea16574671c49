//! How far a message is.

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Not sent.
    Due,
    /// This process is about to send it.
    Claimed,
    /// Its last byte may have left.
    Sending,
    /// The server has taken it.
    Sent,
    /// The server refused it, or too many attempts failed.
    Failed,
    /// A newer update made it superfluous, or it is too old.
    Closed,
    /// The process ended while it was sent: it is not sent again.
    Uncertain,
}

impl Progress {
    pub(crate) const ALL: [Self; 7] =
        [Self::Due, Self::Claimed, Self::Sending, Self::Sent, Self::Failed, Self::Closed, Self::Uncertain];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Claimed => "claimed",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Closed => "closed",
            Self::Uncertain => "uncertain",
        }
    }

    pub(crate) fn stored(self) -> i64 {
        match self {
            Self::Due => 0,
            Self::Claimed => 1,
            Self::Sending => 2,
            Self::Sent => 3,
            Self::Failed => 4,
            Self::Closed => 5,
            Self::Uncertain => 6,
        }
    }
}
