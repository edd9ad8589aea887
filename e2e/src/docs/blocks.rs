//! The blocks of commands in the pages, and what is done with each.
//!
//! A block in `sh` is run or parsed by the tests, or says why it is not. A comment right before it tells
//! which, and one at the top of a page tells it for all blocks of that page:
//!
//! - `<!-- commands: here -->`: it is run in a checkout.
//! - `<!-- commands: cluster -->`: it is run on a cluster with an operator, in a namespace with the ensemble `orders`;
//!   `cluster long` where that takes longer than some seconds or changes the ensemble.
//! - `until "TEXT"` behind these: its last command does not end by itself, and is stopped when it has printed this.
//! - `<!-- commands: parsed -->`: its commands are those of this checkout, which have jobs of their own; they are
//!   held against the recipes, subcommands and options that there are.
//! - `<!-- commands: not run: WHY -->`.
//!
//! Blocks in `console` show what they print. They are run by the tests of the server, from which the pages directly
//! in `docs/` get one each.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::{DOCS, book, root};

/// The pages of which all commands are run on a cluster: each begins with one.
const RUNBOOKS: &str = "docs/runbooks";

/// Languages of blocks that people would type, with which a block would not be seen here.
const OTHER_SHELLS: [&str; 4] = ["bash", "shell", "zsh", "shell-session"];

/// A block of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The page, from the root of the checkout.
    pub page: PathBuf,
    /// The line of its first command, from 1.
    pub line: usize,
    /// The commands.
    pub text: String,
    /// What is done with it.
    pub treatment: Treatment,
}

/// What is done with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treatment {
    /// It is run.
    Run {
        /// Where.
        place: Place,
        /// What it prints before it is stopped.
        until: Option<String>,
    },
    /// Its commands are held against what there is.
    Parsed,
    /// It is not run, for this reason.
    NotRun(String),
}

/// Where a block is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a checkout, with nothing running.
    Here,
    /// On a cluster with the ensemble `orders`.
    Cluster,
    /// There, where it may take long and change the ensemble.
    ClusterLong,
}

impl Block {
    /// Where it stands, for a message.
    pub fn at(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }
}

/// The blocks of all pages, by page and line.
///
/// # Errors
/// When a page cannot be read, or one has a block of which nothing says what is done with it.
pub fn all() -> Result<Vec<Block>> {
    let mut pages = vec![PathBuf::from("README.md")];
    pages.extend(
        book::pages(&root().join(DOCS))?
            .iter()
            .map(|page| Path::new(DOCS).join(page)),
    );
    let mut blocks = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(root().join(&page))
            .with_context(|| format!("cannot read {}", page.display()))?;
        blocks.extend(of_page(&page, &text)?);
    }
    Ok(blocks)
}

/// The blocks of one page.
///
/// # Errors
/// As [`all`].
pub fn of_page(page: &Path, text: &str) -> Result<Vec<Block>> {
    let whole_page = page.starts_with(RUNBOOKS).then(|| "cluster".to_owned());
    let mut reader = Reader {
        page,
        text,
        whole_page,
        next: None,
        open: None,
        blocks: Vec::new(),
    };
    for (event, range) in Parser::new(text).into_offset_iter() {
        reader.read(&event, range.start)?;
    }
    Ok(reader.blocks)
}

/// A page that is being read.
struct Reader<'a> {
    page: &'a Path,
    text: &'a str,
    /// What its first line says of all blocks.
    whole_page: Option<String>,
    /// What is said of the next block.
    next: Option<String>,
    /// The block that is being read.
    open: Option<Block>,
    blocks: Vec<Block>,
}

impl Reader<'_> {
    fn read(&mut self, event: &Event<'_>, start: usize) -> Result<()> {
        if let Event::Html(html) = event {
            let words = comment(html);
            let place = if start == 0 {
                &mut self.whole_page
            } else {
                &mut self.next
            };
            *place = words.or(place.take());
        } else if let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) = event {
            self.begin(info, start)?;
        } else if let (Event::Text(words), Some(block)) = (event, &mut self.open) {
            block.text.push_str(words);
        } else if let Event::End(TagEnd::CodeBlock) = event {
            self.blocks.extend(self.open.take());
        } else if let Event::Start(Tag::Paragraph | Tag::Heading { .. }) = event {
            let (page, next) = (self.page.display(), &self.next);
            ensure!(next.is_none(), "{page}: {next:?} is before no block");
        }
        Ok(())
    }

    /// A block begins; it is kept when it is one of commands.
    fn begin(&mut self, info: &str, start: usize) -> Result<()> {
        let line = self.text.get(..start).unwrap_or_default().lines().count() + 2;
        let at = format!("{}:{line}", self.page.display());
        if !is_commands(self.page, info).with_context(|| at.clone())? {
            return Ok(());
        }
        let words = self.next.take().or_else(|| self.whole_page.clone());
        let words = words.with_context(|| {
            format!(
                "{at}: nothing says how this block is tried; e2e/src/docs/blocks.rs has the words"
            )
        })?;
        self.open = Some(Block {
            page: self.page.to_owned(),
            line,
            text: String::new(),
            treatment: treatment(&words).with_context(|| at)?,
        });
        Ok(())
    }
}

