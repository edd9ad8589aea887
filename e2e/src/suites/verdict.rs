//! What one test said, and what all tests of a suite said.

use std::collections::BTreeMap;

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It held.
    Passed,
    /// It did not; the text is the first line of its reason.
    Failed(String),
    /// It did not run, because it asks for something that is not here.
    Skipped(String),
}

impl Verdict {
    /// The word for it in records and tables.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }
}

/// The verdicts of a suite, by the name of the test.
pub type Verdicts = BTreeMap<String, Verdict>;

/// The names of the tests that failed.
#[must_use]
pub fn failed(verdicts: &Verdicts) -> Vec<String> {
    let failed = verdicts
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Failed(_)));
    failed.map(|(name, _)| name.clone()).collect()
}

/// How many have this word.
#[must_use]
pub fn count(verdicts: &Verdicts, word: &str) -> usize {
    verdicts.values().filter(|v| v.word() == word).count()
}
