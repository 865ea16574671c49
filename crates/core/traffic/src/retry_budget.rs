//! Budget of retries: one in ten requests, so that retries never amplify a flood.

/// Tokens: a request brings a tenth of one, being sent again costs one. It is paid when it is decided, so a retry
/// that still waits somewhere is counted too.
#[derive(Clone, Debug)]
pub(crate) struct RetryBudget {
    tenths: u32,
}

const RETRY: u32 = 10;
/// The most that is saved, and the initial amount: fifty retries. A server that dies takes that many requests with
/// it.
const MOST: u32 = 500;

impl RetryBudget {
    pub(crate) fn new() -> Self {
        Self { tenths: MOST }
    }

    pub(crate) fn request(&mut self) {
        self.tenths = (self.tenths + 1).min(MOST);
    }

    /// Whether there is enough for one.
    pub(crate) fn suffices(&self) -> bool {
        self.tenths >= RETRY
    }

    pub(crate) fn pay(&mut self) {
        self.tenths = self.tenths.saturating_sub(RETRY);
    }
}
