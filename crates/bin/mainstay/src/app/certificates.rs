//! Check of the certificates that a configuration names; problems carry their position in the configuration.

use crate::app::clock;
use config::{Problem, Read};
use types::config::CertificateFiles;

/// Certificates that cannot be used now, in the order of the configuration. Blocks: it reads the files.
pub(crate) fn unusable(read: &Read, is_asked: impl Fn(&CertificateFiles) -> bool) -> Vec<Problem> {
    let now = clock::now();
    let declared = read.config.edge.iter().flat_map(|edge| &edge.certificates).zip(&read.certificates);
    declared
        .filter(|(files, _)| is_asked(files))
        .filter_map(|(files, spot)| {
            let why = edge::check_certificate(files, now).err()?;
            Some(spot.problem(
                why.to_string(),
                "`chain` and `key` name PEM files that go together and are good now",
            ))
        })
        .collect()
}