/// The words of a comment about commands.
fn comment(html: &str) -> Option<String> {
    let words = html.trim().strip_prefix("<!-- commands: ")?;
    Some(words.strip_suffix("-->")?.trim().to_owned())
}

/// Whether a block is one of commands that are looked at here.
fn is_commands(page: &Path, info: &str) -> Result<bool> {
    let language = info.split_whitespace().next().unwrap_or_default();
    if OTHER_SHELLS.contains(&language) {
        bail!("write sh instead of {language}");
    }
    let in_docs = page.parent() == Some(Path::new(DOCS));
    ensure!(
        language != "console" || in_docs,
        "blocks in console are run on pages directly in {DOCS} only; write sh"
    );
    Ok(language == "sh")
}

fn treatment(words: &str) -> Result<Treatment> {
    if let Some(why) = words.strip_prefix("not run:") {
        ensure!(why.trim().len() > 10, "say why it is not run");
        return Ok(Treatment::NotRun(why.trim().to_owned()));
    }
    let (place, until) = match words.split_once(" until ") {
        Some((place, until)) => (place, Some(until.trim_matches('"').to_owned())),
        None => (words, None),
    };
    let place = match place {
        "here" => Place::Here,
        "cluster" => Place::Cluster,
        "cluster long" => Place::ClusterLong,
        "parsed" if until.is_none() => return Ok(Treatment::Parsed),
        _ => bail!("{words:?}: use here, cluster, cluster long, parsed, or not run: WHY"),
    };
    Ok(Treatment::Run { place, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Result<Vec<Block>> {
        of_page(Path::new("docs/a.md"), text)
    }

    #[test]
    fn block_says_how_it_is_tried() {
        let blocks = page(
            "# A\n\n<!-- commands: cluster long until \"it is\" -->\n```sh\na\nb\n```\n\n\
             <!-- commands: not run: it takes an hour -->\n```sh\nc\n```\n\n```yaml\nd: e\n```\n",
        );
        let run = Treatment::Run {
            place: Place::ClusterLong,
            until: Some("it is".to_owned()),
        };
        let not = Treatment::NotRun("it takes an hour".to_owned());
        let found = blocks.unwrap().into_iter();
        let found: Vec<_> = found.map(|b| (b.line, b.text, b.treatment)).collect();
        let wanted = [(5, "a\nb\n".to_owned(), run), (11, "c\n".to_owned(), not)];
        assert_eq!(found, wanted);
    }

    #[test]
    fn comment_at_the_top_is_for_the_page_and_runbooks_are_run() {
        let blocks = page("<!-- commands: parsed -->\n# A\n\n```sh\na\n```\n\n```sh\nb\n```\n");
        let parsed = blocks.unwrap().into_iter().map(|b| b.treatment);
        assert_eq!(
            parsed.collect::<Vec<_>>(),
            [Treatment::Parsed, Treatment::Parsed]
        );
        let runbook = of_page(Path::new("docs/runbooks/A.md"), "# A\n\n```sh\na\n```\n").unwrap();
        let run = Treatment::Run {
            place: Place::Cluster,
            until: None,
        };
        assert_eq!(runbook[0].treatment, run);
    }

    #[test]
    fn what_would_be_forgotten_is_refused() {
        for (text, why) in [
            ("```sh\na\n```\n", "nothing says how"),
            ("```bash\na\n```\n", "write sh"),
            ("a\n\n<!-- commands: here -->\n\nb\n", "is before no block"),
            ("a\n\n<!-- commands: there -->\n```sh\na\n```\n", "use here"),
            (
                "a\n\n<!-- commands: not run: -->\n```sh\na\n```\n",
                "say why",
            ),
        ] {
            let error = format!("{:#}", page(text).expect_err(text));
            assert!(error.contains(why), "{text}: {error}");
        }
        let console = of_page(Path::new("README.md"), "```console\n$ a\n```\n");
        assert!(console.is_err());
    }
}
