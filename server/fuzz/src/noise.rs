//! Seeded damage: cut, spliced and overwritten seeds, for machines without a fuzzer.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Numbers that decoders stumble over.
const NASTY: [[u8; 4]; 8] = [
    [0xff; 4],
    [0x80, 0, 0, 0],
    [0x7f, 0xff, 0xff, 0xff],
    [0; 4],
    [0, 0, 0, 1],
    [0, 0x10, 0, 0],
    [0xff, 0xff, 0xff, 0xfe],
    [0, 0, 0xff, 0xff],
];

/// An endless source of damaged inputs.
#[derive(Debug)]
pub struct Noise {
    dice: ChaCha8Rng,
    seeds: Vec<Vec<u8>>,
}

impl Noise {
    /// Starts from `seeds`; the same number gives the same inputs.
    #[must_use]
    pub fn new(number: u64, seeds: Vec<Vec<u8>>) -> Self {
        Self {
            dice: ChaCha8Rng::seed_from_u64(number),
            seeds,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        let draw = usize::try_from(self.dice.next_u64() >> 16).unwrap_or(0);
        if end == 0 { 0 } else { draw % end }
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let at = self.below(self.seeds.len());
        let mut input = self.seeds.get(at).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            self.damage(&mut input);
        }
        input
    }

    fn damage(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len());
        match self.below(5) {
            0 => input.truncate(at),
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = u8::try_from(self.below(256)).unwrap_or(0);
                }
            }
            2 => {
                let number = NASTY
                    .get(self.below(NASTY.len()))
                    .copied()
                    .unwrap_or_default();
                for (byte, new) in input.iter_mut().skip(at).zip(number) {
                    *byte = new;
                }
            }
            3 => {
                let end = at + self.below(input.len() - at + 1).min(64);
                let piece = input.get(at..end).unwrap_or_default().to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let other = self.below(self.seeds.len());
                let tail = self.seeds.get(other).cloned().unwrap_or_default();
                let from = self.below(tail.len());
                input.truncate(at);
                input.extend(tail.into_iter().skip(from));
            }
        }
    }
}
