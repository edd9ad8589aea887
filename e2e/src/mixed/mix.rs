//! Which kinds of servers an ensemble is made of.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, bail, ensure};

use crate::peers::Kind;

/// Kinds of the voters, then of the observers; ids count from 1 through both.
///
/// As text: `aqq/q` is one voter of Apache, two of Quorate and an observer of Quorate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix {
    /// Who votes.
    pub voters: Vec<Kind>,
    /// Who does not.
    pub observers: Vec<Kind>,
}

impl Mix {
    /// Every mix of three voters, some of five, and observers of either kind under both.
    ///
    /// # Errors
    /// Never; the list is fixed.
    pub fn all() -> Result<Vec<Self>> {
        [
            "aqq", "qaq/a", "qqa/q", "aaq/q", "aqa/a", "qaa/qa", "aqaqa", "qaqaq/a", "aaaaq/q",
            "qqqqa/a", "qqqqq", "aaaaa/q", "qqq/a", "aaa/q",
        ]
        .into_iter()
        .map(str::parse)
        .collect()
    }

    /// All kinds, by id.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.voters.iter().chain(&self.observers).copied().collect()
    }

    /// Whether a server with this id votes.
    #[must_use]
    pub fn is_voter(&self, id: u8) -> bool {
        usize::from(id) <= self.voters.len()
    }

    /// The ids of the voters.
    #[must_use]
    pub fn voter_ids(&self) -> Vec<u8> {
        (1..=u8::MAX).take(self.voters.len()).collect()
    }
}

impl FromStr for Mix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let kinds = |letters: &str| -> Result<Vec<Kind>> {
            letters
                .chars()
                .map(|letter| match letter {
                    'a' => Ok(Kind::Apache),
                    'q' => Ok(Kind::Quorate),
                    other => bail!("{other:?} is neither a (Apache) nor q (Quorate)"),
                })
                .collect()
        };
        let (voters, observers) = text.split_once('/').unwrap_or((text, ""));
        let mix = Self {
            voters: kinds(voters)?,
            observers: kinds(observers)?,
        };
        ensure!(
            matches!(mix.voters.len(), 3 | 5) && mix.observers.len() <= 4,
            "a mix has 3 or 5 voters and up to 4 observers"
        );
        Ok(mix)
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |kind: &Kind| match kind {
            Kind::Apache => 'a',
            Kind::Quorate => 'q',
        };
        let text = |kinds: &[Kind]| kinds.iter().map(letter).collect::<String>();
        f.write_str(&text(&self.voters))?;
        if !self.observers.is_empty() {
            write!(f, "/{}", text(&self.observers))?;
        }
        Ok(())
    }
}
