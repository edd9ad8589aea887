//! Where the links and images of the built book lead. The HTML is what is looked at, since the anchors of
//! headings are mdBook's.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use pulldown_cmark::{self as md, Event, Parser};

/// The whole book on one page: what it has is on the pages, too, under other anchors.
const PRINT: &str = "print.html";

/// What one page of HTML has.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    anchors: BTreeSet<String>,
    links: BTreeSet<String>,
}

/// Follows all links and images from one page of the book at `root` to another, and says how many.
///
/// # Errors
/// With each that leads nowhere.
pub fn check(root: &Path) -> Result<usize> {
    let mut pages = BTreeMap::new();
    let (mut followed, mut dead) = (0, Vec::new());
    for file in files(root)? {
        if file.extension().is_some_and(|e| e == "html") && file != Path::new(PRINT) {
            let html = fs::read_to_string(root.join(&file))
                .with_context(|| format!("cannot read {}", file.display()))?;
            pages.insert(file, read(&html));
        }
    }
    for (file, page) in &pages {
        for link in page.links.iter().filter(|link| is_inside(link)) {
            followed += 1;
            if let Some(why) = leads_nowhere(root, &pages, file, link) {
                dead.push(format!("{}: {link}: {why}", file.display()));
            }
        }
    }
    ensure!(dead.is_empty(), "links lead nowhere:\n{}", dead.join("\n"));
    Ok(followed)
}

/// The files that a page of Markdown links to, below `root`, and that are not there.
///
/// # Errors
/// When the page cannot be read, or has no links.
pub fn dead_files(root: &Path, page: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(page))
        .with_context(|| format!("cannot read {}", page.display()))?;
    let target = |event| {
        if let Event::Start(md::Tag::Link { dest_url, .. } | md::Tag::Image { dest_url, .. }) =
            event
        {
            Some(dest_url.into_string())
        } else {
            None
        }
    };
    let links: Vec<String> = Parser::new(&text)
        .filter_map(target)
        .filter(|link| is_inside(link))
        .collect();
    ensure!(!links.is_empty(), "{} has no links", page.display());
    let there = |link: &String| {
        let path = link.split('#').next().unwrap_or_default();
        resolve(page, path).is_some_and(|path| root.join(path).exists())
    };
    Ok(links.into_iter().filter(|link| !there(link)).collect())
}

/// The files below `root`, relative to it.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut left) = (Vec::new(), vec![root.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(root)?.to_owned());
            }
        }
    }
    Ok(found)
}

/// Whether a link stays within the book: it names no scheme and no host.
fn is_inside(link: &str) -> bool {
    let scheme = link.split(['/', '?', '#']).next().unwrap_or_default();
    !scheme.contains(':') && !link.starts_with("//")
}

fn leads_nowhere(
    root: &Path,
    pages: &BTreeMap<PathBuf, Page>,
    from: &Path,
    link: &str,
) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => from.to_owned(),
        path => resolve(from, path)?,
    };
    if target == Path::new(PRINT) {
        return None;
    }
    if !root.join(&target).is_file() {
        return Some(format!("there is no {}", target.display()));
    }
    let page = pages.get(&target)?;
    let found = anchor.is_empty() || page.anchors.contains(anchor);
    (!found).then(|| format!("{} has no such anchor", target.display()))
}

/// The file, relative to the root of the book, that `path` on the page `from` means; `None` for the address of the
/// page that a server shows for what is not there.
fn resolve(from: &Path, path: &str) -> Option<PathBuf> {
    let mut target = from.parent()?.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                // Above the root is a file that is not there either way.
                if !target.pop() {
                    target.push("..");
                }
            }
            Component::Normal(name) => target.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(target)
}

/// Takes a page apart.
fn read(html: &str) -> Page {
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(Collector::default(), TokenizerOpts::default());
    // No script is run, so that nothing is left when it returns.
    while !matches!(tokenizer.feed(&queue), html5ever::TokenizerResult::Done) {}
    tokenizer.end();
    tokenizer.sink.0.take()
}

/// Collects anchors and links from tags.
#[derive(Default)]
struct Collector(RefCell<Page>);

impl TokenSink for Collector {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else {
            return TokenSinkResult::Continue;
        };
        if tag.kind == TagKind::EndTag {
            return TokenSinkResult::Continue;
        }
        self.0.borrow_mut().add(&tag);
        match &*tag.name {
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" => TokenSinkResult::RawData(RawKind::Rawtext),
            _ => TokenSinkResult::Continue,
        }
    }
}

impl Page {
    fn add(&mut self, tag: &Tag) {
        for attribute in &tag.attrs {
            let value = attribute.value.to_string();
            match (&*tag.name, &*attribute.name.local) {
                (_, "id") => {
                    self.anchors.insert(value);
                }
                ("a", "href") | ("img", "src") => {
                    self.links.insert(value);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(pages: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, html) in pages {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, html).unwrap();
        }
        root
    }

    #[test]
    fn anchors_links_and_images_are_found_and_scripts_are_not_read() {
        let html = "<h2 id=top>a</h2><a href='b.html#x'>b</a><img src=c.png>\
                    <script>'<a href=no>'</script><style>a{}</style>";
        let page = read(html);
        assert_eq!(page.anchors, BTreeSet::from(["top".to_owned()]));
        let links = ["b.html#x", "c.png"].map(str::to_owned);
        assert_eq!(page.links, BTreeSet::from(links));
    }

    #[test]
    fn what_leads_somewhere_is_counted() {
        let root = book(&[
            (
                "a.html",
                "<p id=x><a href=d/b.html#y>b</a><a href='#x'>x</a>\
                 <a href=https://example.org/>out</a><a href=mailto:me>me</a>",
            ),
            (
                "d/b.html",
                "<p id=y><img src=../c.png><a href=../a.html>a</a>",
            ),
            ("c.png", ""),
        ]);
        assert_eq!(check(root.path()).unwrap(), 4);
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        for (link, why) in [
            ("<a href=no.html>", "there is no no.html"),
            ("<a href=../a.html>", "there is no ../a.html"),
            ("<a href=d>", "there is no d"),
            ("<a href=d/b.html#no>", "d/b.html has no such anchor"),
            ("<a href='#no'>", "a.html has no such anchor"),
            ("<img src=no.png>", "there is no no.png"),
        ] {
            let root = book(&[("a.html", link), ("d/b.html", "<p id=y>")]);
            let error = check(root.path()).expect_err(link).to_string();
            assert!(error.contains(why), "{link}: {error}");
        }
    }
}
