//! Takes the levels of the log from a file while the operator runs.
//!
//! A file, since everybody in the cluster reaches the operator's port: who may write the ConfigMap behind the
//! file may change the operator anyway. It is small, so it is simply read again: that follows the symbolic links
//! by which a kubelet swaps a mounted ConfigMap.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_telemetry::{BadLevels, Levels, Log};
use tokio::task::spawn_blocking;

/// How often the file is read.
const PERIOD: Duration = Duration::from_secs(5);

/// Longest content, bytes.
const LEN_MAX: u64 = 4096;

/// Reads the file until the task is ended.
pub async fn watch(log: Log, file: PathBuf) {
    follow(log, file, PERIOD).await;
}

async fn follow(log: Log, file: PathBuf, period: Duration) {
    let mut last = None;
    loop {
        let path = file.clone();
        let found = spawn_blocking(move || read(&path)).await;
        let Ok(found) = found else {
            return;
        };
        // Said once, however long it stays.
        if last.as_ref() != Some(&found) {
            take(&log, &file, &found);
            last = Some(found);
        }
        tokio::time::sleep(period).await;
    }
}

/// The levels that the file says, or why it says none.
fn read(path: &Path) -> Result<Levels, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(LEN_MAX).read_to_string(&mut text))
        .map_err(|e| e.to_string())?;
    text.trim().parse().map_err(|e: BadLevels| e.to_string())
}

/// Levels that are none change nothing.
fn take(log: &Log, file: &Path, found: &Result<Levels, String>) {
    match found {
        Ok(levels) => log.set(Some(levels.clone())),
        Err(e) => {
            let stay = log.in_force().levels;
            tracing::warn!(file = %file.display(), "the levels of the log stay {stay}: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Waits until the log has these levels.
    async fn waits_for(log: &Log, levels: &str) {
        let look = async {
            while log.in_force().levels != levels {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap();
    }

    #[tokio::test]
    async fn levels_follow_the_file() {
        let directory = std::env::temp_dir().join(format!("quorate-levels-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("level");
        std::fs::write(&file, "warn\n").unwrap();
        let log = Log::unread();
        let watching = tokio::spawn(follow(log.clone(), file.clone(), Duration::from_millis(1)));
        waits_for(&log, "warn").await;
        std::fs::write(&file, "info,kube=debug\n").unwrap();
        waits_for(&log, "info,kube=debug").await;
        watching.abort();
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_is_no_level_changes_nothing() {
        let log = Log::unread();
        let file = Path::new("/no/such/file");
        take(&log, file, &Ok(Levels::warn()));
        let bad = read(file);
        assert!(bad.is_err());
        take(&log, file, &bad);
        assert_eq!(log.in_force().levels, "warn");
    }
}
