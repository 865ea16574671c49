//! Restores of backups: the proof that a backup can be used.

use crate::Time;
use serde::{Deserialize, Serialize};

/// One restore of a backup, into a scratch database or by a job of the company's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The database: `[database.NAME]`.
    pub database: String,
    /// When it ended.
    pub at: Time,
    /// How it was proven.
    pub how: RestoreProof,
    /// What its tool calls the backup: `20261201-030000F`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// Duration of the restore in seconds, until the database answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secs: Option<u32>,
    /// Why it failed; `None` when the restored database is sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// How a restore was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreProof {
    /// `mainstay backup verify` restored it into a scratch database and read it.
    Verified,
    /// A job or a person reports that it was restored.
    Reported,
}
