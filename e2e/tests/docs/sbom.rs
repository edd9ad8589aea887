//! The bills of materials have each crate that a binary shows to be in it.

use std::collections::BTreeSet;
use std::fs;

use quorate_e2e::image::sbom;
use serde_json::Value;

use crate::built;

/// The crates of a registry whose source files a binary names, where its panics are.
fn in_binary(binary: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(binary);
    let paths = text.split("/registry/src/").skip(1);
    let names = paths.filter_map(|path| path.split('/').nth(1));
    names.map(str::to_owned).collect()
}

#[test]
fn bills_name_the_crates_of_the_binaries() {
    for (variable, binary) in [
        ("QUORATE_BIN", "quorate"),
        ("QUORATE_OPERATOR_BIN", "quorate-operator"),
    ] {
        let bill = fs::read_to_string(sbom::file(binary)).unwrap();
        let bill: Value = serde_json::from_str(&bill).unwrap();
        assert_eq!(bill["bomFormat"], "CycloneDX");
        let components = bill["components"].as_array().unwrap();
        let named: BTreeSet<String> = components
            .iter()
            .map(|component| {
                let licence = &component["licenses"][0]["expression"];
                assert!(licence.is_string(), "{component} has no licence");
                let text = |key: &str| component[key].as_str().unwrap().to_owned();
                format!("{}-{}", text("name"), text("version"))
            })
            .collect();
        let found = in_binary(&fs::read(built(variable)).unwrap());
        assert!(found.len() > 20, "{binary} names its crates: {found:?}");
        let missing: Vec<_> = found.difference(&named).collect();
        assert!(
            missing.is_empty(),
            "in {binary} and not in its bill: {missing:?}"
        );
    }
}
