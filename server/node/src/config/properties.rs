//! The syntax of `zoo.cfg`: Java's `.properties`, with the line numbers kept.
//!
//! Source: `java.util.Properties.load`, as observed on Apache ZooKeeper 3.9.

/// One `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    /// Unescaped and trimmed.
    pub(super) key: String,
    /// Unescaped and trimmed.
    pub(super) value: String,
    /// Where it begins, counted from 1.
    pub(super) line: usize,
}

/// Reads all properties in their order, duplicates included: the last one wins.
pub(super) fn parse(text: &str) -> Vec<Property> {
    spans(text).into_iter().map(|(p, _)| p).collect()
}

/// The same, each with the line in which it ends.
pub(super) fn spans(text: &str) -> Vec<(Property, usize)> {
    logical_lines(text)
        .into_iter()
        .map(|(line, content, last)| {
            let (key, value) = split(&content);
            let property = Property {
                key: unescape(key),
                value: unescape(value),
                line,
            };
            (property, last)
        })
        .collect()
}

/// Joins continued lines, each with its first and last number; leaves comments and blank lines out.
fn logical_lines(text: &str) -> Vec<(usize, String, usize)> {
    let mut out = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, raw) in text.split('\n').enumerate() {
        let part = raw.trim_end_matches('\r').trim_start();
        if open.is_none() && (part.is_empty() || part.starts_with(['#', '!'])) {
            continue;
        }
        let (line, mut content) = open.take().unwrap_or((at + 1, String::new()));
        // An odd number of backslashes at the end continues; an even number is escaped ones.
        let backslashes = part.len() - part.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            content.push_str(part.strip_suffix('\\').unwrap_or(part));
            open = Some((line, content));
        } else {
            content.push_str(part);
            out.push((line, content, at + 1));
        }
    }
    let last = text.split('\n').count();
    out.extend(open.map(|(line, content)| (line, content, last)));
    out
}

/// Splits at the first `=`, `:` or white space that is not escaped.
fn split(content: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in content.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if matches!(c, '=' | ':') || c.is_whitespace() {
            let (key, rest) = content.split_at(at);
            let rest = rest.trim_start();
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (key, rest);
        }
    }
    (content, "")
}

fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.trim().chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16)
                    .ok()
                    .and_then(char::from_u32);
                out.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let found = parse(text);
        let found: Vec<_> = found
            .iter()
            .map(|p| (p.key.as_str(), p.value.as_str(), p.line))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn separators_comments_continuations_and_escapes() {
        check(
            "a=1\nb : 2\nc\t3\r\n",
            &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3)],
        );
        check("# x\n! y\n\n  d = e f  ", &[("d", "e f", 4)]);
        check("a=1,\\\n   2\nb=3", &[("a", "1,2", 1), ("b", "3", 3)]);
        check("p=C:\\\\data", &[("p", "C:\\data", 1)]);
        check("k\\=x=v\\u0041\\tz", &[("k=x", "vA\tz", 1)]);
        check("server.1=a:1:2;3", &[("server.1", "a:1:2;3", 1)]);
        check("lonely", &[("lonely", "", 1)]);
        check("end=\\", &[("end", "", 1)]);
    }
}
