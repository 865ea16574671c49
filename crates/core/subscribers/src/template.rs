//! Texts with placeholders: `{{title}}`. The built-in ones are in `templates/`; a team may replace each by a file.

use std::collections::BTreeMap;

/// Maximum length of a template, in bytes.
pub const BYTES_MAX: usize = 64 << 10;

/// Built-in templates by their file names, with the placeholders that each may have; those that it must have come first.
const BUILT_IN: [(&str, &str, &[&str], &[&str]); 9] = [
    ("update.subject.txt", include_str!("../templates/update.subject.txt"), &[], UPDATE),
    ("update.txt", include_str!("../templates/update.txt"), &["unsubscribe_url", "earlier"], UPDATE),
    ("update.html", include_str!("../templates/update.html"), &["unsubscribe_url", "earlier"], UPDATE),
    ("confirm.subject.txt", include_str!("../templates/confirm.subject.txt"), &[], CONFIRM),
    ("confirm.txt", include_str!("../templates/confirm.txt"), &["confirm_url"], CONFIRM),
    ("confirm.html", include_str!("../templates/confirm.html"), &["confirm_url"], CONFIRM),
    ("subscribed.subject.txt", include_str!("../templates/subscribed.subject.txt"), &[], SUBSCRIBED),
    ("subscribed.txt", include_str!("../templates/subscribed.txt"), &["manage_url"], SUBSCRIBED),
    ("subscribed.html", include_str!("../templates/subscribed.html"), &["manage_url"], SUBSCRIBED),
];

const UPDATE: &[&str] = &[
    "status",
    "title",
    "body",
    "at",
    "affected",
    "earlier",
    "url",
    "page_title",
    "page_url",
    "manage_url",
    "unsubscribe_url",
];
const CONFIRM: &[&str] = &["page_title", "page_url", "components", "confirm_url"];
const SUBSCRIBED: &[&str] = &["page_title", "page_url", "components", "manage_url", "unsubscribe_url"];

/// A template of the team cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No template has this name.
    #[error("`{0}` is not the name of a template; the names are {names}", names = names())]
    UnknownName(String),
    /// It has a placeholder that nothing replaces.
    #[error("template `{name}` has the placeholder `{placeholder}`; it may have {known}")]
    UnknownPlaceholder {
        /// The template.
        name: String,
        /// The placeholder.
        placeholder: String,
        /// Those that it may have.
        known: String,
    },
    /// It lacks a placeholder without which a mail would be useless, or against the rules of mail providers.
    #[error("template `{name}` has no `{{{{{placeholder}}}}}`: add it")]
    Missing {
        /// The template.
        name: String,
        /// The placeholder.
        placeholder: String,
    },
    /// A placeholder has no end.
    #[error("template `{0}` has `{{{{` without `}}}}` after it")]
    Unclosed(String),
    /// It is too long.
    #[error("template `{0}` is longer than 64 KiB")]
    TooLong(String),
}

fn names() -> String {
    text::list::and(BUILT_IN.iter().map(|(name, ..)| name))
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
}

/// All templates: those of the team, and the built-in ones for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Templates(BTreeMap<&'static str, Vec<Part>>);

impl Default for Templates {
    fn default() -> Self {
        // A built-in template has no error, which a test checks.
        let parse = |(name, text, required, known): &(&'static str, &str, &[&str], &[&str])| {
            (*name, parse(name, text, required, known).unwrap_or_default())
        };
        Self(BUILT_IN.iter().map(parse).collect())
    }
}

