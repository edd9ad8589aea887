//! The members in a file on the data volume, for servers whose `zoo.cfg` is read-only and the same for
//! all (`quorate.members.file`).
//!
//! Two lists are there at a start: the server lines of `zoo.cfg`, which whoever wrote them gave a version
//! (`quorate.members.version`), and the file, which the server writes whenever the members change. The
//! newer one counts. So the list of `zoo.cfg` forms an ensemble, the file carries it on, and a disk that
//! was away while the members changed is told by a newer list of `zoo.cfg` what it missed.
//!
//! The file is the text form of a config with its version in the last line; `<file>.next` is the same
//! for a config that is proposed. Apache has no such files: it rewrites `zoo.cfg` (`super::dynamic`).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tracing::info;
use zk_core::Configs;
use zk_wire::Sid;
use zk_wire::membership::Membership;

use super::dynamic::{replace, with_suffix};
use super::error::ConfigError;
use super::reader::Reader;
use super::settings::{MembersFrom, Mode, Settings};

/// The key that names the file.
pub(super) const FILE_KEY: &str = "quorate.members.file";

/// The key that gives the server lines of `zoo.cfg` their version, hexadecimal.
const VERSION_KEY: &str = "quorate.members.version";

/// Longest file that is read, bytes: several hundred members with long names.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Ids that a member can have.
const IDS: std::ops::RangeInclusive<i64> = 0..=254;

/// The file that is named, with the keys around it checked; `None` where none is.
pub(super) fn path(r: &Reader) -> Result<Option<PathBuf>, ConfigError> {
    let Some(file) = r.text(FILE_KEY) else {
        if r.text(VERSION_KEY).is_some() {
            let why = format!("it needs {FILE_KEY}; add for example {FILE_KEY}=/data/members");
            return Err(r.bad(VERSION_KEY, why));
        }
        return Ok(None);
    };
    let file = PathBuf::from(file);
    if !file.is_absolute() || file.file_name().is_none() {
        let why = "not an absolute path of a file; write for example /data/members";
        return Err(r.bad(FILE_KEY, why));
    }
    if r.text("dynamicConfigFile").is_some() {
        let why = "dynamicConfigFile is a second place for the members; keep one of the two keys";
        return Err(r.bad(FILE_KEY, why));
    }
    if r.flag("standaloneEnabled", false)? {
        let why = "members that are written down are an ensemble, even one alone; remove the line";
        return Err(r.bad("standaloneEnabled", why));
    }
    if !r.flag("reconfigEnabled", true)? {
        let why = format!("the members cannot change then; remove the line, or {FILE_KEY}");
        return Err(r.bad("reconfigEnabled", why));
    }
    Ok(Some(file))
}

/// The version of the server lines of `zoo.cfg`.
fn listed_version(r: &Reader) -> Result<i64, ConfigError> {
    let Some(text) = r.text(VERSION_KEY) else {
        return Ok(0);
    };
    let version = i64::from_str_radix(text, 16).ok();
    let version = version.filter(|version| *version >= 0 && !text.starts_with('+'));
    let why = "not a version; write the hexadecimal number that /v1/status shows in config";
    version.ok_or_else(|| r.bad(VERSION_KEY, why))
}

/// The newer one of what `zoo.cfg` lists and what the file has, and which of them that is.
pub(super) fn choose(
    r: &Reader,
    file: PathBuf,
    mut listed: Membership,
) -> Result<(Membership, MembersFrom), ConfigError> {
    listed.version = listed_version(r)?;
    match read(&file)? {
        Some(kept) if kept.version >= listed.version => Ok((kept, MembersFrom::File(file))),
        _ if listed.servers.is_empty() => Err(ConfigError::Contradiction {
            path: r.path().to_owned(),
            why: format!(
                "no server line, and none in {}; write for example server.1=host:2888:3888;2181",
                file.display()
            ),
        }),
        _ => Ok((listed, MembersFrom::LinesBeside(file))),
    }
}

/// What the file has; `None` where there is none.
fn read(path: &Path) -> Result<Option<Membership>, ConfigError> {
    let mut raw = Vec::new();
    let outcome = File::open(path).and_then(|f| f.take(FILE_LEN_MAX + 1).read_to_end(&mut raw));
    match outcome {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(ConfigError::Io {
                path: path.to_owned(),
                op: "read",
                source,
            });
        }
        Ok(_) => {}
    }
    let bad = |why: String| ConfigError::MembersFile {
        path: path.to_owned(),
        why,
    };
    parse(&raw).map(Some).map_err(bad)
}

