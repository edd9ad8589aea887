//! A run is stopped at each of its changing calls, and the disk recovered: what was promised is
//! there, and nothing is there that never was.

use zk_wire::{Epoch, Zxid};

use super::mem_fs::{MemFs, Tearing};
use super::{Choices, body, start, txn, z};
use crate::{SnapshotOutcome, Storage, StorageConfig, StorageError, TruncOutcome};

/// What a disk may hold.
#[derive(Debug, Clone, Default)]
struct Model {
    /// Durable for certain.
    history: Vec<Zxid>,
    /// Appended, not flushed.
    tail: Vec<Zxid>,
    accepted: Option<Epoch>,
    current: Option<Epoch>,
}

/// What else the disk may hold when the step that was under way did not return.
#[derive(Debug, Clone, Default)]
struct Underway {
    /// Another history altogether.
    history: Option<Vec<Zxid>>,
    /// A cut: any history of at least this length that the old one begins with.
    at_least: Option<usize>,
    accepted: Option<Epoch>,
    current: Option<Epoch>,
}

#[derive(Debug)]
struct Run {
    fs: MemFs,
    config: StorageConfig,
    tearing: Tearing,
    chance: Choices,
    model: Model,
    underway: Underway,
}

fn config(separate: bool) -> StorageConfig {
    let log_dir = if separate { "/logs" } else { "/data" };
    StorageConfig {
        log_dir: log_dir.into(),
        ..super::config()
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            fs: MemFs::default(),
            config: config(seed % 2 == 1),
            tearing: [Tearing::Prefix, Tearing::Sectors][usize::from(seed % 4 < 2)],
            chance: Choices(seed),
            model: Model::default(),
            underway: Underway::default(),
        }
    }

    /// Runs the script of this seed until it ends or the disk stops.
    fn go(&mut self) -> Result<(), StorageError> {
        let mut storage = self.restart()?;
        for _ in 0..18 {
            match self.chance.below(12) {
                0..=4 => self.append(&mut storage)?,
                5 => storage.roll().map(|()| self.flushed())?,
                6 => self.snapshot(&mut storage)?,
                7 => self.install(&mut storage)?,
                8 => self.truncate(&mut storage)?,
                9 => self.epochs(&mut storage)?,
                10 => {
                    drop(storage);
                    // Not flushed: the writer's memory is gone with the process.
                    self.model.tail.clear();
                    storage = self.restart()?;
                }
                _ => storage.flush().map(|()| self.flushed())?,
            }
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<Storage<MemFs>, StorageError> {
        let (storage, recovered, history) = start(&self.fs, self.config.clone())?;
        assert_eq!(history, self.model.history);
        assert_eq!(recovered.last_zxid, self.last());
        Ok(storage)
    }

    fn last(&self) -> Zxid {
        let all = self.model.history.last();
        self.model.tail.last().or(all).copied().unwrap_or_default()
    }

    fn flushed(&mut self) {
        self.model.history.append(&mut self.model.tail);
    }

    fn append(&mut self, storage: &mut Storage<MemFs>) -> Result<(), StorageError> {
        for _ in 0..=self.chance.below(3) {
            let last = self.last();
            let epochs = if self.chance.below(8) == 0 { 1 } else { 0 };
            let next = match (last, epochs) {
                (Zxid::ZERO, _) => z(1, 1),
                (_, 0) => last.next().unwrap(),
                _ => z(last.epoch().0 + 1, 1),
            };
            if self
                .model
                .accepted
                .is_some_and(|accepted| next.epoch() > accepted)
            {
                self.accept(storage, next.epoch())?;
            }
            let size = [10, 600, 3000][self.chance.below(3)];
            self.model.tail.push(next);
            storage.append(next, &txn(next, size))?;
        }
        storage.flush()?;
        self.flushed();
        Ok(())
    }

    fn snapshot(&mut self, storage: &mut Storage<MemFs>) -> Result<(), StorageError> {
        storage.roll()?;
        self.flushed();
        // As in life: the state may be some transactions behind the log.
        let history = &self.model.history;
        let len = history.len()
            - self
                .chance
                .below(history.len().min(3) + 1)
                .min(history.len());
        let applied = &history[..len];
        let zxid = applied.last().copied().unwrap_or_default();
        let job = storage.snapshot_job(zxid, body(applied), (zxid, 1))?;
        assert!(matches!(job.run()?, SnapshotOutcome::Written { .. }));
        Ok(())
    }

    /// A snapshot of another branch: it shares the beginning of our history only.
    fn install(&mut self, storage: &mut Storage<MemFs>) -> Result<(), StorageError> {
        let mut history = self.model.history.clone();
        history.truncate(self.chance.below(history.len() + 1));
        let from = history.last().map_or(z(1, 0), |z| *z);
        let more = 1 + u32::try_from(self.chance.below(9)).unwrap();
        history.extend((1..=more).map(|n| z(from.epoch().0, from.counter() + n)));
        let zxid = *history.last().unwrap();
        self.underway.history = Some(history.clone());
        storage.install_snapshot(zxid, &body(&history), (zxid, 1))?;
        self.model.history = history;
        self.model.tail.clear();
        self.underway = Underway::default();
        Ok(())
    }

    fn truncate(&mut self, storage: &mut Storage<MemFs>) -> Result<(), StorageError> {
        storage.flush()?;
        self.flushed();
        let len = self.chance.below(self.model.history.len() + 1);
        let to = len
            .checked_sub(1)
            .map_or(Zxid::ZERO, |i| self.model.history[i]);
        self.underway.at_least = Some(len);
        if let TruncOutcome::Truncated { last_zxid } = storage.truncate_log(to)? {
            assert_eq!(last_zxid, to);
            self.model.history.truncate(len);
            let mut sink = super::History::default();
            storage.recover(&mut sink)?;
            assert_eq!(sink.0, self.model.history);
        }
        self.underway = Underway::default();
        Ok(())
    }

    fn epochs(&mut self, storage: &mut Storage<MemFs>) -> Result<(), StorageError> {
        let least = self
            .last()
            .epoch()
            .max(self.model.accepted.unwrap_or_default());
        let next = Epoch(least.0 + 1);
        self.accept(storage, next)?;
        self.underway.current = Some(next);
        storage.write_current_epoch(next)?;
        self.model.current = Some(next);
        self.underway = Underway::default();
        Ok(())
    }

    fn accept(&mut self, storage: &mut Storage<MemFs>, epoch: Epoch) -> Result<(), StorageError> {
        self.underway.accepted = Some(epoch);
        storage.write_accepted_epoch(epoch)?;
        self.model.accepted = Some(epoch);
        self.underway = Underway::default();
        Ok(())
    }

    /// Recovers and compares with what may be there; the model becomes what is there.
    fn check(&mut self) -> Storage<MemFs> {
        let (storage, recovered, found) = start(&self.fs, self.config.clone()).unwrap();
        let Self {
            model, underway, ..
        } = self;
        let all: Vec<_> = model.history.iter().chain(&model.tail).copied().collect();
        let least = underway
            .at_least
            .unwrap_or(usize::MAX)
            .min(model.history.len());
        let kept = all.starts_with(&found) && found.len() >= least;
        let replaced = underway.history.as_ref() == Some(&found);
        assert!(kept || replaced, "{found:?}\n{model:?}\n{underway:?}");
        for (found, before, after) in [
            (recovered.accepted_epoch, model.accepted, underway.accepted),
            (recovered.current_epoch, model.current, underway.current),
        ] {
            let from_data = (!recovered.empty).then(|| recovered.last_zxid.epoch());
            let allowed = [before, after, from_data];
            assert!(
                found.is_none() || allowed.contains(&found),
                "{found:?} {allowed:?}"
            );
            assert!(found >= before, "{found:?} {before:?}");
        }
        // What a recovery told its caller may not be forgotten by the next power loss.
        model.accepted = recovered.accepted_epoch;
        model.current = recovered.current_epoch;
        model.history = found;
        model.tail.clear();
        storage
    }

    fn crash(&mut self, power_loss: bool) {
        if power_loss {
            self.fs.power_loss(&mut self.chance, self.tearing);
        } else {
            self.fs.revive();
        }
    }
}

#[test]
fn a_crash_at_any_call_loses_nothing_promised_and_invents_nothing() {
    for seed in 0..10 {
        let mut whole = Run::new(seed);
        whole.go().unwrap();
        let calls = whole.fs.calls();
        for at in 0..calls {
            for power_loss in [true, false] {
                let mut run = Run::new(seed);
                run.fs.stop_after(at);
                let error = run.go().unwrap_err();
                assert!(
                    matches!(error, StorageError::Io { .. }),
                    "seed {seed} at {at}: {error}"
                );
                run.chance = Choices(seed << 32 | at as u64);
                run.crash(power_loss);
                // The recovery is interrupted as well.
                let again = run.chance.below(8);
                run.fs.stop_after(again);
                let recovered = start(&run.fs, run.config.clone()).is_ok();
                run.crash(power_loss && !recovered);
                let mut storage = run.check();
                run.append(&mut storage).unwrap();
                drop(storage);
                run.underway = Underway::default();
                run.fs.power_loss(&mut run.chance, run.tearing);
                run.check();
            }
        }
    }
}

#[test]
fn a_batch_torn_by_sectors_is_cut_off() {
    let batch: Vec<_> = (2..=9).map(|n| z(1, n)).collect();
    let mut lengths = [0; 10];
    for seed in 0..600 {
        let mut chance = Choices(seed);
        let fs = MemFs::default();
        let (mut storage, ..) = start(&fs, config(false)).unwrap();
        super::log(&mut storage, &[z(1, 1)]);
        for zxid in &batch {
            let size = [10, 100, 500, 2500][chance.below(4)];
            storage.append(*zxid, &txn(*zxid, size)).unwrap();
        }
        fs.stop_after(2);
        while storage.flush().is_ok() {
            let next = storage.last_zxid().unwrap().next().unwrap();
            storage.append(next, &txn(next, 10)).unwrap();
            fs.stop_after(1);
        }
        assert!(matches!(storage.flush(), Err(StorageError::Poisoned)));
        drop(storage);
        fs.power_loss(&mut chance, Tearing::Sectors);
        let (.., history) = start(&fs, config(false)).unwrap();
        assert!(!history.is_empty(), "seed {seed}");
        lengths[history.len().min(9)] += 1;
    }
    // Nothing of the batch, all of it, and much between.
    assert!(
        lengths[1..6].iter().all(|n| *n > 0) && lengths[9] > 0,
        "{lengths:?}"
    );
}
