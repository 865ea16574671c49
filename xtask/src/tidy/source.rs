//! Files of the repository as the checks read them.

use crate::run::{output, root};
use std::fs;
use std::path::Path;

/// Copies of other people's crates, with changes of ours: not checked for words and sizes.
pub(super) const THIRD_PARTY: &str = "third_party";

/// One tracked text file.
pub(super) struct File {
    /// Path in the repository, with `/`.
    pub path: String,
    pub text: String,
}

impl File {
    pub(super) fn stem(&self) -> &str {
        Path::new(&self.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    pub(super) fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }

    /// The parsed source, None where it is no Rust. Attributes and docs are included.
    pub(super) fn rust(&self) -> Option<syn::File> {
        (self.extension() == "rs").then(|| syn::parse_file(&self.text).ok()).flatten()
    }
}

/// Tracked text files that exist, third-party copies excluded.
pub(super) fn tracked() -> Result<Vec<File>, String> {
    let listed = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let ours = listed.lines().filter(|path| !Path::new(path).starts_with(THIRD_PARTY));
    Ok(ours
        .filter_map(|path| {
            let text = fs::read_to_string(root().join(path)).ok()?;
            Some(File { path: path.to_owned(), text })
        })
        .collect())
}

/// Whether attributes exclude an item from a build without tests.
pub(super) fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}
