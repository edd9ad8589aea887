//! Options of a command, anywhere among its words, as zkCli's library reads them
//! (`org.apache.commons.cli.DefaultParser`).

use std::fmt::Write as _;

/// One option of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// Without the dash.
    pub name: &'static str,
    /// Whether a value follows.
    pub value: bool,
    /// What it does, in few words.
    pub help: &'static str,
}

/// Whether the options of a command exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// They do not.
    Free,
    /// At most one.
    AtMostOne,
    /// Exactly one.
    ExactlyOne,
}

/// A command line, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    options: Vec<(&'static str, Option<String>)>,
    /// The words that are no options, without the command's name.
    pub words: Vec<String>,
}

impl Parsed {
    /// Whether an option was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// The value of an option.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().find(|(given, _)| *given == name);
        found.and_then(|(_, value)| value.as_deref())
    }

    /// The word at a place behind the command's name.
    #[must_use]
    pub fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }

    /// Adds an option, for commands that know an older form.
    pub fn set(&mut self, name: &'static str, value: Option<String>) {
        self.options.push((name, value));
    }
}

/// Sorts the words behind a command's name into options and others.
///
/// # Errors
/// An option that there is not, one without its value, or two that exclude each other.
pub fn parse(words: &[String], known: &[Opt], group: Group) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut words = words.iter();
    let mut only_words = false;
    while let Some(word) = words.next() {
        let name = word.strip_prefix('-').filter(|name| !name.is_empty());
        let is_number = word.parse::<f64>().is_ok();
        let Some(name) = name.filter(|_| !only_words && !is_number) else {
            parsed.words.push(word.clone());
            continue;
        };
        if name == "-" {
            only_words = true;
            continue;
        }
        for (opt, attached) in find(name, known).ok_or(format!("Unrecognized option: {word}"))? {
            let value = match (opt.value, attached) {
                (false, _) => None,
                (true, Some(value)) => Some(value),
                (true, None) => {
                    let is_option = |word: &String| {
                        let name = word.strip_prefix('-');
                        name.is_some_and(|name| find(name, known).is_some())
                    };
                    let value = words.next().filter(|word| !is_option(word)).cloned();
                    Some(value.ok_or(format!("Missing argument for option: {}", opt.name))?)
                }
            };
            if let (Some((other, _)), true) = (parsed.options.first(), group != Group::Free)
                && *other != opt.name
            {
                return Err(format!(
                    "The option '{}' was specified but an option from this group has already been \
                     selected: '{other}'",
                    opt.name
                ));
            }
            parsed.options.push((opt.name, value));
        }
    }
    if group == Group::ExactlyOne && parsed.options.is_empty() {
        let list: Vec<String> = known
            .iter()
            .map(|opt| format!("-{} {}", opt.name, opt.help))
            .collect();
        return Err(format!("Missing required option: [{}]", list.join(", ")));
    }
    Ok(parsed)
}

/// What a word behind a dash means: an option by its name, or several of one letter in a row, the
/// last one maybe with its value attached. `None` when there is no such option.
fn find(name: &str, known: &[Opt]) -> Option<Vec<(Opt, Option<String>)>> {
    let by_name = |name: &str| known.iter().find(|opt| opt.name == name).copied();
    if let Some(opt) = by_name(name) {
        return Some(vec![(opt, None)]);
    }
    if let Some((name, value)) = name.split_once('=')
        && let Some(opt) = by_name(name).filter(|opt| opt.value)
    {
        return Some(vec![(opt, Some(value.to_owned()))]);
    }
    let mut found = Vec::new();
    for (at, letter) in name.char_indices() {
        let opt = by_name(letter.encode_utf8(&mut [0; 4]))?;
        let behind = name.get(at + letter.len_utf8()..).unwrap_or_default();
        if opt.value && !behind.is_empty() {
            found.push((opt, Some(behind.to_owned())));
            return Some(found);
        }
        found.push((opt, None));
    }
    Some(found)
}

/// The options with their help, a line each.
#[must_use]
pub fn help(known: &[Opt]) -> String {
    let mut sorted: Vec<&Opt> = known.iter().collect();
    sorted.sort_by_key(|opt| opt.name);
    let left = |opt: &Opt| format!(" -{}{}", opt.name, if opt.value { " <arg>" } else { "" });
    let width = sorted.iter().map(|opt| left(opt).len()).max().unwrap_or(0);
    let mut text = String::new();
    for opt in sorted {
        // Writing to a string cannot fail.
        writeln!(text, "{:width$}   {}", left(opt), opt.help).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn opt(name: &'static str, value: bool) -> Opt {
        Opt {
            name,
            value,
            help: "h",
        }
    }

    const KNOWN: &[Opt] = &[opt("s", false), opt("w", false), opt("v", true)];

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_stand_anywhere() {
        let parsed = parse(&words("/a -s -v -1 data -w"), KNOWN, Group::Free).unwrap();
        assert!(parsed.has("s") && parsed.has("w"));
        assert_eq!(parsed.value("v"), Some("-1"));
        assert_eq!(parsed.words, ["/a", "data"]);
        let parsed = parse(&words("-swv7 -- -x"), KNOWN, Group::Free).unwrap();
        assert_eq!(parsed.value("v"), Some("7"));
        assert_eq!(parsed.words, ["-x"]);
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_zkcli() {
        let check = |line: &str, group, want: &str| {
            assert_eq!(parse(&words(line), KNOWN, group).unwrap_err(), want);
        };
        check("-x /a", Group::Free, "Unrecognized option: -x");
        check("/a -v", Group::Free, "Missing argument for option: v");
        check("-v -s", Group::Free, "Missing argument for option: v");
        check(
            "-s -w",
            Group::AtMostOne,
            "The option 'w' was specified but an option from this group has already been selected: \
             's'",
        );
        check(
            "/a",
            Group::ExactlyOne,
            "Missing required option: [-s h, -w h, -v h]",
        );
    }
}
