//! What may stand next in a typed line: a command, one of its options, or a path that is there
//! (`org.apache.zookeeper.JLineZNodeCompleter`).

use super::verbs::{self, VERBS};

/// What the word before the cursor may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// One of these words.
    Words(Vec<String>),
    /// A child of this node whose name begins so.
    Children {
        /// The node.
        parent: String,
        /// Beginning of the name.
        prefix: String,
    },
}

/// Looks at a line up to the cursor; gives where the last word begins and what it may be.
#[must_use]
pub fn candidates(line: &str) -> (usize, Candidates) {
    let start = line
        .rfind(char::is_whitespace)
        .and_then(|at| line.get(at..).map(|rest| (at, rest)))
        .map_or(0, |(at, rest)| {
            at + rest.chars().next().map_or(0, char::len_utf8)
        });
    let word = line.get(start..).unwrap_or_default();
    let before = line.get(..start).unwrap_or_default();
    let name = before.split_whitespace().next();
    let found = match name {
        None => {
            let names = VERBS.iter().map(|verb| verb.name);
            let fits = names.filter(|name| name.starts_with(word));
            Candidates::Words(fits.map(|name| format!("{name} ")).collect())
        }
        Some(name) => match word.strip_prefix('-') {
            Some(begun) => Candidates::Words(options_of(name, begun)),
            None => match word.rsplit_once('/') {
                Some((parent, prefix)) if word.starts_with('/') => Candidates::Children {
                    parent: if parent.is_empty() { "/" } else { parent }.to_owned(),
                    prefix: prefix.to_owned(),
                },
                _ => Candidates::Words(words_of(name, word)),
            },
        },
    };
    (start, found)
}

fn options_of(name: &str, begun: &str) -> Vec<String> {
    let options = verbs::find(name).map_or(&[][..], |verb| verb.options);
    let fits = options.iter().filter(|opt| opt.name.starts_with(begun));
    fits.map(|opt| format!("-{} ", opt.name)).collect()
}

/// Words that are no paths; an empty word may be the beginning of a path.
fn words_of(name: &str, begun: &str) -> Vec<String> {
    let known: &[&str] = match name {
        "printwatches" => &["on", "off"],
        "addauth" => &["digest", "x509", "ip"],
        "addWatch" => &["PERSISTENT", "PERSISTENT_RECURSIVE", "/"],
        _ if verbs::find(name).is_some_and(|verb| verb.takes_path) => &["/"],
        _ => &[],
    };
    let fits = known.iter().filter(|word| word.starts_with(begun));
    fits.map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        match candidates(line).1 {
            Candidates::Words(words) => words,
            Candidates::Children { .. } => panic!("{line}: children"),
        }
    }

    #[test]
    fn commands_options_and_paths() {
        assert_eq!(words("getA"), ["getAcl ", "getAllChildrenNumber "]);
        assert_eq!(words("ls -"), ["-s ", "-w ", "-R ", "-? "]);
        assert_eq!(words("ls "), ["/"]);
        assert_eq!(words("version "), Vec::<String>::new());
        let (start, found) = candidates("get -s /a/b");
        assert_eq!(start, 7);
        let want = Candidates::Children {
            parent: "/a".into(),
            prefix: "b".into(),
        };
        assert_eq!(found, want);
    }
}
