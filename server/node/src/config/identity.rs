//! Who this server is: `myid`, or the ordinal of its pod.
//!
//! A data directory that belongs to another server must never be opened: its votes and
//! acknowledgements would be somebody else's. (Of which ensemble it is, storage knows.)

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use zk_wire::Sid;

use super::error::ConfigError;

/// Highest id: session ids carry it in their first byte, and 255 means something else there.
const ID_MAX: i64 = 254;

/// A pod of a set: its id follows from its ordinal.
#[derive(Debug, Clone)]
pub struct PodIdentity {
    /// Name of the pod, ending in `-<ordinal>`.
    pub name: String,
    /// Id of the pod with ordinal 0.
    pub id_base: i64,
    /// The DNS name, or address, under which the other servers reach this pod: with it a server that no
    /// list of the members has joins them.
    pub host: Option<String>,
    /// Whether a server that no list has observes, instead of waiting for a vote.
    pub observes: bool,
}

impl PodIdentity {
    /// The id of this pod.
    ///
    /// # Errors
    /// A name without an ordinal, or an id out of range.
    pub fn sid(&self) -> Result<Sid, String> {
        let ordinal = self
            .name
            .rsplit_once('-')
            .and_then(|(_, n)| n.parse::<i64>().ok());
        let ordinal = ordinal
            .ok_or_else(|| format!("the pod name {:?} does not end in -<ordinal>", self.name))?;
        let sid = self.id_base.saturating_add(ordinal);
        if (1..=ID_MAX).contains(&sid) {
            return Ok(Sid(sid));
        }
        Err(format!(
            "id {sid} (ordinal {ordinal} of pod {:?} + --id-base {}) is not in 1..={ID_MAX}",
            self.name, self.id_base
        ))
    }
}

/// Reads `myid` of an ensemble member; writes it first when a pod name tells it and none is there.
///
/// # Errors
/// No id, a bad one, or one that is not the pod's.
pub(crate) fn my_id(data_dir: &Path, pod: Option<&PodIdentity>) -> Result<Sid, ConfigError> {
    let path = data_dir.join("myid");
    let bad = |why: String| ConfigError::MyId {
        path: path.clone(),
        why,
    };
    let expected = pod.map(PodIdentity::sid).transpose().map_err(bad)?;
    let text = match std::fs::read(&path) {
        // What is no text is no number either.
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return expected.ok_or_else(|| {
                bad("the file is missing; write this server's id into it, the N of its server.N line"
                    .into())
            });
        }
        Err(source) => {
            return Err(ConfigError::Io {
                path,
                op: "read",
                source,
            });
        }
    };
    let first = text.lines().next().unwrap_or_default().trim();
    let sid = first
        .parse::<i64>()
        .ok()
        .filter(|n| (0..=ID_MAX).contains(n))
        .ok_or_else(|| {
            bad(format!(
                "{first:?} is not an id; write a number from 1 to {ID_MAX} into it"
            ))
        })?;
    match expected {
        Some(expected) if expected != Sid(sid) => Err(bad(format!(
            "it says {sid}, but this pod is server {expected}; the volume belongs to another \
             server: give this pod its own volume, or change --pod-name or --id-base"
        ))),
        _ => Ok(Sid(sid)),
    }
}

/// Writes `myid` where it is missing, once everything else is found good.
///
/// # Errors
/// A file that cannot be written.
pub fn settle_my_id(data_dir: &Path, sid: Sid) -> Result<(), ConfigError> {
    let path = data_dir.join("myid");
    if path.exists() {
        Ok(())
    } else {
        write_once(&path, &format!("{sid}\n"))
    }
}

/// Writes a small file so that after a crash it is there whole or not at all.
fn write_once(path: &Path, content: &str) -> Result<(), ConfigError> {
    let failed = |op| {
        move |source| ConfigError::Io {
            path: path.to_owned(),
            op,
            source,
        }
    };
    let temporary: PathBuf = path.with_extension("tmp");
    let mut file = std::fs::File::create(&temporary).map_err(failed("create"))?;
    file.write_all(content.as_bytes())
        .map_err(failed("write"))?;
    file.sync_all().map_err(failed("fsync"))?;
    std::fs::rename(&temporary, path).map_err(failed("rename"))?;
    let dir = path.parent().unwrap_or(path);
    std::fs::File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(failed("fsync of the directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> PodIdentity {
        PodIdentity {
            name: name.into(),
            id_base: 1,
            host: None,
            observes: false,
        }
    }

    #[test]
    fn the_ordinal_gives_the_id() {
        assert_eq!(pod("zoo-0").sid(), Ok(Sid(1)));
        assert_eq!(pod("a-b-12").sid(), Ok(Sid(13)));
        assert!(pod("zoo").sid().is_err());
        assert!(pod("zoo-254").sid().is_err());
    }

    #[test]
    fn an_id_is_settled_once_and_another_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(my_id(dir.path(), None).is_err());
        let sid = my_id(dir.path(), Some(&pod("zoo-2"))).unwrap();
        settle_my_id(dir.path(), sid).unwrap();
        assert_eq!(
            std::fs::read_to_string(dir.path().join("myid")).unwrap(),
            "3\n"
        );
        assert_eq!(my_id(dir.path(), None).unwrap(), Sid(3));
        let text = my_id(dir.path(), Some(&pod("zoo-0")))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("says 3") && text.contains("server 1"),
            "{text}"
        );
        std::fs::write(dir.path().join("myid"), "abc").unwrap();
        assert!(my_id(dir.path(), None).is_err());
    }
}
