//! The book is complete, and a reader who follows its links gets somewhere.

use std::fs;
use std::path::Path;

use quorate_e2e::docs::{DOCS, book, links, root};

#[test]
fn book_is_complete_and_its_links_lead_somewhere() {
    let out = tempfile::tempdir().unwrap();
    let built = book::build(&root().join(DOCS), out.path()).unwrap();
    assert!(built.pages > 40 && built.links > built.pages, "{built:?}");
    assert!(out.path().join("index.html").is_file());
}

/// Builds a book of two pages, of which the first is in the table of contents.
fn small(first: &str, contents: &str) -> anyhow::Result<book::Built> {
    let (source, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let write = |name: &str, text: &str| fs::write(source.path().join(name), text);
    write(
        "book.toml",
        "[book]\nsrc = \".\"\n[build]\ncreate-missing = false\n",
    )?;
    write("SUMMARY.md", contents)?;
    write("first.md", first)?;
    write("second.md", "# Second\n\n## Of two words\n")?;
    book::build(source.path(), out.path())
}

#[test]
fn page_that_is_not_in_the_contents_is_named() {
    let error = small("# First\n", "- [First](first.md)\n").unwrap_err();
    assert!(error.to_string().contains("[\"second.md\"]"), "{error}");
}

#[test]
fn links_are_those_of_the_pages_that_people_write() {
    const BOTH: &str = "- [First](first.md)\n- [Second](second.md)\n";
    small("[there](second.md#of-two-words)\n", BOTH).unwrap();
    for dead in ["[x](third.md)", "[x](second.md#of-three)", "![x](x.png)"] {
        let error = small(dead, BOTH).unwrap_err().to_string();
        assert!(error.contains("links lead nowhere"), "{dead}: {error}");
    }
}

/// What is not in the book and links to it.
#[test]
fn readme_links_to_what_is_there() {
    let dead = links::dead_files(&root(), Path::new("README.md")).unwrap();
    assert!(dead.is_empty(), "README.md: {dead:?}");
}
