//! Test pages: the proof that a person can be reached over a contact.

use crate::{PersonId, Time};
use serde::{Deserialize, Serialize};

/// A test page over one contact. It belongs to no incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageTest {
    /// The person.
    pub person: PersonId,
    /// The contact that it was sent to, written `channel:address`.
    pub contact: String,
    /// When it was sent.
    pub sent: Time,
}
