//! One suite on both servers, side by side.

use super::verdict::{Verdict, Verdicts, count};

/// The verdicts about both servers.
#[derive(Debug)]
pub struct Comparison {
    /// The suite's name.
    pub suite: &'static str,
    /// About Apache's servers.
    pub apache: Verdicts,
    /// About ours.
    pub quorate: Verdicts,
}

impl Comparison {
    /// The tests that pass on Apache's servers and not on ours: there must be none.
    #[must_use]
    pub fn regressions(&self) -> Vec<&str> {
        let passed = self
            .apache
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::Passed);
        passed
            .map(|(name, _)| name.as_str())
            .filter(|name| self.quorate.get(*name) != Some(&Verdict::Passed))
            .collect()
    }

    /// The names of the tests that do not pass on one of the two, or on both.
    fn remarkable(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .apache
            .iter()
            .chain(&self.quorate)
            .filter(|(_, verdict)| **verdict != Verdict::Passed)
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A line of the table of all suites.
    #[must_use]
    pub fn row(&self) -> String {
        let counts = |verdicts: &Verdicts| {
            format!(
                "{} passed, {} failed, {} skipped",
                count(verdicts, "passed"),
                count(verdicts, "failed"),
                count(verdicts, "skipped")
            )
        };
        format!(
            "| {} | {} | {} |",
            self.suite,
            counts(&self.apache),
            counts(&self.quorate)
        )
    }

    /// The tests that do not pass everywhere, as a table; `None` when all pass.
    #[must_use]
    pub fn exceptions(&self) -> Option<String> {
        let names = self.remarkable();
        if names.is_empty() {
            return None;
        }
        let mut text = format!(
            "### {}\n\n| test | Apache | Quorate | why |\n|---|---|---|---|\n",
            self.suite
        );
        for name in names {
            let word =
                |verdicts: &Verdicts| verdicts.get(name).map_or("did not run", Verdict::word);
            let why = [&self.quorate, &self.apache]
                .into_iter()
                .find_map(|verdicts| match verdicts.get(name) {
                    Some(Verdict::Failed(why) | Verdict::Skipped(why)) if !why.is_empty() => {
                        Some(why.replace('|', "\\|"))
                    }
                    _ => None,
                })
                .unwrap_or_default();
            let (apache, quorate) = (word(&self.apache), word(&self.quorate));
            text.push_str(&format!("| `{name}` | {apache} | {quorate} | {why} |\n"));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(pairs: &[(&str, Verdict)]) -> Verdicts {
        pairs
            .iter()
            .map(|(n, v)| ((*n).into(), v.clone()))
            .collect()
    }

    #[test]
    fn what_apache_passes_ours_must_pass() {
        let failed = Verdict::Failed("why".into());
        let comparison = Comparison {
            suite: "x",
            apache: verdicts(&[
                ("both", Verdict::Passed),
                ("gone", Verdict::Passed),
                ("theirs", failed.clone()),
                ("worse", Verdict::Passed),
            ]),
            quorate: verdicts(&[
                ("both", Verdict::Passed),
                ("theirs", Verdict::Passed),
                ("worse", failed),
            ]),
        };
        assert_eq!(comparison.regressions(), ["gone", "worse"]);
        assert_eq!(
            comparison.row(),
            "| x | 3 passed, 1 failed, 0 skipped | 2 passed, 1 failed, 0 skipped |"
        );
        let text = comparison.exceptions().unwrap();
        assert!(
            text.contains("| `theirs` | failed | passed | why |"),
            "{text}"
        );
    }
}
