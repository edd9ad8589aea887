//! Text for terminals: no control characters from outside, lines of a width. Pure.

/// Longest text of one source that is shown, characters.
const SHOWN_LEN_MAX: usize = 2_000;

/// Narrowest width that lines are fitted to: below it nothing can be read anyway.
pub const WIDTH_MIN: usize = 60;

/// The text without control characters, which could rewrite what else is on the terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SHOWN_LEN_MAX)
        .collect()
}

/// Breaks a text into lines between words; a longer word has a line of its own.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && len(&line) + 1 + len(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The text in a column of this width.
#[must_use]
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(len(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text, cut to this width with an ellipsis.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if len(text) <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// Characters: names of Kubernetes and words of ours are one column each.
#[must_use]
pub fn len(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("a bc  def g", 4), ["a bc", "def", "g"]);
        assert_eq!(wrap("abcdefgh i", 4), ["abcdefgh", "i"]);
        assert!(wrap("  ", 4).is_empty());
    }

    #[test]
    fn control_characters_go() {
        assert_eq!(clean("a\u{1b}[2Jb\n"), "a [2Jb ");
        assert_eq!(len(&clean(&"x".repeat(5_000))), SHOWN_LEN_MAX);
    }

    #[test]
    fn what_is_too_long_says_so() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(pad("ab", 4), "ab  ");
    }
}
