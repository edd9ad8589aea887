//! Holds commands against what there is: recipes of the justfile with what these call, programs of this checkout
//! with their subcommands and options, packages and targets for Cargo, tests by their filter.
//!
//! Nothing is run but `--help`: a program that reads the words before it says there whether it knows them. Of a
//! pipeline the first command is looked at. Programs of others are not; they are when a block is run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use serde::Deserialize;

use super::root;
use crate::shell;

/// Programs of this checkout that read their own words, with their packages.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `quorate-e2e`.
    pub harness: PathBuf,
    /// `quorate`.
    pub server: PathBuf,
    /// `quorate-operator`.
    pub operator: PathBuf,
    /// `kubectl-quorate`.
    pub plugin: PathBuf,
}

/// The words of Cargo that the pages and recipes use.
#[derive(Debug, Parser)]
#[command(name = "cargo", disable_help_flag = true)]
struct Cargo {
    job: String,
    #[arg(long, short, action = clap::ArgAction::Append)]
    package: Vec<String>,
    #[arg(long)]
    path: Option<PathBuf>,
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    #[arg(long)]
    test: Option<String>,
    #[arg(long)]
    profile: Option<String>,
    #[arg(long)]
    target: Option<String>,
    #[arg(long, action = clap::ArgAction::Append)]
    exclude: Vec<String>,
    #[arg(long)]
    workspace: bool,
    #[arg(long)]
    lib: bool,
    #[arg(long)]
    bins: bool,
    #[arg(long)]
    release: bool,
    #[arg(long)]
    locked: bool,
    filter: Option<String>,
    #[arg(last = true)]
    words: Vec<String>,
}

/// Options of `quorate cli` that have a value.
const OPTIONS_OF_CLI: [&str; 5] = ["server", "timeout", "tls-ca", "tls-cert", "tls-key"];

/// Jobs of Cargo whose words are looked at.
const JOBS: [&str; 4] = ["build", "install", "run", "test"];

/// What `cargo metadata` says.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    features: std::collections::BTreeMap<String, Vec<String>>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Knows what there is.
#[derive(Debug)]
pub struct Commands {
    programs: Programs,
    packages: Vec<Package>,
}

