//! Judges samples: findings, only on change.
