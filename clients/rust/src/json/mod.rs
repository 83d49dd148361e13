//! JSON (RFC 8259): a value, how it is read and how it is written.

mod parse;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::str::FromStr;

/// The deepest nesting that is read; the server takes metadata of 64 levels.
pub(crate) const MAX_DEPTH: usize = 128;

/// A JSON value. `"{...}".parse::<Json>()` reads one, `to_string()` writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, exactly as it was written.
    Number(Number),
    /// Text.
    String(String),
    /// Values in order.
    Array(Vec<Json>),
    /// Names and values, in the order in which they stand.
    Object(Vec<(String, Json)>),
}

/// A number as JSON writes it, of any size and precision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    text: String,
}

impl Number {
    /// The number as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Text that is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Where, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not JSON at byte {}: {}", self.at, self.what)
    }
}

impl std::error::Error for JsonError {}

impl Json {
    /// An object of these names and values.
    pub fn object<N: Into<String>>(members: impl IntoIterator<Item = (N, Json)>) -> Json {
        Json::Object(
            members
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    }

    /// An array of these values.
    pub fn array<V: Into<Json>>(values: impl IntoIterator<Item = V>) -> Json {
        Json::Array(values.into_iter().map(Into::into).collect())
    }

    /// A member of an object; the last one where a name stands twice.
    pub fn get(&self, name: &str) -> Option<&Json> {
        let members = self.as_object()?;
        let found = members.iter().rev().find(|(given, _)| given == name);
        found.map(|(_, value)| value)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// A number, if it is a whole one of 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        self.number()?.parse().ok()
    }

    /// A number, if it is a whole one of 64 bits without a sign.
    pub fn as_u64(&self) -> Option<u64> {
        self.number()?.parse().ok()
    }

    /// A number, as near as 64 bits of floating point come to it.
    pub fn as_f64(&self) -> Option<f64> {
        self.number()?.parse().ok()
    }

    /// A truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The values of an array.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&[(String, Json)]> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        *self == Json::Null
    }

    fn number(&self) -> Option<&str> {
        match self {
            Json::Number(number) => Some(&number.text),
            _ => None,
        }
    }
}

impl FromStr for Json {
    type Err = JsonError;

    /// One JSON value with nothing behind it, nested at most 128 deep. Half of a surrogate pair
    /// reads as U+FFFD.
    fn from_str(text: &str) -> Result<Json, JsonError> {
        parse::document(text)
    }
}

impl fmt::Display for Json {
    /// The value in one line, without spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::value(f, self)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::String(text.to_string())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<f64> for Json {
    /// What JSON cannot express (infinity, not a number) becomes `null`.
    fn from(value: f64) -> Json {
        if !value.is_finite() {
            return Json::Null;
        }
        let text = format!("{:?}", value);
        Json::Number(Number { text })
    }
}

macro_rules! from_whole_numbers {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Json {
            fn from(value: $kind) -> Json {
                Json::Number(Number { text: value.to_string() })
            }
        })*
    };
}

from_whole_numbers!(i32, u32, i64, u64);
