//! The JSON Schema of mainstay.toml, for editors; generated from the table of keys.

use crate::fields::SECTIONS;
use crate::kind::{Field, Key, Kind, NAME, Section};
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
    match section.key {
        None => described(object(section.fields), section.doc, None),
        Some(Key::Name) => json!({
            "description": section.doc,
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": object(section.fields),
        }),
        Some(Key::Domain) => json!({
            "description": section.doc,
            "type": "object",
            "additionalProperties": object(section.fields),
        }),
    }
}

/// The schema of a table with exactly these keys.
fn object(fields: &[Field]) -> Value {
    let supported = || fields.iter().filter(|field| !matches!(field.kind, Kind::Later));
    let properties: Map<String, Value> = supported()
        .map(|field| (field.name.to_owned(), described(field.kind.schema(), field.doc, Some(field))))
        .collect();
    let required: Vec<&str> = supported().filter(|field| field.required).map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn described(mut schema: Value, doc: &str, field: Option<&Field>) -> Value {
    if let Value::Object(map) = &mut schema {
        let default = field.map_or("", |field| field.default);
        let doc = if default.is_empty() { doc.to_owned() } else { format!("{doc} Default: {default}.") };
        map.insert("description".to_owned(), Value::String(doc));
    }
    schema
}

impl Kind {
    /// The JSON Schema of a value.
    pub(crate) fn schema(&self) -> Value {
        match self {
            Self::Text | Self::LocalDateTime | Self::Date => json!({ "type": "string" }),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Scalar => json!({ "type": ["string", "integer", "boolean"] }),
            Self::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::Duration { .. } => json!({ "type": "string", "pattern": DURATION }),
            Self::String { pattern: Some(pattern), .. } => json!({ "type": "string", "pattern": pattern }),
            Self::String { pattern: None, .. } => json!({ "type": "string", "minLength": 1 }),
            Self::Choice(words) => json!({ "enum": words }),
            Self::Name(_) => json!({ "type": "string", "pattern": NAME }),
            Self::List { of, min } => json!({ "type": "array", "items": of.schema(), "minItems": min }),
            Self::Map { of, .. } => json!({ "type": "object", "additionalProperties": of.schema() }),
            Self::Table(fields) => object(fields),
            Self::Optional(fields) => {
                json!({ "anyOf": [{ "const": false }, object(fields)] })
            }
            Self::Either { string, table } => {
                json!({ "anyOf": [string.schema(), object(table)] })
            }
            Self::Tables { of, min } => {
                json!({ "type": "array", "items": object(of), "minItems": min })
            }
            Self::Later => json!(false),
        }
    }
}

/// The pattern of a duration.
const DURATION: &str = "^([0-9]{1,9} ?(ms|s|m|min|h|d|w) ?)+$";
