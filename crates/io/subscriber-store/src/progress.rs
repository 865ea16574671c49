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
    /// The process or the connection ended while it was sent: it is not sent again, and no later message has its words yet.
    InDoubt,
    /// Not sent for certain, and its words were in a later message.
    Included,
}

impl Progress {
    pub(crate) const ALL: [Self; 8] = [
        Self::Due,
        Self::Claimed,
        Self::Sending,
        Self::Sent,
        Self::Failed,
        Self::Closed,
        Self::InDoubt,
        Self::Included,
    ];

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
            Self::InDoubt => "in_doubt",
            Self::Included => "included",
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
            Self::InDoubt => 6,
            Self::Included => 7,
        }
    }
}
