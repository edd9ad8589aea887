//! Dice that fall the same way for the same seed.

/// A small generator (splitmix64): the quality does not matter, the spread does.
#[derive(Clone, Debug)]
pub(in crate::ensemble) struct Dice(u64);

impl Dice {
    pub(in crate::ensemble) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(in crate::ensemble) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// True so often of a hundred times.
    pub(in crate::ensemble) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(in crate::ensemble) fn of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let len = u64::try_from(all.len()).ok().filter(|len| *len > 0)?;
        let at = usize::try_from(self.below(len)).ok()?;
        all.get(at).copied()
    }
}
