//! The audit log.

use std::path::PathBuf;

use super::error::ConfigError;
use super::reader::Reader;
use super::settings::to_usize;

/// Where the audit log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// `quorate.audit.file`; `None`: to standard error, among the lines of the log.
    pub file: Option<PathBuf>,
    /// `quorate.audit.fileBytesMax`: a file that is longer is put aside.
    pub file_bytes_max: u64,
    /// `quorate.audit.filesMax`: files that are kept, with the one that is written.
    pub files_max: usize,
}

/// `None` without `audit.enable`.
pub(super) fn read(r: &Reader) -> Result<Option<AuditSettings>, ConfigError> {
    const FILE: &str = "quorate.audit.file";
    let on = r.flag("audit.enable", false)?;
    let file = r.text(FILE).map(PathBuf::from);
    if !on && file.is_some() {
        let why = "nothing is written without audit.enable=true; add it, or remove this line";
        return Err(r.bad(FILE, why));
    }
    if file.as_ref().is_some_and(|file| file.is_relative()) {
        return Err(r.bad(FILE, "write an absolute path, for example /data/audit.log"));
    }
    let settings = AuditSettings {
        file,
        file_bytes_max: r.count("quorate.audit.fileBytesMax", 64 << 20, 65_536, "67108864")?,
        files_max: to_usize(r.count("quorate.audit.filesMax", 10, 1, "10")?.min(1000)),
    };
    Ok(on.then_some(settings))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    fn settings(text: &str) -> Result<Option<AuditSettings>, String> {
        let reader = Reader::new(Path::new("zoo.cfg"), text, &Flags::default());
        read(&reader).map_err(|e| e.to_string())
    }

    #[test]
    fn it_is_off_unless_it_is_asked_for() {
        assert_eq!(settings(""), Ok(None));
        assert_eq!(settings("audit.enable=false"), Ok(None));
        let on = settings("audit.enable=true").unwrap().unwrap();
        assert_eq!(
            (on.file, on.file_bytes_max, on.files_max),
            (None, 64 << 20, 10)
        );
        let text = "audit.enable=true\nquorate.audit.file=/a\nquorate.audit.fileBytesMax=70000\n\
                    quorate.audit.filesMax=2\n";
        let on = settings(text).unwrap().unwrap();
        let expected = (Some(PathBuf::from("/a")), 70_000, 2);
        assert_eq!((on.file, on.file_bytes_max, on.files_max), expected);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, expected) in [
            ("quorate.audit.file=/a", "audit.enable=true"),
            ("audit.enable=true\nquorate.audit.file=a", "absolute"),
            (
                "audit.enable=true\nquorate.audit.fileBytesMax=9",
                "quorate.audit.fileBytesMax",
            ),
            (
                "audit.enable=true\nquorate.audit.filesMax=0",
                "quorate.audit.filesMax",
            ),
            ("audit.enable=maybe", "audit.enable"),
        ] {
            let why = settings(text).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
