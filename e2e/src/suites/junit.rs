//! Reads the XML that pytest and JUnit's console launcher write: test cases, and in each perhaps a
//! failure, an error or a skip. Only as much of XML as these two use.

use super::verdict::{Verdict, Verdicts};

/// Longest reason that is kept.
const REASON_CHARS: usize = 200;

/// Returns the verdict of each test case, by `class name` + `separator` + `name`. Of several cases
/// with one name, as parametrized tests have, one that failed decides.
#[must_use]
pub fn verdicts(xml: &str, separator: &str) -> Verdicts {
    let mut found = Verdicts::new();
    let mut case: Option<(String, Verdict)> = None;
    for tag in Tags(xml) {
        let name = tag
            .split(|c: char| c.is_whitespace() || c == '/')
            .next()
            .unwrap_or_default();
        match name {
            "testcase" => {
                let class = attribute(tag, "classname").unwrap_or_default();
                let test = attribute(tag, "name").unwrap_or_default();
                let full = format!("{class}{separator}{test}");
                if tag.ends_with('/') {
                    add(&mut found, full, Verdict::Passed);
                } else {
                    case = Some((full, Verdict::Passed));
                }
            }
            "failure" | "error" => {
                if let Some((_, verdict)) = &mut case {
                    *verdict = Verdict::Failed(reason(tag));
                }
            }
            "skipped" => {
                if let Some((_, verdict)) = &mut case {
                    *verdict = Verdict::Skipped(reason(tag));
                }
            }
            _ if tag.starts_with("/testcase") => {
                if let Some((name, verdict)) = case.take() {
                    add(&mut found, name, verdict);
                }
            }
            _ => {}
        }
    }
    found
}

fn add(found: &mut Verdicts, name: String, verdict: Verdict) {
    match found.get(&name) {
        Some(Verdict::Failed(_)) => {}
        _ => {
            found.insert(name, verdict);
        }
    }
}

fn reason(tag: &str) -> String {
    let message = attribute(tag, "message").or_else(|| attribute(tag, "type"));
    let message = message.unwrap_or_default();
    let line = message.lines().next().unwrap_or_default();
    line.chars().take(REASON_CHARS).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(
        value
            .replace("&#10;", "\n")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

/// The tags of a document without their brackets; text and CDATA sections are passed over.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let (_, rest) = self.0.split_once('<')?;
            if let Some(data) = rest.strip_prefix("![CDATA[") {
                self.0 = data.split_once("]]>")?.1;
                continue;
            }
            let mut quoted = false;
            let end = rest.find(|c| {
                quoted ^= c == '"';
                c == '>' && !quoted
            })?;
            let (tag, after) = rest.split_at(end);
            self.0 = after;
            return Some(tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cases_of_both_kinds() {
        let xml = r#"<?xml version="1.0"?><testsuite name="x" tests="4">
            <testcase classname="a.B" name="one" time="1"/>
            <testcase name="two" classname="a.B"><failure message="1 &gt; 2&#10;more" type="T">
            text</failure><system-out><![CDATA[<testcase name="not"/>]]></system-out></testcase>
            <testcase classname="a.B" name="three"><skipped type="pytest.skip" message="no"/></testcase>
            <testcase classname="a.B" name="four"><system-out><![CDATA[ > ]]></system-out></testcase>
            </testsuite>"#;
        let found = verdicts(xml, "::");
        let words: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
        assert_eq!(
            words,
            [
                ("a.B::four", Verdict::Passed),
                ("a.B::one", Verdict::Passed),
                ("a.B::three", Verdict::Skipped("no".into())),
                ("a.B::two", Verdict::Failed("1 > 2".into())),
            ]
        );
    }
}
