//! Reads the parsed text by the table of keys: the document by its sections, a table by its keys, a value by its type.

pub(crate) mod document;
pub(crate) mod table;
pub(crate) mod value;
