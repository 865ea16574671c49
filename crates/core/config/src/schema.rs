//! The JSON Schema of mainstay.toml, for editors; generated from the declarations of the keys.

use crate::kind::table::{described, object};
use crate::kind::{NAME, OwnName, Section};
use crate::raw::SECTIONS;
use serde_json::{Map, Value, json};

/// Returns the JSON Schema (draft 2020-12) of mainstay.toml.
#[must_use]
pub fn schema() -> Value {
    let sections: Map<String, Value> = SECTIONS
        .iter()
        .filter(|section| section.is_supported())
        .map(|section| (section.name.to_owned(), self::section(section)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mainstay.toml",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
    })
}

fn section(section: &Section) -> Value {
    match section.own {
        None => described(object(section.keys), section.doc),
        Some(OwnName::Name) => json!({
            "description": section.doc,
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": object(section.keys),
        }),
        Some(OwnName::Domain) => json!({
            "description": section.doc,
            "type": "object",
            "additionalProperties": object(section.keys),
        }),
    }
}
