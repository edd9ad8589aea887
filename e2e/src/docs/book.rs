//! The book: every page of `docs/`, in the order of `SUMMARY.md`, as HTML.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use mdbook_driver::MDBook;
use mdbook_driver::book::{BookItem, Chapter};
use mdbook_driver::config::Config;

use super::links;

/// The table of contents.
const SUMMARY: &str = "SUMMARY.md";

/// Builds the book of the pages in `source` into `out`, where nothing but an older one may be.
///
/// # Errors
/// When it cannot be built, a page is not in `SUMMARY.md`, or a link or an image leads nowhere.
pub fn build(source: &Path, out: &Path) -> Result<Built> {
    // mdBook empties it.
    let is_free =
        out.join("index.html").is_file() || !out.exists() || out.read_dir()?.next().is_none();
    ensure!(
        is_free,
        "{} is neither empty nor a book; name another directory",
        out.display()
    );
    let config = source.join("book.toml");
    let mut config = Config::from_disk(&config)
        .map_err(plain)
        .with_context(|| format!("cannot read {}", config.display()))?;
    out.clone_into(&mut config.build.build_dir);
    let book = MDBook::load_with_config(source, config).map_err(plain)?;
    let listed: BTreeSet<PathBuf> = book.iter().filter_map(page).collect();
    let mut pages = pages(source)?;
    pages.remove(Path::new(SUMMARY));
    let missing: Vec<_> = pages.difference(&listed).collect();
    ensure!(
        missing.is_empty(),
        "{missing:?}: in {} and not in its {SUMMARY}; add each where a reader looks for it",
        source.display()
    );
    book.build()
        .map_err(plain)
        .context("cannot build the book")?;
    let links = links::check(out)?;
    Ok(Built {
        pages: pages.len(),
        links,
    })
}

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// How many pages it has.
    pub pages: usize,
    /// How many links and images were followed.
    pub links: usize,
}

fn page(item: &BookItem) -> Option<PathBuf> {
    match item {
        BookItem::Chapter(Chapter { source_path, .. }) => source_path.clone(),
        BookItem::Separator | BookItem::PartTitle(_) => None,
    }
}

/// mdBook's errors are of an `anyhow` that need not be ours.
fn plain(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error:#}")
}

/// The paths of all pages below `directory`, relative to it.
///
/// # Errors
/// When a directory cannot be read.
pub fn pages(directory: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        let entries =
            fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            } else if entry.path().extension().is_some_and(|e| e == "md") {
                found.insert(entry.path().strip_prefix(directory)?.to_owned());
            }
        }
    }
    Ok(found)
}
