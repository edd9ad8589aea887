//! Takes a typed line apart as zkCli does: words between white space, and quotes around words that
//! hold some (`ZooKeeperMain.MyCommandOptions.parseCommand`).

/// The words of a line, without the quotes around them.
#[must_use]
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let quoted = match first {
            '"' | '\'' => rest.get(1..).and_then(|inner| inner.split_once(first)),
            _ => None,
        };
        let (word, behind) = match (quoted, first) {
            (Some(found), _) => found,
            // A quote that nothing closes is passed over.
            (None, '"' | '\'') => {
                rest = rest.get(1..).unwrap_or_default().trim_start();
                continue;
            }
            (None, _) => rest
                .find(char::is_whitespace)
                .map_or((rest, ""), |at| rest.split_at(at)),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        let check = |line: &str, want: &[&str]| assert_eq!(split(line), want, "{line}");
        check("  ls  /a ", &["ls", "/a"]);
        check(
            r#"create /a "hello world" 'b c'"#,
            &["create", "/a", "hello world", "b c"],
        );
        check(r#"set /a it's"#, &["set", "/a", "it's"]);
        check(r#"set /a """#, &["set", "/a", ""]);
        check(r#"set /a "x"#, &["set", "/a", "x"]);
        check("", &[]);
    }
}
