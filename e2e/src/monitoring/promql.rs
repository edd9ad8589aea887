use std::collections::BTreeSet;

/// Words of the language that are no names of metrics.
const WORDS: [&str; 13] = [
    "and",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "inf",
    "nan",
    "offset",
    "on",
    "or",
    "unless",
    "without",
];

/// Words that have labels in the parentheses behind them.
const GROUPING: [&str; 6] = [
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "on",
    "without",
];

/// The names of the metrics in a query that Prometheus can parse.
pub fn metrics(query: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = query;
    let mut before = String::new();
    while let Some(next) = rest.chars().next() {
        rest = match next {
            '"' | '\'' | '`' => after_quoted(rest, next),
            '{' => after(rest, '}'),
            '[' => after(rest, ']'),
            '(' if GROUPING.contains(&before.as_str()) => after(rest, ')'),
            _ if next.is_ascii_digit() => rest.trim_start_matches(is_part),
            _ if is_part(next) => {
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                word.clone_into(&mut before);
                let called = behind.trim_start().starts_with('(');
                if !called && !WORDS.contains(&word.to_lowercase().as_str()) && !aggregates(behind)
                {
                    found.insert(word.to_owned());
                }
                rest = behind;
                continue;
            }
            _ if next.is_whitespace() => {
                rest = rest.trim_start();
                continue;
            }
            _ => rest.get(next.len_utf8()..).unwrap_or_default(),
        };
        before.clear();
    }
    found
}

/// Whether what comes before this is an aggregation with its labels first, as in `sum by (pod) (up)`.
fn aggregates(behind: &str) -> bool {
    let behind = behind.trim_start();
    ["by", "without"].iter().any(|word| {
        behind
            .strip_prefix(word)
            .is_some_and(|rest| rest.trim_start().starts_with('('))
    })
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn after(text: &str, end: char) -> &str {
    let mut rest = text.get(1..).unwrap_or_default();
    while let Some(c) = rest.chars().next() {
        if c == '"' || c == '\'' {
            rest = after_quoted(rest, c);
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == end {
            break;
        }
    }
    rest
}

fn after_quoted(text: &str, quote: char) -> &str {
    let mut escaped = false;
    let mut chars = text.char_indices().skip(1);
    let end = chars.find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.and_then(|(at, c)| text.get(at + c.len_utf8()..))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &[&str]) {
        let found: Vec<_> = metrics(query).into_iter().collect();
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn names_are_those_of_metrics() {
        check(
            "sum by (pod) (rate(a_total{b=\"}c\"}[5m])) / 2e3 > 0.5",
            &["a_total"],
        );
        check(
            "max without (le)(x:y:z) * on (m, n) group_left (o) p unless on () q offset 1h",
            &["p", "q", "x:y:z"],
        );
        check(
            "histogram_quantile(0.99, sum(h_bucket) by (le))",
            &["h_bucket"],
        );
        check("absent(up == 1) or vector(0) - time()", &["up"]);
        check(
            "label_replace(a, \"b(\\\"\", '$1', \"c\", \"(.*)\")",
            &["a"],
        );
        check("count_over_time(a[30m:1m]) == bool inf", &["a"]);
    }
}
