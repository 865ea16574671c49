//! Turns findings into incidents: one cause, what it affects, what it does not.
