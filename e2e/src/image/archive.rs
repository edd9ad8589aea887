//! Writes a docker-archive: `manifest.json`, the image config and one layer, in a tar.
//!
//! Layout: the "Combined Image JSON + Filesystem Changeset Format" of Docker's image specification
//! v1.2, which `ctr images import`, `docker load` and `kind load image-archive` all read. The same
//! input gives the same bytes: no clock, no owner, no order of a directory listing goes in.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The user that images run as: no name, no home, no rights. The number is the one that the
/// "distroless" images made customary.
pub const USER: &str = "65532:65532";

/// An image to be written.
#[derive(Debug, Clone)]
pub struct Image {
    /// The static binary; it lands in the root directory under its own file name.
    pub binary: PathBuf,
    /// Name and tag, as pods refer to it.
    pub reference: String,
    /// The command; empty means the binary alone.
    pub entrypoint: Vec<String>,
    /// A bill of materials, which lands in the root directory under its own file name.
    pub sbom: Option<PathBuf>,
}

/// Writes `image` to `out` and returns the digest of its config, which is the image id.
///
/// # Errors
/// When the binary cannot be read or is not static, the reference has no tag, or `out` cannot be
/// written.
pub fn write(image: &Image, out: &Path) -> Result<String> {
    if !image
        .reference
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains(':'))
    {
        bail!(
            "image reference {:?} has no tag; write NAME:TAG",
            image.reference
        );
    }
    let name = file_name(&image.binary)?;
    let binary = read(&image.binary)?;
    if has_interpreter(&binary) {
        bail!(
            "{} is dynamically linked and could not start on an empty base; build it with \
             RUSTFLAGS=\"-C target-feature=+crt-static\" and an explicit --target",
            image.binary.display()
        );
    }
    let sbom = match &image.sbom {
        Some(file) => Some((file_name(file)?, read(file)?)),
        None => None,
    };
    let mut files = vec![(name, 0o755, binary.as_slice())];
    files.extend(
        sbom.iter()
            .map(|(name, content)| (*name, 0o644, content.as_slice())),
    );
    let layer = tar(&files)?;
    let entrypoint = match image.entrypoint.as_slice() {
        [] => vec![format!("/{name}")],
        given => given.to_vec(),
    };
    let config = serde_json::to_vec(&json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": { "User": USER, "Entrypoint": entrypoint, "WorkingDir": "/" },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))] },
        "history": [{ "created": "1970-01-01T00:00:00Z" }],
    }))?;
    let id = hex(&config);
    let config_name = format!("{id}.json");
    let manifest = serde_json::to_vec(&json!([{
        "Config": config_name,
        "RepoTags": [image.reference],
        "Layers": ["layer.tar"],
    }]))?;
    let archive = tar(&[
        ("manifest.json", 0o644, &manifest),
        (&config_name, 0o644, &config),
        ("layer.tar", 0o644, &layer),
    ])?;
    let mut file =
        fs::File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
    file.write_all(&archive)?;
    Ok(id)
}

fn file_name(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.with_context(|| format!("{} has no file name", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn tar(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(content.len())?);
        header.set_mode(*mode);
        header.set_mtime(0);
        builder.append_data(&mut header, name, *content)?;
    }
    Ok(builder.into_inner()?)
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Says whether a 64-bit ELF file asks for a dynamic loader: it has a PT_INTERP program header.
/// What is not such a file has none.
fn has_interpreter(file: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, len: usize| -> Option<u64> {
        let bytes = file.get(at..at.checked_add(len)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        )
    };
    let headers = || -> Option<bool> {
        let table = usize::try_from(number(32, 8)?).ok()?;
        let size = usize::try_from(number(54, 2)?).ok()?;
        let count = usize::try_from(number(56, 2)?).ok()?;
        Some((0..count).any(|index| {
            index
                .checked_mul(size)
                .and_then(|offset| offset.checked_add(table))
                .and_then(|at| number(at, 4))
                == Some(PT_INTERP)
        }))
    };
    file.starts_with(b"\x7fELF\x02") && headers().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn image(directory: &Path, reference: &str) -> Image {
        let binary = directory.join("hello");
        fs::write(&binary, b"not really a program").unwrap();
        Image {
            binary,
            reference: reference.to_owned(),
            entrypoint: Vec::new(),
            sbom: None,
        }
    }

    /// The files of a tar, by name.
    fn files_in(archive: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
        let mut files = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        files
    }

    #[test]
    fn bill_of_materials_is_beside_the_binary() {
        let directory = tempfile::tempdir().unwrap();
        let sbom = directory.path().join("hello.cdx.json");
        fs::write(&sbom, b"{}").unwrap();
        let image = Image {
            sbom: Some(sbom),
            ..image(directory.path(), "hello:1")
        };
        let out = directory.path().join("image.tar");
        write(&image, &out).unwrap();
        let layer = &files_in(&fs::read(&out).unwrap())["layer.tar"];
        let names: Vec<_> = files_in(layer).into_keys().collect();
        assert_eq!(names, ["hello", "hello.cdx.json"]);
    }

    #[test]
    fn archive_names_its_parts_and_repeats_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        let image = image(directory.path(), "example.org/hello:1");
        let out = directory.path().join("image.tar");
        let id = write(&image, &out).unwrap();
        let first = fs::read(&out).unwrap();
        assert_eq!(write(&image, &out).unwrap(), id);
        assert_eq!(fs::read(&out).unwrap(), first);

        let files = files_in(&first);
        let config_name = format!("{id}.json");
        let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["Config"], config_name);
        assert_eq!(manifest[0]["RepoTags"][0], "example.org/hello:1");
        let config: serde_json::Value = serde_json::from_slice(&files[&config_name]).unwrap();
        assert_eq!(config["config"]["User"], USER);
        assert_eq!(config["config"]["Entrypoint"][0], "/hello");
        let layer = &files["layer.tar"];
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            format!("sha256:{}", hex(layer))
        );
    }

    #[test]
    fn dynamic_binary_and_missing_tag_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("image.tar");
        assert!(write(&image(directory.path(), "host:5000/hello"), &out).is_err());
        let shell = Image {
            binary: "/bin/sh".into(),
            ..image(directory.path(), "hello:1")
        };
        assert!(
            write(&shell, &out)
                .unwrap_err()
                .to_string()
                .contains("dynamically linked")
        );
        assert!(!out.exists());
    }
}
