//! JSON as Apache's admin server prints it: a blank on both sides of the colon, lists on one line.
//!
//! Source: Jackson's `DefaultPrettyPrinter`, as observed on Apache ZooKeeper 3.9. Probes are written
//! with `grep`, so the spelling matters.

use std::fmt::Write as _;

/// A value; members of an object keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    /// A number as it is to be printed.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A count; more than 63 bits are none.
    pub(super) fn count(n: u64) -> Self {
        Self::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An object from its members.
    pub(super) fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Json)>) -> Self {
        let members = members.into_iter();
        Self::Object(members.map(|(key, value)| (key.into(), value)).collect())
    }

    /// A list of texts.
    pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|t| Self::Text(t.into())).collect())
    }

    /// The whole text.
    pub(super) fn print(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                let written = write!(out, "{value}");
                debug_assert!(written.is_ok(), "writing to a String");
            }
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => quote(text, out),
            Self::List(items) if items.is_empty() => out.push_str("[ ]"),
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "[ " } else { ", " });
                    item.write(depth, out);
                }
                out.push_str(" ]");
            }
            Self::Object(members) if members.is_empty() => out.push_str("{ }"),
            Self::Object(members) => {
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "{" } else { "," });
                    new_line(depth + 1, out);
                    quote(key, out);
                    out.push_str(" : ");
                    value.write(depth + 1, out);
                }
                new_line(depth, out);
                out.push('}');
            }
        }
    }
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => {
                let written = write!(out, "\\u{:04X}", u32::from(c));
                debug_assert!(written.is_ok(), "writing to a String");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_is_that_of_jackson() {
        let value = Json::object([
            ("a", Json::List(vec![Json::Int(1), Json::text("x\n\"")])),
            ("b", Json::object([("c", Json::Null)])),
            (
                "d",
                Json::List(vec![Json::object([("e", Json::Bool(true))])]),
            ),
            ("f", Json::List(Vec::new())),
            ("g", Json::object::<String>([])),
        ]);
        let expected = "{\n  \"a\" : [ 1, \"x\\n\\\"\" ],\n  \"b\" : {\n    \"c\" : null\n  },\n  \
                        \"d\" : [ {\n    \"e\" : true\n  } ],\n  \"f\" : [ ],\n  \"g\" : { }\n}";
        assert_eq!(value.print(), expected);
    }
}
