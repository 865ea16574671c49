//! Scripts of known outages, and the score of a run.
