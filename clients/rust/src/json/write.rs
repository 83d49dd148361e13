//! Writing JSON, in one line.

use std::fmt::{self, Write};

use super::Json;

/// Write a value.
pub(super) fn value(f: &mut fmt::Formatter<'_>, json: &Json) -> fmt::Result {
    match json {
        Json::Null => f.write_str("null"),
        Json::Bool(true) => f.write_str("true"),
        Json::Bool(false) => f.write_str("false"),
        Json::Number(number) => f.write_str(number.as_str()),
        Json::String(text) => string(f, text),
        Json::Array(values) => {
            f.write_char('[')?;
            for (index, entry) in values.iter().enumerate() {
                if index > 0 {
                    f.write_char(',')?;
                }
                value(f, entry)?;
            }
            f.write_char(']')
        }
        Json::Object(members) => {
            f.write_char('{')?;
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    f.write_char(',')?;
                }
                string(f, name)?;
                f.write_char(':')?;
                value(f, member)?;
            }
            f.write_char('}')
        }
    }
}

fn string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        f.write_str(&text[plain..at])?;
        plain = at + 1;
        match byte {
            b'"' => f.write_str("\\\"")?,
            b'\\' => f.write_str("\\\\")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            _ => write!(f, "\\u{:04x}", byte)?,
        }
    }
    f.write_str(&text[plain..])?;
    f.write_char('"')
}
