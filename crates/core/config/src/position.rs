//! Where a section is written, for reports that point into the file.

use crate::diagnostics::Diagnostics;
use crate::syntax;

/// Returns the line of `[SECTION.NAME]`, counted from 1; `None` when the text has no such section.
#[must_use]
pub fn line_of(text: &str, section: &str, name: &str) -> Option<usize> {
    if text.len() > crate::LONGEST {
        return None;
    }
    let recovered = syntax::recover(text, &mut Diagnostics::default())?;
    let (table, _) = toml::de::DeTable::parse_recoverable(&recovered);
    let sections = table.get_ref().get(section)?.get_ref().as_table()?;
    let (key, _) = sections.iter().find(|(key, _)| key.get_ref() == name)?;
    let before = recovered.get(..key.span().start)?;
    Some(before.bytes().filter(|byte| *byte == b'\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn sections_are_found() {
        let text = "[site]\nname = \"Acme\"\n\n[service.auth]\nhosts = []\n[service.auth.traffic]\npool = \"a\"\n[pool]\na = {}\n";
        for (section, name, line) in [
            ("service", "auth", Some(4)),
            ("pool", "a", Some(9)),
            ("pool", "b", None),
            ("site", "name", Some(2)),
        ] {
            assert_eq!(line_of(text, section, name), line, "{section}.{name}");
        }
        assert_eq!(line_of("[", "a", "b"), None);
    }
}
