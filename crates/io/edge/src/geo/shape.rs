//! A record in any of the shapes that are about. What has another type than expected is not known, never an error.

use super::Location;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The fields that matter, of either shape.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    country: Code,
    country_code: Code,
    autonomous_system_number: Number,
    asn: Number,
}

impl Record {
    pub(super) fn place(&self) -> Location {
        Location {
            country: self.country.0.or(self.country_code.0),
            asn: self.autonomous_system_number.0.or(self.asn.0),
        }
    }
}

/// A country: two letters, or a map that holds them as `iso_code`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Code(Option<[u8; 2]>);

/// An autonomous system: a number, or `AS64500`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Number(Option<u32>);

fn letters(text: &str) -> Option<[u8; 2]> {
    let code: [u8; 2] = text.as_bytes().try_into().ok()?;
    code.iter().all(u8::is_ascii_alphabetic).then(|| code.map(|letter| letter.to_ascii_uppercase()))
}

fn system(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

struct CodeReader;
struct NumberReader;

/// Any other type of a field: skipped, and treated as unknown.
macro_rules! nothing {
    ($of:ident) => {
        fn visit_bool<E>(self, _: bool) -> Result<$of, E> {
            Ok($of(None))
        }
        fn visit_f64<E>(self, _: f64) -> Result<$of, E> {
            Ok($of(None))
        }
        fn visit_i64<E>(self, _: i64) -> Result<$of, E> {
            Ok($of(None))
        }
        fn visit_u128<E>(self, _: u128) -> Result<$of, E> {
            Ok($of(None))
        }
        fn visit_bytes<E>(self, _: &[u8]) -> Result<$of, E> {
            Ok($of(None))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<$of, A::Error> {
            while all.next_element::<IgnoredAny>()?.is_some() {}
            Ok($of(None))
        }
    };
}

impl<'de> Visitor<'de> for CodeReader {
    type Value = Code;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a country")
    }

    fn visit_str<E>(self, text: &str) -> Result<Code, E> {
        Ok(Code(letters(text)))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Code, E> {
        Ok(Code(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Code, A::Error> {
        let mut code = Code(None);
        while let Some(key) = fields.next_key::<&str>()? {
            if key == "iso_code" {
                code = fields.next_value()?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(code)
    }

    nothing!(Code);
}

impl<'de> Visitor<'de> for NumberReader {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number of an autonomous system")
    }

    fn visit_str<E>(self, text: &str) -> Result<Number, E> {
        Ok(Number(system(text)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number(u32::try_from(number).ok()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Number, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Number(None))
    }

    nothing!(Number);
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CodeReader)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumberReader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_numbers() {
        for (text, code) in [
            ("EE", Some(*b"EE")),
            ("ee", Some(*b"EE")),
            ("", None),
            ("Estonia", None),
            ("E1", None),
            ("é", None),
        ] {
            assert_eq!(letters(text), code, "{text}");
        }
        for (text, number) in [
            ("AS64500", Some(64500)),
            ("64500", Some(64500)),
            ("as1", Some(1)),
            ("AS", None),
            ("AS+1", None),
            ("AS4294967296", None),
            ("ASN1", None),
        ] {
            assert_eq!(system(text), number, "{text}");
        }
    }
}
