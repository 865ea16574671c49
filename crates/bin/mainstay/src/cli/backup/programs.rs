//! Programs of pgBackRest and PostgreSQL: run as the user of the server, within a time, and never with what could write to the
//! archive of the production database.

use crate::cli::Failure;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// Bytes of a message that are shown.
const MESSAGE_MAX: usize = 400;

/// Where programs are, and as whom they run.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Folder of the programs of PostgreSQL; by version when `None`.
    bin: Option<PathBuf>,
    /// User and group, when this process is root: PostgreSQL refuses to run as root.
    user: Option<(u32, u32)>,
    /// Folder of locks, spool and logs of pgBackRest: those of production stay free.
    own: Option<PathBuf>,
}

/// Why a program gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// It cannot be run.
    #[error("{0} cannot be run: {1}")]
    NotRun(String, std::io::Error),
    /// It took too long, and was ended.
    #[error("{0} did not end within {1} s")]
    Late(String, u64),
    /// It failed.
    #[error("{said}")]
    Failed {
        /// Its exit code.
        code: Option<i32>,
        /// Its message.
        said: String,
    },
}

impl Programs {
    /// Programs of this machine. `user` counts when this process is root.
    ///
    /// # Errors
    /// When this process is root and there is no such user.
    pub(crate) fn new(bin: Option<PathBuf>, user: &str) -> Result<Self, Failure> {
        let user = if rustix::process::geteuid().is_root() {
            let found = |option| id(option, user).filter(|id| *id != 0);
            let found = found("-u").zip(found("-g"));
            Some(found.ok_or_else(|| {
                Failure::wrong(format!("PostgreSQL does not run as root, and there is no user `{user}`"))
                    .hint("name the user of the database server: --user NAME")
            })?)
        } else {
            None
        };
        Ok(Self { bin, user, own: None })
    }

    /// Keeps locks, spool and logs of pgBackRest in a folder of its own.
    pub(crate) fn in_folder(self, own: &Path) -> Self {
        Self { own: Some(own.to_owned()), ..self }
    }

    /// User and group of the programs, when this process is root.
    pub(crate) fn user(&self) -> Option<(u32, u32)> {
        self.user
    }

    /// A command, ended when it is dropped.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Messages are compared with English words.
        command.env("LC_ALL", "C").env_remove("PGOPTIONS").current_dir("/");
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        if let Some(own) = &self.own {
            // Also for `restore_command`, which the scratch server runs: a lock of its own cannot delay the archiving of production.
            let folder = |name: &str| own.join(name).into_os_string();
            command
                .env("PGBACKREST_LOCK_PATH", folder("lock"))
                .env("PGBACKREST_SPOOL_PATH", folder("spool"))
                .env("PGBACKREST_LOG_LEVEL_FILE", "off")
                .env("PGBACKREST_ARCHIVE_ASYNC", "n");
        }
        command
    }

    /// pgBackRest for a stanza.
    pub(crate) fn pgbackrest(&self, stanza: &str) -> Command {
        let mut command = self.command("pgbackrest");
        command.arg(format!("--stanza={stanza}")).args([
            "--log-level-console=off",
            "--log-level-stderr=error",
            "--log-level-file=off",
        ]);
        command
    }

    /// A program of a major version of PostgreSQL.
    ///
    /// # Errors
    /// When it is not installed: the message names the folders.
    pub(crate) fn postgres(&self, major: &str, program: &str) -> Result<Command, Failure> {
        let path = self.path(major, program).ok_or_else(|| {
            let folder = self.folder(major);
            Failure::no(format!("{} does not exist", folder.join(program).display())).hint(format!(
                "install PostgreSQL {major} on this machine, or name the folder of its programs: --bin DIR"
            ))
        })?;
        Ok(self.command(path))
    }

    /// The path of a program of PostgreSQL, if it is installed.
    pub(crate) fn path(&self, major: &str, program: &str) -> Option<PathBuf> {
        Some(self.folder(major).join(program)).filter(|path| path.is_file())
    }

    fn folder(&self, major: &str) -> PathBuf {
        self.bin.clone().unwrap_or_else(|| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")))
    }

    /// Runs a command to its end. Returns what it wrote.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub(crate) async fn output(
        &self,
        mut command: Command,
        within: Duration,
    ) -> Result<String, ProgramError> {
        let name = name(&command);
        let ended = timeout(within, command.output()).await;
        let ended = ended.map_err(|_| ProgramError::Late(name.clone(), within.as_secs()))?;
        let output = ended.map_err(|why| ProgramError::NotRun(name, why))?;
        let written = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(written);
        }
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = [errors.trim(), written.trim()].into_iter().find(|text| !text.is_empty());
        let said = said.map_or_else(|| output.status.to_string(), first_lines);
        Err(ProgramError::Failed { code: output.status.code(), said })
    }
}

/// The first lines of a message, as one.
pub(crate) fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    text::truncate::bytes(&lines.join(" "), MESSAGE_MAX)
}

fn name(command: &Command) -> String {
    Path::new(command.as_std().get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A number of a user, by the program `id`, which knows users of directories too.
fn id(option: &str, user: &str) -> Option<u32> {
    let output = std::process::Command::new("id").args([option, "--", user]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
