//! This checkout's two images, under tags that name their content: a new build is never mistaken for
//! an old one that a node still has.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::binary;
use crate::cache;
use crate::cluster::Layout;
use crate::image::{self, Image};
use crate::progress::Progress;

/// References of the images.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) server: String,
    pub(super) operator: String,
}

/// Writes both images and loads them on the nodes, unless they are there.
pub(super) fn load(progress: &Progress, layout: &Layout) -> Result<Images> {
    let one = |variable, name| load_one(progress, layout, &binary(variable)?, name);
    Ok(Images {
        server: one("QUORATE_BIN", "quorate.local/quorate")?,
        operator: one("QUORATE_OPERATOR_BIN", "quorate.local/quorate-operator")?,
    })
}

fn load_one(progress: &Progress, layout: &Layout, binary: &Path, name: &str) -> Result<String> {
    let content = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let digest = Sha256::digest(&content);
    let tag: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let reference = format!("{name}:{tag}");
    let directory = cache::directory()?.join("images");
    fs::create_dir_all(&directory)?;
    let file = name.rsplit('/').next().unwrap_or(name);
    let archive = directory.join(format!("{file}-{tag}.tar"));
    let image = Image {
        binary: binary.to_owned(),
        reference: reference.clone(),
        entrypoint: Vec::new(),
        sbom: Some(image::sbom::file(file)),
    };
    image::write(&image, &archive)?;
    image::load(progress, layout, &archive)?;
    fs::remove_file(&archive)?;
    Ok(reference)
}
