//! The files of the members: `<zoo.cfg>.dynamic.<version>`, `.dynamic.next` for what is proposed, and
//! `zoo.cfg` itself, which points to the former.
//!
//! Source: `QuorumPeerConfig.writeDynamicConfig` and `editStaticConfig` of Apache ZooKeeper 3.9. Other
//! than there, comments and the order of the lines of `zoo.cfg` stay. With `quorate.members.file` none of
//! these is written, but that file (`super::members_file`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing::info;
use zk_core::Configs;
use zk_wire::Sid;
use zk_wire::membership::Membership;

use super::members_file;
use super::properties;
use super::settings::{Mode, Settings};

/// Writes the files of one server.
#[derive(Debug)]
pub struct ConfigFiles {
    /// `zoo.cfg`.
    path: PathBuf,
    /// The file that is written instead.
    members: Option<PathBuf>,
    sid: Sid,
    /// The version that is written down.
    version: i64,
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Where the config is that was proposed last.
fn next_path(path: &Path) -> PathBuf {
    with_suffix(path, ".dynamic.next")
}

/// What was proposed last, if there is such a file and it can be read.
pub(super) fn read_next(path: &Path) -> Option<Membership> {
    let text = fs::read_to_string(next_path(path)).ok()?;
    Membership::parse(&text).ok()
}

/// Replaces a file at once.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let temporary = with_suffix(path, ".tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(named)
}

/// The lines that go when the members are in a file of their own.
fn is_of_members(key: &str, has_client: bool) -> bool {
    let of_clients = matches!(key, "clientPort" | "clientPortAddress");
    [
        "server.",
        "group",
        "weight",
        "dynamicConfigFile",
        "peerType",
    ]
    .iter()
    .any(|prefix| key.starts_with(prefix))
        || of_clients && has_client
}

/// `zoo.cfg` without its members, pointing to their file with its last line.
fn pointing_to(text: &str, dynamic: &Path, has_client: bool) -> String {
    let gone: Vec<(usize, usize)> = properties::spans(text)
        .into_iter()
        .filter(|(property, _)| is_of_members(&property.key, has_client))
        .map(|(property, last)| (property.line, last))
        .collect();
    let mut out = String::new();
    for (at, line) in text.lines().enumerate() {
        let is_gone = |(first, last): &(usize, usize)| (*first..=*last).contains(&(at + 1));
        if !gone.iter().any(is_gone) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.push_str(&format!("dynamicConfigFile={}\n", dynamic.display()));
    out
}

impl ConfigFiles {
    /// The files of a member; `None` without an ensemble.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let Mode::Ensemble { sid, membership } = &settings.mode else {
            return None;
        };
        Some(Self {
            path: std::path::absolute(&settings.path).ok()?,
            members: settings.members_from.file().map(Path::to_owned),
            sid: *sid,
            version: membership.version,
        })
    }

    /// Writes down what is in force and what is proposed.
    ///
    /// # Errors
    /// The file that cannot be written.
    pub fn write(&mut self, configs: &Configs) -> io::Result<()> {
        if let Some(file) = &self.members {
            members_file::write(file, configs, self.version)?;
            self.version = self.version.max(configs.committed.version);
            return Ok(());
        }
        if configs.committed.version > self.version {
            self.commit(&configs.committed)?;
            self.version = configs.committed.version;
        }
        let next = next_path(&self.path);
        match &configs.proposed {
            Some(proposed) => replace(&next, &proposed.to_text()),
            None => match fs::remove_file(&next) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            },
        }
    }

    fn commit(&self, config: &Membership) -> io::Result<()> {
        let dynamic = with_suffix(&self.path, &format!(".dynamic.{:x}", config.version));
        let mut lines = config.lines();
        lines.sort_unstable();
        replace(&dynamic, &lines.join("\n"))?;
        let text = super::settings::latin1(&fs::read(&self.path)?);
        let had_members = properties::parse(&text)
            .iter()
            .any(|property| property.key.starts_with("server."));
        if had_members {
            replace(&with_suffix(&self.path, ".bak"), &text)?;
        }
        let own = config.servers.get(&self.sid);
        let has_client = own.is_some_and(|spec| spec.client.is_some());
        replace(&self.path, &pointing_to(&text, &dynamic, has_client))?;
        info!("the members are in {} now", dynamic.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    const LINES: &str = "server.2=b:1:2:participant\nserver.1=a:1:2:participant;0.0.0.0:2183";

    fn configs(version: i64, proposed: Option<i64>) -> Configs {
        let at =
            |version: i64| Membership::parse(&format!("{LINES}\nversion={version:x}")).unwrap();
        Configs {
            committed: at(version),
            proposed: proposed.map(at),
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_members_move_into_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zoo.cfg");
        let data = dir.path().display();
        let text = format!(
            "# kept\ndataDir={data}\ninitLimit=5\nsyncLimit=2\nclientPort=2183\n\
             server.1=a:1:2\nserver.2 = \\\n  b:1:2\npeerType=participant\n"
        );
        fs::write(&path, &text).unwrap();
        fs::write(dir.path().join("myid"), "1").unwrap();
        let load = || Settings::load(&path, None, &Flags::default()).unwrap();
        let mut files = ConfigFiles::new(&load()).unwrap();
        files.write(&configs(0, Some(0x1_0000_0005))).unwrap();
        assert_eq!(
            names(dir.path()),
            ["myid", "zoo.cfg", "zoo.cfg.dynamic.next"]
        );
        assert_eq!(load().proposed.unwrap().version, 0x1_0000_0005);
        files.write(&configs(0x1_0000_0005, None)).unwrap();
        let expected = [
            "myid",
            "zoo.cfg",
            "zoo.cfg.bak",
            "zoo.cfg.dynamic.100000005",
        ];
        assert_eq!(names(dir.path()), expected);
        let dynamic = format!("{}.dynamic.100000005", path.display());
        let sorted = "server.1=a:1:2:participant;0.0.0.0:2183\nserver.2=b:1:2:participant";
        assert_eq!(fs::read_to_string(&dynamic).unwrap(), sorted);
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!(
                "# kept\ndataDir={data}\ninitLimit=5\nsyncLimit=2\ndynamicConfigFile={dynamic}\n"
            )
        );
        assert_eq!(
            fs::read_to_string(dir.path().join("zoo.cfg.bak")).unwrap(),
            text
        );
        let settings = load();
        let Mode::Ensemble { membership, .. } = &settings.mode else {
            panic!("standalone")
        };
        assert_eq!(
            (membership.version, settings.proposed.is_none()),
            (0x1_0000_0005, true)
        );
        files.write(&configs(0x1_0000_0005, None)).unwrap();
        assert_eq!(names(dir.path()), expected, "nothing is written twice");
    }

    #[test]
    fn a_file_without_members_or_with_nonsense_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zoo.cfg");
        let dynamic = dir.path().join("zoo.cfg.dynamic.100000005");
        let text = format!(
            "dataDir={}\ninitLimit=5\nsyncLimit=2\nclientPort=2183\ndynamicConfigFile={}\n",
            dir.path().display(),
            dynamic.display()
        );
        fs::write(&path, text).unwrap();
        fs::write(dir.path().join("myid"), "1").unwrap();
        let refused = || {
            let error = Settings::load(&path, None, &Flags::default()).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(dynamic.to_str().unwrap()), "{said}");
            assert!(said.contains("copy"), "{said}");
        };
        refused();
        for content in [
            "",
            "server.1=a:1\n",
            "server.x=a:1:2\n",
            "clientPort=2181\n",
        ] {
            fs::write(&dynamic, content).unwrap();
            refused();
        }
    }
}
