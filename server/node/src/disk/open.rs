//! Opens the data directory and folds what is in it into what the core starts with.

use std::path::PathBuf;

use thiserror::Error;
use tracing::{error, info, warn};
use zk_core::{Recovery, RecoveryBuilder, Trust};
use zk_storage::{Recovered, StdFs, Storage, StorageConfig, StorageError};

use super::timed::{Timed, Told, newest_snapshot_at};
use crate::clock::Clock;
use crate::config::{MembersFrom, Mode, Settings};
use crate::shutdown::exit_code;

/// The data directory cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// As storage says.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Damage, and no other server to take the state from.
    #[error(
        "{0}; no other server has this server's state: restore the data directory from a copy, or set \
         it aside to begin with nothing"
    )]
    Alone(StorageError),
    /// The file of the members is another one than the one of its version.
    #[error(
        "{} has other members than the tree has for its version {version:x}; {remedy}",
        path.display()
    )]
    Members {
        /// The file.
        path: PathBuf,
        /// The version that it has.
        version: i64,
        /// What to do.
        remedy: &'static str,
    },
}

impl OpenError {
    /// Whether another process has the directory.
    #[must_use]
    pub fn is_lock(&self) -> bool {
        matches!(self, Self::Storage(StorageError::Locked { .. }))
    }

    /// Apache's exit code for it.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        let error = match self {
            Self::Storage(error) | Self::Alone(error) => error,
            Self::Members { .. } => return exit_code::INVALID_INVOCATION,
        };
        match error {
            StorageError::Config(_) => exit_code::INVALID_INVOCATION,
            StorageError::Missing { .. }
            | StorageError::Misplaced { .. }
            | StorageError::Identity { .. }
            | StorageError::Locked { .. }
            | StorageError::Io { .. } => exit_code::DATA_DIR,
            StorageError::Corrupt { .. }
            | StorageError::Epochs { .. }
            | StorageError::OutOfOrder { .. }
            | StorageError::NotRecovered
            | StorageError::Poisoned => exit_code::UNEXPECTED,
        }
    }
}

/// A directory that is ready to be written to, and what was in it.
pub struct Opened {
    /// For the storage thread.
    pub storage: Storage<StdFs>,
    /// For the core.
    pub recovery: Recovery,
    /// For the metrics.
    pub told: Told,
}

/// Opens and recovers.
///
/// # Errors
/// A directory that is damaged, somebody else's, or not accessible; it is not changed then.
pub fn open(settings: &Settings, clock: Clock) -> Result<Opened, OpenError> {
    let config = StorageConfig {
        log_dir: settings.data_log_dir.clone(),
        prealloc_bytes: settings.preallocate_bytes,
        snap_retain: settings.retain.unwrap_or(usize::MAX),
        ensemble_id: settings.ensemble_id.clone(),
        server_id: match &settings.mode {
            Mode::Standalone => None,
            Mode::Ensemble { sid, .. } => Some(*sid),
        },
        autocreate: settings.create_data_dir,
        db_autocreate: settings.create_database,
        diff_factor: settings.diff_factor,
        ..StorageConfig::new(settings.data_dir.clone())
    };
    let mut storage = Storage::open(StdFs, config)?;
    let began = clock.elapsed();
    let mut timed = Timed::new(clock);
    let recovery = match recover_into(&mut storage, &mut timed) {
        Err(damage) if damage.is_damage() && can_be_healed(settings) => {
            error!(
                "{damage}; this server has no vote until a leader has sent its state; the files \
                 stay as they are until then, and are set aside after that"
            );
            let found = storage.go_on_without()?;
            let mut recovery = finish(RecoveryBuilder::new(), &found);
            recovery.trust = Trust::Damaged;
            recovery
        }
        Err(damage) if damage.is_damage() => return Err(OpenError::Alone(damage)),
        other => other?,
    };
    check_members(settings, &recovery)?;
    let snapshot_at = newest_snapshot_at(&settings.data_dir).unwrap_or_else(|e| {
        warn!("when the last snapshot was written cannot be told: {e}");
        None
    });
    let told = timed.tells(began, snapshot_at);
    Ok(Opened {
        storage,
        recovery,
        told,
    })
}

/// A file that was cut could make a member serve alone, and one that was changed in one digit let it
/// look for the others for ever.
fn check_members(settings: &Settings, recovery: &Recovery) -> Result<(), OpenError> {
    // What the file says, not what became of it: a single line that is left makes a server alone.
    let (file, Some(tree)) = (&settings.members_found, recovery.config()) else {
        return Ok(());
    };
    let version = file.version;
    if version != tree.version || file.same_members(&tree) {
        return Ok(());
    }
    let (path, remedy) = match &settings.members_from {
        MembersFrom::Dynamic(file) => (
            file,
            "copy it from another member, or give it a name with a higher version to force the \
             members in it",
        ),
        MembersFrom::File(file) => (
            file,
            "remove it, and the server lines of zoo.cfg count, with a higher \
             quorate.members.version to force them",
        ),
        MembersFrom::LinesBeside(_) if version > 0 => (
            &settings.path,
            "write the server lines that another member has for it, or a higher \
             quorate.members.version to force the lines that are there",
        ),
        MembersFrom::Lines | MembersFrom::LinesBeside(_) => return Ok(()),
    };
    let path = path.clone();
    Err(OpenError::Members {
        path,
        version,
        remedy,
    })
}

/// Whether there can be somebody who has what is damaged here.
fn can_be_healed(settings: &Settings) -> bool {
    match &settings.mode {
        Mode::Standalone => false,
        Mode::Ensemble { sid, membership } => membership.voters().any(|voter| voter != *sid),
    }
}

/// Reads the directory, at start or after the log was cut.
///
/// # Errors
/// Damage.
pub(super) fn recover(storage: &mut Storage<StdFs>) -> Result<Recovery, StorageError> {
    let mut builder = RecoveryBuilder::new();
    let found = storage.recover(&mut builder)?;
    Ok(recovered(builder, &found))
}

/// The same, measured.
fn recover_into(storage: &mut Storage<StdFs>, timed: &mut Timed) -> Result<Recovery, StorageError> {
    let found = storage.recover(timed)?;
    Ok(recovered(std::mem::take(&mut timed.builder), &found))
}

fn recovered(builder: RecoveryBuilder, found: &Recovered) -> Recovery {
    if let Some(torn) = &found.torn_tail {
        warn!("the end of the log was torn by a crash and is cut off: {torn:?}");
    }
    match found.snapshot_zxid {
        Some(snapshot) => info!(
            "recovered up to {}, from snapshot {snapshot}",
            found.last_zxid
        ),
        None => info!("the data directory is empty"),
    }
    if !found.trusted {
        warn!(
            "db.autocreate is off and there is no file `initialize`: this server may have lost \
             what it acknowledged and has no vote until a leader has brought it level"
        );
    }
    finish(builder, found)
}

fn finish(builder: RecoveryBuilder, found: &Recovered) -> Recovery {
    let epoch = |found: Option<_>| found.unwrap_or_default();
    let mut recovery = builder.finish(epoch(found.accepted_epoch), epoch(found.current_epoch));
    if !found.trusted {
        recovery.trust = Trust::Lost;
    }
    recovery
}
