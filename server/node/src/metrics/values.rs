//! What holds a number: counters, gauges, summaries, sizes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::quantiles::Quantiles;

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Begins at zero again.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// The kinds of something that is counted.
pub trait Kind: Copy + PartialEq + 'static {
    /// The label that tells them apart.
    const LABEL: &'static str;
    /// All of them.
    const ALL: &'static [Self];
    /// Its value of the label.
    fn name(self) -> &'static str;
}

/// A counter for each kind of something.
#[derive(Debug)]
pub struct ByKind<K>(Vec<(K, Counter)>);

impl<K: Kind> Default for ByKind<K> {
    fn default() -> Self {
        let kinds = K::ALL.iter();
        Self(kinds.map(|kind| (*kind, Counter::default())).collect())
    }
}

impl<K: Kind> ByKind<K> {
    /// Counts one of a kind.
    pub fn count(&self, kind: K) {
        if let Some((_, counter)) = self.0.iter().find(|(k, _)| *k == kind) {
            counter.inc();
        }
    }

    /// All of them, by their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Counter)> {
        self.0.iter().map(|(kind, counter)| (kind.name(), counter))
    }
}

/// The last, the smallest and the largest size.
#[derive(Debug, Default)]
pub struct Sizes {
    /// All one more than they are; 0: none yet.
    last: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Sizes {
    /// Observes a size; by one thread at a time, or the smallest may be missed.
    pub fn observe(&self, size: u64) {
        let shifted = size.saturating_add(1);
        self.last.store(shifted, Relaxed);
        self.max.fetch_max(shifted, Relaxed);
        let min = self.min.load(Relaxed);
        if min == 0 || shifted < min {
            self.min.store(shifted, Relaxed);
        }
    }

    /// Last, smallest and largest; -1 before the first.
    #[must_use]
    pub fn values(&self) -> [i64; 3] {
        [&self.last, &self.min, &self.max]
            .map(|n| i64::try_from(n.load(Relaxed)).unwrap_or(i64::MAX) - 1)
    }

    /// Begins again.
    pub fn reset(&self) {
        for n in [&self.last, &self.min, &self.max] {
            n.store(0, Relaxed);
        }
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Number, sum and extremes of what was observed.
#[derive(Debug)]
pub struct Summary {
    count: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
    quantiles: Quantiles,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
            quantiles: Quantiles::default(),
        }
    }
}

impl Summary {
    /// Observes a value.
    pub fn observe(&self, value: u64) {
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
        self.min.fetch_min(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
        self.quantiles.observe(value);
    }

    /// The value below which `per_mille` of a thousand are, about; 0 before the first.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> u64 {
        self.quantiles.at(per_mille)
    }

    /// Begins again.
    pub fn reset(&self) {
        self.count.store(0, Relaxed);
        self.sum.store(0, Relaxed);
        self.min.store(u64::MAX, Relaxed);
        self.max.store(0, Relaxed);
        self.quantiles.reset();
    }

    /// Observes a duration, in ms.
    pub fn observe_ms(&self, took: Duration) {
        self.observe(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }

    /// How many were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// The smallest; 0 before the first.
    #[must_use]
    pub fn min(&self) -> u64 {
        Some(self.min.load(Relaxed))
            .filter(|n| *n != u64::MAX)
            .unwrap_or(0)
    }

    /// The largest; 0 before the first.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max.load(Relaxed)
    }

    /// Mean with at most four decimals and at least one, as Apache prints it.
    #[must_use]
    pub fn mean_text(&self) -> String {
        let (count, sum) = (u128::from(self.count()), u128::from(self.sum()));
        let scaled = (sum * 10_000 + count / 2).checked_div(count).unwrap_or(0);
        let text = format!("{}.{:04}", scaled / 10_000, scaled % 10_000);
        let short = text.trim_end_matches('0');
        if short.ends_with('.') {
            format!("{short}0")
        } else {
            short.to_owned()
        }
    }
}

/// Millionths as a decimal number with at most six places and at least one.
pub(super) fn ratio_text(millionths: u64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') {
        format!("{short}0")
    } else {
        short.to_owned()
    }
}

/// How long something was missing in all.
#[derive(Debug)]
pub struct Absence {
    /// ms of the times that are over.
    over_ms: AtomicU64,
    /// Begin of the present one, ms since the process began; [`u64::MAX`]: it is there.
    since_ms: AtomicU64,
}

impl Default for Absence {
    fn default() -> Self {
        Self {
            over_ms: AtomicU64::new(0),
            since_ms: AtomicU64::new(u64::MAX),
        }
    }
}

impl Absence {
    /// It is missing from now on, if it was not before.
    pub fn begin(&self, now_ms: u64) {
        if self.since_ms.load(Relaxed) == u64::MAX {
            self.since_ms.store(now_ms, Relaxed);
        }
    }

    /// It is there again; returns for how long it was missing, ms; `None`: it was not. One thread calls
    /// this and [`Absence::begin`].
    pub fn end(&self, now_ms: u64) -> Option<u64> {
        let since = self.since_ms.load(Relaxed);
        if since == u64::MAX {
            return None;
        }
        let took = now_ms.saturating_sub(since);
        self.over_ms.fetch_add(took, Relaxed);
        self.since_ms.store(u64::MAX, Relaxed);
        Some(took)
    }

    /// ms until now.
    #[must_use]
    pub fn total_ms(&self, now_ms: u64) -> u64 {
        let since = self.since_ms.load(Relaxed).min(now_ms);
        self.over_ms.load(Relaxed) + (now_ms - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_grows_while_it_lasts() {
        let absence = Absence::default();
        assert_eq!((absence.total_ms(50), absence.end(50)), (0, None));
        absence.begin(100);
        absence.begin(150);
        assert_eq!(absence.total_ms(180), 80);
        assert_eq!(absence.end(200), Some(100));
        absence.begin(300);
        assert_eq!((absence.total_ms(300), absence.total_ms(310)), (100, 110));
    }

    #[test]
    fn ratios_are_decimal() {
        for (millionths, text) in [(0, "0.0"), (20_000, "0.02"), (1_000_000, "1.0")] {
            assert_eq!(ratio_text(millionths), text);
        }
    }

    #[test]
    fn sizes_are_minus_one_until_there_is_one() {
        let sizes = Sizes::default();
        assert_eq!(sizes.values(), [-1, -1, -1]);
        for size in [5, 0, 3] {
            sizes.observe(size);
        }
        assert_eq!(sizes.values(), [3, 0, 5]);
        sizes.reset();
        assert_eq!(sizes.values(), [-1, -1, -1]);
    }

    #[test]
    fn means_are_printed_as_apache_does() {
        let summary = Summary::default();
        assert_eq!(summary.mean_text(), "0.0");
        for value in [1, 2, 2] {
            summary.observe(value);
        }
        assert_eq!(summary.mean_text(), "1.6667");
        summary.observe(3);
        assert_eq!(summary.mean_text(), "2.0");
        assert_eq!(
            (summary.min(), summary.max(), summary.count(), summary.sum()),
            (1, 3, 4, 8)
        );
    }
}