/// Only a whole text is one: a part of it could name fewer members, or an earlier version.
fn parse(raw: &[u8]) -> Result<Membership, String> {
    if raw.len() as u64 > FILE_LEN_MAX {
        return Err(format!("it is longer than {FILE_LEN_MAX} bytes"));
    }
    let text = std::str::from_utf8(raw).map_err(|_| "it is not text".to_owned())?;
    let last = text.lines().last().unwrap_or_default();
    if !text.ends_with('\n') || !last.starts_with("version=") {
        return Err("it is cut: it does not end with a line version=..".into());
    }
    let members = Membership::parse(text).map_err(|e| e.to_string())?;
    if members.voters().next().is_none() {
        return Err("no server in it has a vote".into());
    }
    match members.servers.keys().find(|sid| !IDS.contains(&sid.0)) {
        Some(Sid(sid)) => Err(format!("{sid} is no id of a server")),
        None => Ok(members),
    }
}

fn next_path(file: &Path) -> PathBuf {
    with_suffix(file, ".next")
}

/// What was proposed last, if that is written down and can be read.
pub(super) fn read_next(file: &Path) -> Option<Membership> {
    read(&next_path(file)).ok().flatten()
}

fn text_of(members: &Membership) -> String {
    format!("{}\n", members.to_text())
}

