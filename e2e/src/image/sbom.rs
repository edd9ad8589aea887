//! Which crates are in a binary: a bill of materials in CycloneDX, one for each image.
//!
//! Cargo says what it links: the normal dependencies of the packages that are built together, for the target of the
//! images, with the features that this gives them. Procedural macros and build scripts run at build time and are in
//! no binary. The standard library and the C library of the toolchain are not listed, since Cargo does not know them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::prelude::{Bom, Purl, SpdxExpression, Validate};

use crate::docs::root;
use crate::shell;

/// The packages whose binaries are in images, which are built together, with the names of the binaries.
pub const IMAGES: [(&str, &str); 2] = [
    ("quorate-server", "quorate"),
    ("quorate-operator", "quorate-operator"),
];

/// The target of the images; on others, the crates are the same.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where the bill of a binary is in this checkout.
pub fn file(binary: &str) -> PathBuf {
    root().join("deploy/sbom").join(file_name(binary))
}

/// Its name there, and in the root directory of the image.
pub fn file_name(binary: &str) -> String {
    format!("{binary}.cdx.json")
}

/// Writes the bills of all images.
///
/// # Errors
/// As [`of_package`], and when a file cannot be written.
pub fn write_all() -> Result<()> {
    for (package, binary) in IMAGES {
        let file = file(binary);
        std::fs::write(&file, of_package(package)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// A crate as Cargo names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
}

/// What Cargo links.
#[derive(Debug, Default, PartialEq, Eq)]
struct Linked {
    /// The expression of the licence of each crate.
    licences: BTreeMap<Crate, String>,
    /// What each crate uses.
    uses: BTreeMap<Crate, BTreeSet<Crate>>,
}

/// Returns the bill of a package as JSON, the same for the same lock file.
///
/// # Errors
/// When Cargo does not say what it links, or a crate names no licence.
pub fn of_package(package: &str) -> Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["tree", "--locked", "--offline", "--target", TARGET]);
    cargo.args([
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "depth",
        "--format",
        "{p}|{l}",
    ]);
    for (built, _) in IMAGES {
        cargo.args(["--package", built]);
    }
    let linked = read(&shell::run(cargo.current_dir(root()))?)?;
    let bom = linked.bill(package)?;
    let checked = bom.validate();
    ensure!(
        checked.passed(),
        "the bill of {package} is not as CycloneDX wants it: {checked:?}"
    );
    let mut json = Vec::new();
    bom.output_as_json_v1_5(&mut json)
        .map_err(|error| anyhow!("{error}"))?;
    Ok(format!("{}\n", String::from_utf8(json)?.trim_end()))
}

/// Reads what `cargo tree` prints, the depth before each crate.
fn read(tree: &str) -> Result<Linked> {
    let mut linked = Linked::default();
    let mut above: Vec<Crate> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, found, licence) =
            entry(line).with_context(|| format!("cargo tree printed {line:?}"))?;
        above.truncate(depth);
        if let Some(user) = above.last() {
            linked
                .uses
                .entry(user.clone())
                .or_default()
                .insert(found.clone());
        }
        ensure!(!licence.is_empty(), "{} names no licence", found.name);
        linked.licences.insert(found.clone(), licence.to_owned());
        above.push(found);
    }
    Ok(linked)
}

/// The depth, the crate and its licence in one line.
fn entry(line: &str) -> Option<(usize, Crate, &str)> {
    let (what, licence) = line.split_once('|')?;
    let digits = what.bytes().take_while(u8::is_ascii_digit).count();
    let (depth, what) = what.split_at_checked(digits)?;
    let mut words = what.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let found = Crate {
        name: name.to_owned(),
        version: version.to_owned(),
    };
    // A crate whose own are listed further up is marked.
    Some((depth.parse().ok()?, found, licence.trim_end_matches(" (*)")))
}

impl Linked {
    /// The bill of the package of this name, with all that it reaches.
    fn bill(&self, package: &str) -> Result<Bom> {
        let of_name = |found: &&Crate| found.name == package;
        let root = self.licences.keys().find(of_name);
        let root = root.with_context(|| format!("Cargo links no {package}"))?;
        let (mut reached, mut left) = (BTreeSet::from([root]), vec![root]);
        while let Some(next) = left.pop() {
            for used in self.uses.get(next).into_iter().flatten() {
                if reached.insert(used) {
                    left.push(used);
                }
            }
        }
        let component = |kind: Classification, of: &Crate| self.component(kind, of);
        let libraries = reached.iter().filter(|found| **found != root);
        let libraries = libraries.map(|found| component(Classification::Library, found));
        let edges = reached.iter().map(|found| Dependency {
            dependency_ref: found.reference(),
            dependencies: self
                .uses
                .get(found)
                .into_iter()
                .flatten()
                .map(Crate::reference)
                .collect(),
        });
        Ok(Bom {
            serial_number: None,
            metadata: Some(Metadata {
                component: Some(component(Classification::Application, root)?),
                ..Metadata::default()
            }),
            components: Some(Components(libraries.collect::<Result<_>>()?)),
            dependencies: Some(Dependencies(edges.collect())),
            ..Bom::default()
        })
    }

    fn component(&self, kind: Classification, of: &Crate) -> Result<Component> {
        let mut component = Component::new(kind, &of.name, &of.version, Some(of.reference()));
        let licence = self.licences.get(of).context("a crate without a licence")?;
        // Some crates write MIT/Apache-2.0, which SPDX does not have.
        let licence = SpdxExpression::parse_lax(licence.clone())
            .with_context(|| format!("{}: {licence} is no licence", of.name))?;
        component.licenses = Some(Licenses(vec![LicenseChoice::Expression(licence)]));
        component.purl = Some(Purl::new("cargo", &of.name, &of.version)?);
        Ok(component)
    }
}

impl Crate {
    fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of what is linked changes the files that the images have.
    #[test]
    fn bills_on_disk_are_current() {
        for (package, binary) in IMAGES {
            let found = std::fs::read_to_string(file(binary)).unwrap_or_default();
            let wanted = of_package(package).unwrap();
            assert!(
                found == wanted,
                "{} is out of date: ./run sbom",
                file(binary).display()
            );
        }
    }

    const TREE: &str = "0a v1.0.0 (/x/a)|Apache-2.0\n1b v2.0.0|MIT\n2c v0.1.0+x|MIT/Apache-2.0\n1d v1.0.0|MIT\n\n\
                        0e v1.0.0 (/x/e)|Apache-2.0\n1b v2.0.0|MIT (*)\n";

    #[test]
    fn bill_has_what_a_package_reaches() {
        let linked = read(TREE).unwrap();
        let names = |package: &str| {
            let components = linked.bill(package).unwrap().components.unwrap().0;
            let names = components.iter().map(|c| c.bom_ref.clone().unwrap());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("a"), ["b@2.0.0", "c@0.1.0+x", "d@1.0.0"]);
        assert_eq!(names("e"), ["b@2.0.0", "c@0.1.0+x"]);
        assert!(linked.bill("f").is_err());
    }

    #[test]
    fn what_cargo_does_not_print_is_refused() {
        for tree in ["0a|MIT\n", "a v1.0.0|MIT\n", "0a v1.0.0\n", "0a v1.0.0|\n"] {
            assert!(read(tree).is_err(), "{tree}");
        }
    }
}
