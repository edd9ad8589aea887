//! Room on the disks, looked at now and then: a disk that hangs must not hang who asks for metrics.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::warn;

use super::Space;
use crate::monitor::Monitor;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);

/// Looks until the task is ended, one look at a time.
pub async fn watch(monitor: Arc<Monitor>) {
    let mut complained = false;
    loop {
        let looking = monitor.clone();
        let look = spawn_blocking(move || {
            let (s, m) = (&looking.settings, &looking.metrics);
            look(&s.data_dir, &m.data_space).and(look(&s.data_log_dir, &m.log_space))
        });
        match look.await {
            Ok(Ok(())) => complained = false,
            Ok(Err(e)) if !complained => {
                warn!("the room on the disks cannot be told: {e}");
                complained = true;
            }
            Ok(Err(_)) => {}
            // The runtime ends.
            Err(_) => return,
        }
        tokio::time::sleep(PERIOD).await;
    }
}

fn look(dir: &Path, space: &Space) -> std::io::Result<()> {
    let found = rustix::fs::statvfs(dir).inspect_err(|_| {
        // Better no number than an old one.
        space.free.set(0);
        space.size.set(0);
    })?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    space.free.set(bytes(found.f_bavail));
    space.size.set(bytes(found.f_blocks));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_room_and_one_that_is_missing_has_none() {
        let (dir, space) = (tempfile::tempdir().unwrap(), Space::default());
        look(dir.path(), &space).unwrap();
        assert!(space.size.value() > 0);
        assert!(space.free.value() <= space.size.value());
        assert!(look(&dir.path().join("missing"), &space).is_err());
    }
}