/// Writes down what is in force where it is newer than `known`, and what is proposed.
pub(super) fn write(file: &Path, configs: &Configs, known: i64) -> io::Result<()> {
    if configs.committed.version > known {
        replace(file, &text_of(&configs.committed))?;
        info!("the members are in {} now", file.display());
    }
    let next = next_path(file);
    if let Some(proposed) = &configs.proposed {
        return replace(&next, &text_of(proposed));
    }
    match fs::remove_file(&next) {
        Ok(()) => file
            .parent()
            .map_or(Ok(()), |dir| File::open(dir)?.sync_all()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Writes down a list of `zoo.cfg` that counted, so that this server does not go back to an older one
/// should `zoo.cfg` do. Before anything is said to others.
///
/// # Errors
/// A file that cannot be written.
pub fn settle_members(settings: &Settings) -> Result<(), ConfigError> {
    let (MembersFrom::LinesBeside(file), Mode::Ensemble { membership, .. }) =
        (&settings.members_from, &settings.mode)
    else {
        return Ok(());
    };
    if membership.version == 0 {
        return Ok(());
    }
    replace(file, &text_of(membership)).map_err(|source| ConfigError::Io {
        path: file.clone(),
        op: "write the members",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigFiles, Flags};

    const OLD: &str = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n";
    const NEW: &str = "server.1=a:1:2:participant\n";

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new(id: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("myid"), id).unwrap();
            Self { dir }
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("members")
        }

        fn load(&self, lines: &str) -> Result<Settings, ConfigError> {
            let path = self.dir.path().join("zoo.cfg");
            let text = format!(
                "dataDir={}\ninitLimit=5\nsyncLimit=2\nclientPort=2183\n{FILE_KEY}={}\n{lines}",
                self.dir.path().display(),
                self.file().display()
            );
            fs::write(&path, text).unwrap();
            Settings::load(&path, None, &Flags::default())
        }

        /// Version and ids of the members that count.
        fn members(&self, lines: &str) -> (i64, Vec<i64>) {
            match self.load(lines).unwrap().mode {
                Mode::Standalone => panic!("standalone"),
                Mode::Ensemble { membership, .. } => {
                    let ids = membership.servers.keys().map(|sid| sid.0).collect();
                    (membership.version, ids)
                }
            }
        }

        fn refused(&self, lines: &str) -> String {
            self.load(lines).unwrap_err().to_string()
        }
    }

    fn members(text: &str, version: i64) -> Membership {
        Membership::parse(&format!("{text}version={version:x}")).unwrap()
    }

    #[test]
    fn the_newer_list_counts_and_the_file_on_a_tie() {
        let place = Place::new("1");
        assert_eq!(place.members(OLD), (0, vec![1, 2]));
        settle_members(&place.load(OLD).unwrap()).unwrap();
        assert!(!place.file().exists(), "nothing to be remembered");
        fs::write(place.file(), format!("{OLD}version=0\n")).unwrap();
        assert_eq!(place.members(NEW), (0, vec![1, 2]), "a tie");
        let newer = format!("{NEW}{VERSION_KEY}=100000007\n");
        assert_eq!(place.members(&newer), (0x1_0000_0007, vec![1]));
        settle_members(&place.load(&newer).unwrap()).unwrap();
        assert_eq!(place.members(OLD), (0x1_0000_0007, vec![1]), "it is kept");
        assert_eq!(place.members(""), (0x1_0000_0007, vec![1]));
    }

    #[test]
    fn changes_are_written_to_the_file_and_nowhere_else() {
        let place = Place::new("1");
        let settings = place.load(OLD).unwrap();
        let before = fs::read(&settings.path).unwrap();
        let mut files = ConfigFiles::new(&settings).unwrap();
        let configs = |committed, proposed| Configs {
            committed,
            proposed,
        };
        let (old, new) = (members(OLD, 0), members(NEW, 0x2_0000_0001));
        files
            .write(&configs(old.clone(), Some(new.clone())))
            .unwrap();
        assert!(!place.file().exists());
        assert_eq!(place.load(OLD).unwrap().proposed, Some(new.clone()));
        files.write(&configs(new, None)).unwrap();
        let text = fs::read_to_string(place.file()).unwrap();
        assert_eq!(text, format!("{NEW}version=200000001\n"));
        assert!(place.load(OLD).unwrap().proposed.is_none());
        assert_eq!(fs::read(&settings.path).unwrap(), before);
        let mut names: Vec<_> = fs::read_dir(place.dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["members", "myid", "zoo.cfg"]);
        // What was proposed before the list of zoo.cfg is of no interest.
        files.write(&configs(old, Some(members(OLD, 5)))).unwrap();
        assert!(place.load(OLD).unwrap().proposed.is_none());
    }

    #[test]
    fn a_file_that_is_no_list_is_refused_with_the_remedy() {
        let place = Place::new("1");
        for content in [
            "",
            "server.1=a:1:2\n",
            "server.1=a:1:2\nversion=10",
            "version=10\n",
            "server.1=a:1:2:observer\nversion=10\n",
            "server.1=a:1\nversion=10\n",
            "server.999=a:1:2\nversion=10\n",
            "server.1=a:1:2\nversion=-1\n",
            "server.1=\u{0}\nversion=1\n",
        ] {
            fs::write(place.file(), content).unwrap();
            let said = place.refused(OLD);
            let file = place.file();
            assert!(said.starts_with(file.to_str().unwrap()), "{said}");
            assert!(said.contains("remove the file"), "{said}");
        }
        fs::write(place.file(), vec![b'\n'; 2 << 20]).unwrap();
        assert!(place.refused(OLD).contains("longer than"));
        fs::write(place.file(), [0xff, b'\n']).unwrap();
        assert!(place.refused(OLD).contains("not text"));
    }

    #[test]
    fn keys_that_do_not_go_together_are_refused() {
        let place = Place::new("1");
        for (lines, part) in [
            ("", "no server line"),
            ("standaloneEnabled=true\n", "standaloneEnabled"),
            ("reconfigEnabled=false\n", "reconfigEnabled"),
            ("quorate.members.version=xyz\n", "quorate.members.version"),
            ("quorate.members.version=-1\n", "quorate.members.version"),
            ("quorate.members.version=+1\n", "quorate.members.version"),
        ] {
            let lines = match lines {
                "" => String::new(),
                lines => format!("{OLD}{lines}"),
            };
            let said = place.refused(&lines);
            assert!(said.contains(part), "{said}");
        }
        fs::write(place.dir.path().join("x.1"), OLD).unwrap();
        let said = place.refused("dynamicConfigFile=x.1\n");
        assert!(said.contains("dynamicConfigFile"), "{said}");
        let said = place.refused(&format!("{FILE_KEY}=members\n{OLD}"));
        assert!(said.contains("absolute"), "{said}");
    }

    #[test]
    fn one_server_is_an_ensemble_of_one() {
        let place = Place::new("1");
        assert_eq!(place.members(NEW), (0, vec![1]));
        let settings = place.load(NEW).unwrap();
        assert!(!settings.reconfig.standalone_enabled, "it may grow");
    }
}
