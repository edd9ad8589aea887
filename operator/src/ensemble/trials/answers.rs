//! The bad days of an API server: it answers 409, 429 and 500, cuts connections before or after it did
//! what it was asked for, and is away for a while.

use crate::ensemble::plan::walks::dice::Dice;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done and answered.
    Answered,
    /// It is not done.
    Refused(u16),
    /// It is done, and the answer is another one.
    DoneAndRefused(u16),
    /// It is not done, and nothing comes back.
    Cut,
    /// It is done, and nothing comes back.
    DoneAndCut,
}

/// What goes wrong, by dice.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    dice: Dice,
    /// Of a hundred requests so many go wrong.
    percent: u64,
    /// Requests for which it is still away.
    away: u64,
}

impl Answers {
    pub(super) fn new(seed: u64, percent: u64) -> Self {
        let dice = Dice::new(seed);
        Self {
            dice,
            percent,
            away: 0,
        }
    }

    pub(super) fn fate(&mut self, writes: bool) -> Fate {
        if self.away > 0 {
            self.away -= 1;
            return Fate::Cut;
        }
        if !self.dice.percent(self.percent) {
            return Fate::Answered;
        }
        match self.dice.below(12) {
            0..3 => Fate::Refused(429),
            3..5 => Fate::Refused(500),
            5 => Fate::DoneAndRefused(500),
            6..8 if writes => Fate::Refused(409),
            6..8 => Fate::Refused(503),
            8 => Fate::Cut,
            9..11 => Fate::DoneAndCut,
            _ => {
                self.away = self.dice.below(30);
                Fate::Cut
            }
        }
    }
}
