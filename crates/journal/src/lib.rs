//! What happened, kept: an append-only journal, and the series of raw samples.