impl Templates {
    /// Names of the files that may replace a built-in template.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, ..)| *name)
    }

    /// Replaces the template with this file name.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn replace(&mut self, file: &str, text: &str) -> Result<(), TemplateError> {
        let found = BUILT_IN.iter().find(|(name, ..)| *name == file);
        let (name, _, required, known) = found.ok_or_else(|| TemplateError::UnknownName(file.to_owned()))?;
        self.0.insert(name, parse(name, text, required, known)?);
        Ok(())
    }

    /// Fills a template. In HTML, values are escaped and their line breaks kept; a subject is one line; a text has no more
    /// than one empty line in a row.
    pub(crate) fn fill(&self, name: &str, values: &BTreeMap<&str, String>) -> String {
        let mut filled = String::new();
        for part in self.0.get(name).into_iter().flatten() {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Value(value) => {
                    let value = values.get(value.as_str()).map_or("", String::as_str);
                    if name.ends_with(".html") {
                        filled.push_str(&text::escape::html(value).replace('\n', "<br>\n"));
                    } else {
                        filled.push_str(value);
                    }
                }
            }
        }
        if name.ends_with(".subject.txt") {
            return one_line(&filled);
        }
        // A placeholder without a value leaves no gap.
        while name.ends_with(".txt") && filled.contains("\n\n\n") {
            filled = filled.replace("\n\n\n", "\n\n");
        }
        filled
    }
}

/// A text on one line, without control characters.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse(name: &str, text: &str, required: &[&str], known: &[&str]) -> Result<Vec<Part>, TemplateError> {
    if text.len() > BYTES_MAX {
        return Err(TemplateError::TooLong(name.to_owned()));
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (value, after) =
            after.split_once("}}").ok_or_else(|| TemplateError::Unclosed(name.to_owned()))?;
        let value = value.trim();
        if !known.contains(&value) {
            let (placeholder, known) = (text::truncate::chars(value, 60), text::list::and(known));
            return Err(TemplateError::UnknownPlaceholder { name: name.to_owned(), placeholder, known });
        }
        parts.extend([Part::Text(before.to_owned()), Part::Value(value.to_owned())]);
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    let lacks = |placeholder: &&&str| !parts.contains(&Part::Value((**placeholder).to_owned()));
    match required.iter().find(lacks) {
        Some(placeholder) => {
            Err(TemplateError::Missing { name: name.to_owned(), placeholder: (*placeholder).to_owned() })
        }
        None => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn built_in_templates_are_valid() {
        for (name, text, required, known) in BUILT_IN {
            assert!(parse(name, text, required, known).is_ok(), "{name}");
        }
    }

    #[test]
    fn errors_name_the_template_and_what_to_do() {
        let mut templates = Templates::default();
        for (file, text, error) in [
            (
                "updates.txt",
                "x",
                "`updates.txt` is not the name of a template; the names are update.subject.txt",
            ),
            (
                "update.txt",
                "{{titel}}",
                "template `update.txt` has the placeholder `titel`; it may have status",
            ),
            ("update.txt", "{{title}}", "template `update.txt` has no `{{unsubscribe_url}}`: add it"),
            ("confirm.html", "{{confirm_url", "template `confirm.html` has `{{` without `}}` after it"),
        ] {
            let found = templates.replace(file, text).unwrap_err().to_string();
            assert!(found.starts_with(error), "{found}");
        }
        assert_eq!(templates, Templates::default(), "an error changes nothing");
        assert!(templates.replace("update.subject.txt", "[Acme] {{ title }}").is_ok());
    }

    proptest! {
        #[test]
        fn value_is_neither_placeholder_nor_markup_nor_line_of_a_subject(value in "(?s:.{0,200})|\\{\\{title\\}\\}<b>\r\nBcc: x") {
            let templates = Templates::default();
            let values = BTreeMap::from([("title", value.clone()), ("status", "x".to_owned())]);
            let subject = templates.fill("update.subject.txt", &values);
            prop_assert!(!subject.chars().any(char::is_control));
            let html = templates.fill("update.html", &values);
            let bare = templates.fill("update.html", &BTreeMap::from([("status", "x".to_owned())]));
            let count = |text: &str, c: char| text.matches(c).count();
            let breaks = 2 * value.matches('\n').count();
            prop_assert_eq!(count(&html, '<'), count(&bare, '<') + breaks);
        }
    }
}
