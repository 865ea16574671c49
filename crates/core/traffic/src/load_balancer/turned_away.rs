//! Clients that were turned away in one window.

/// Clients that had to wait or were refused, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TurnedAway {
    #[default]
    Nobody,
    One(u64),
    Several,
}

impl TurnedAway {
    pub(super) fn one_more(&mut self, client: u64) {
        *self = match *self {
            Self::Nobody => Self::One(client),
            Self::One(known) if known == client => *self,
            _ => Self::Several,
        };
    }

    pub(super) fn several(self) -> bool {
        self == Self::Several
    }
}
