//! What is built of a configuration for subscribers: the outlet of messages, texts, titles.

use notify::{Outlet, SetupError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use subscribers::{Page, TemplateError, Templates};
use types::Config;

/// What is built of one configuration.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) outlet: Outlet,
    pub(crate) templates: Templates,
    pub(crate) page: Page,
    pub(crate) per_minute: u32,
}

/// The configuration of subscribers cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingError {
    /// The channel of mails.
    #[error(transparent)]
    Outlet(#[from] SetupError),
    /// A text of the team.
    #[error("{}: {why}", path.display())]
    Template {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: TemplateError,
    },
    /// A file of the team.
    #[error("{}: {why}; check `status_page.subscribers.templates`", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        why: io::Error,
    },
}

impl Setting {
    /// Reads secrets, trusted roots and texts; `None` without `status_page.subscribers`.
    ///
    /// # Errors
    /// See [`SettingError`].
    pub(crate) fn read(config: &Config) -> Result<Option<Self>, SettingError> {
        let Some(subscribers) = &config.status_page.subscribers else { return Ok(None) };
        let templates =
            subscribers.templates.as_deref().map_or_else(|| Ok(Templates::default()), templates)?;
        let (outlet, page) = (Outlet::new(config)?, Page::of(config));
        Ok(Some(Self { outlet, templates, page, per_minute: subscribers.per_minute }))
    }
}

/// The texts in a folder; each that is missing is the built-in one.
fn templates(folder: &Path) -> Result<Templates, SettingError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |why| SettingError::Unreadable { path, why }
    };
    let mut templates = Templates::default();
    fs::read_dir(folder).map_err(unreadable(folder))?;
    for name in Templates::names() {
        let path = folder.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => {
                templates.replace(name, &text).map_err(|why| SettingError::Template { path, why })?;
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(unreadable(&path)(why)),
        }
    }
    Ok(templates)
}