impl Commands {
    /// Asks Cargo for the packages of this checkout.
    ///
    /// # Errors
    /// When Cargo does not answer.
    pub fn new(programs: Programs) -> Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo.args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ]);
        let metadata: Metadata = serde_json::from_str(&shell::run(cargo.current_dir(root()))?)?;
        Ok(Self {
            programs,
            packages: metadata.packages,
        })
    }

    /// Checks each command of a block; returns those that are of others, by their programs.
    ///
    /// # Errors
    /// With the first command that there is not.
    pub fn check(&self, block: &str) -> Result<Vec<String>> {
        let mut others = Vec::new();
        for line in lines(block) {
            let words = words(&line).with_context(|| format!("{line:?} is no command"))?;
            if !self.check_words(&words).with_context(|| line.clone())? {
                others.extend(words.into_iter().next());
            }
        }
        Ok(others)
    }

    /// Whether it is a command of ours.
    fn check_words(&self, words: &[String]) -> Result<bool> {
        let Some((program, rest)) = words.split_first() else {
            return Ok(true);
        };
        let name = Path::new(program)
            .file_name()
            .and_then(|name| name.to_str());
        match (program.as_str(), name, rest) {
            ("./run", _, _) => self.recipe(rest)?,
            ("cargo", _, _) => self.cargo(words)?,
            (_, Some("quorate-e2e"), _) => help(&self.programs.harness, rest)?,
            ("quorate", _, [job, rest @ ..]) if job == "cli" => cli(&self.programs.server, rest)?,
            ("quorate", _, _) => help(&self.programs.server, rest)?,
            ("quorate-operator", _, _) => help(&self.programs.operator, rest)?,
            ("kubectl", _, [plugin, rest @ ..]) if plugin == "quorate" => {
                help(&self.programs.plugin, rest)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A recipe that there is, with so many arguments, whose own commands are right.
    fn recipe(&self, words: &[String]) -> Result<()> {
        ensure!(!words.is_empty(), "./run lists the jobs; name one");
        let mut just = Command::new("just");
        just.args(["--dry-run", "--no-aliases"])
            .args(words)
            .current_dir(root());
        let output = just
            .output()
            .context("cannot start just; ./run brings it")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", said.trim());
        self.check(&said).map(drop)
    }

    fn cargo(&self, words: &[String]) -> Result<()> {
        if !words.get(1).is_some_and(|job| JOBS.contains(&job.as_str())) {
            return Ok(());
        }
        let cargo = Cargo::try_parse_from(words)?;
        for name in &cargo.exclude {
            self.package(name)?;
        }
        if let Some(path) = &cargo.path {
            let manifest = root().join(path).join("Cargo.toml");
            ensure!(manifest.is_file(), "there is no {}", manifest.display());
        }
        for name in &cargo.package {
            let package = self.package(name)?;
            package.check(&cargo)?;
            match (cargo.job.as_str(), name.as_str()) {
                ("run", "quorate-server") => help(&self.programs.server, &cargo.words)?,
                ("run", "quorate-operator") => help(&self.programs.operator, &cargo.words)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn package(&self, name: &str) -> Result<&Package> {
        let found = self.packages.iter().find(|package| package.name == name);
        found.with_context(|| format!("there is no package {name}"))
    }
}

impl Package {
    fn check(&self, cargo: &Cargo) -> Result<()> {
        for feature in &cargo.features {
            let known = self.features.contains_key(feature);
            ensure!(known, "{} has no feature {feature}", self.name);
        }
        if let Some(test) = &cargo.test {
            let is_it = |t: &Target| t.name == *test && t.kind.iter().any(|kind| kind == "test");
            ensure!(
                self.targets.iter().any(is_it),
                "{} has no test {test}",
                self.name
            );
        }
        if let Some(filter) = cargo.filter.as_ref().filter(|_| cargo.job == "test") {
            let directory = self.manifest_path.parent().unwrap_or(Path::new("."));
            let word = filter.rsplit("::").next().unwrap_or(filter);
            ensure!(
                has_test(directory, word)?,
                "{} has no test of the name {filter}",
                self.name
            );
        }
        Ok(())
    }
}

/// Whether a source file below `directory` names a function or a module so.
fn has_test(directory: &Path, word: &str) -> Result<bool> {
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path)?;
                let named = |line: &str| {
                    let line = line.trim_start();
                    let is_item = ["fn ", "async fn ", "mod "]
                        .iter()
                        .any(|i| line.starts_with(i));
                    is_item && line.contains(word)
                };
                if text.lines().any(named) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Lets a program read the words, and then say how it is used.
fn help(program: &Path, words: &[String]) -> Result<()> {
    let mut command = Command::new(program);
    let own = words.iter().take_while(|word| *word != "--");
    match shell::run(command.args(own).arg("--help")) {
        Ok(said) if said.contains("Usage:") => Ok(()),
        Ok(said) => bail!("{} printed no usage but {said:?}", program.display()),
        Err(error) => Err(error),
    }
}

/// `quorate cli` takes what stands behind the command for the command's own, and connects.
fn cli(server: &Path, words: &[String]) -> Result<()> {
    let mut options = vec!["cli".to_owned()];
    let mut left = words.iter();
    while let Some(word) = left.next() {
        if !word.starts_with('-') {
            let commands = shell::call(server, &["cli", "help"])?;
            let known = commands.split_whitespace().any(|known| known == word);
            ensure!(known, "quorate cli has no command {word}");
            break;
        }
        options.push(word.clone());
        if OPTIONS_OF_CLI.contains(&word.trim_start_matches('-')) {
            options.extend(left.next().cloned());
        }
    }
    help(server, &options)
}

/// The lines of a block, those that go on behind a backslash as one.
fn lines(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The words of the first command of a line, without comments and settings of variables.
fn words(line: &str) -> Option<Vec<String>> {
    let words = shlex::split(line)?.into_iter();
    let is_setting = |word: &String| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
    };
    let ends = ["|", "&&", ";", ">", "||", "&"];
    let words = words.skip_while(is_setting);
    Some(
        words
            .take_while(|word| !ends.contains(&word.as_str()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_taken_apart() {
        let words = |line: &str| words(line).unwrap().join(",");
        assert_eq!(words("A_B=1 x 'y z' # why"), "x,y z");
        assert_eq!(words("x --y=z > file"), "x,--y=z");
        assert_eq!(lines("a \\\n  b\n\n# c\nd\n"), ["a    b", "d"]);
    }
}
