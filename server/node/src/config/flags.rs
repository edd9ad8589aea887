//! Java system properties: `-Dname=value` in `SERVER_JVMFLAGS` and `JVMFLAGS`.
//!
//! Source: `zkServer.sh` and `zkEnv.sh` of Apache ZooKeeper 3.9, which put `SERVER_JVMFLAGS` before
//! `JVMFLAGS` on the command line of the Java server, where the last of two definitions wins.

/// The variables, the one that wins last.
const VARIABLES: [&str; 2] = ["SERVER_JVMFLAGS", "JVMFLAGS"];

/// One `-Dname=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The variable that it stands in.
    pub variable: &'static str,
    /// As written, with the prefix that it may have.
    pub name: String,
    /// Without quotes around it.
    pub value: String,
}

/// All of them, those that win later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(pub Vec<Flag>);

impl Flags {
    /// Those of this process's environment.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::collect(|name| std::env::var(name).ok())
    }

    /// Those of the variables that `look_up` knows.
    #[must_use]
    pub fn collect(look_up: impl Fn(&str) -> Option<String>) -> Self {
        let mut flags = Vec::new();
        for variable in VARIABLES {
            let text = look_up(variable).unwrap_or_default();
            for word in words(&text) {
                let Some(definition) = word.strip_prefix("-D") else {
                    continue;
                };
                let (name, value) = definition.split_once('=').unwrap_or((definition, ""));
                flags.push(Flag {
                    variable,
                    name: name.to_owned(),
                    value: unquoted(value).to_owned(),
                });
            }
        }
        Self(flags)
    }
}

/// Splits at white space, except inside of quotes that begin a word or the value after `=`.
///
/// The scripts split at white space only and leave quotes in the value, where they are of no use to
/// anyone; a quote in the middle of a word, as a password may have, stands for itself here too.
fn words(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = word_end(rest);
        let (word, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
        out.push(unquoted(word));
        rest = tail.trim_start();
    }
    out
}

/// Where the word at the beginning of `text` ends.
fn word_end(text: &str) -> usize {
    let blank = text.find(char::is_whitespace).unwrap_or(text.len());
    let quote_at = |at: usize| {
        text.get(at..)?
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''))
    };
    let value_at = text.find('=').filter(|at| *at < blank).map(|at| at + 1);
    for at in [Some(0), value_at].into_iter().flatten() {
        let Some(quote) = quote_at(at) else { continue };
        let inside = text.get(at + 1..).unwrap_or_default();
        let closing = inside.match_indices(quote).map(|(i, _)| at + 1 + i + 1);
        // The one that ends a word; without it the quote is a character like others.
        let mut ends = closing.filter(|end| {
            text.get(*end..)
                .and_then(|rest| rest.chars().next())
                .is_none_or(char::is_whitespace)
        });
        if let Some(end) = ends.next() {
            return end;
        }
    }
    blank
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(server: &str, all: &str, expected: &[(&str, &str)]) {
        let flags = Flags::collect(|name| match name {
            "SERVER_JVMFLAGS" => Some(server.to_owned()),
            "JVMFLAGS" => Some(all.to_owned()),
            _ => None,
        });
        let found: Vec<(&str, &str)> = flags
            .0
            .iter()
            .map(|f| (f.name.as_str(), f.value.as_str()))
            .collect();
        assert_eq!(found, expected, "{server:?} {all:?}");
    }

    #[test]
    fn definitions_are_found_in_the_order_in_which_the_later_wins() {
        check("", "", &[]);
        check(
            "-Xmx1g -Da=1\t-Db",
            " -XX:+UseG1GC  -Da=2 ",
            &[("a", "1"), ("b", ""), ("a", "2")],
        );
    }

    #[test]
    fn quotes_group_when_they_surround_a_word_or_a_value() {
        check("-Da='x y' -Db=\"p q\"", "", &[("a", "x y"), ("b", "p q")]);
        check("'-Da=x y' \"-Db=2\"", "", &[("a", "x y"), ("b", "2")]);
        check("-Da=it's -Db=2", "", &[("a", "it's"), ("b", "2")]);
        check("-Da='open -Db=2", "", &[("a", "'open"), ("b", "2")]);
        check("-Da=x\\ny -Db=c=d", "", &[("a", "x\\ny"), ("b", "c=d")]);
        check("-Da='' '", "", &[("a", "")]);
    }
}
