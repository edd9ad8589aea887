//! How the chart of the operator says where traces go, without a cluster.

use anyhow::{Context, Result, ensure};

use crate::helm::manifests;

const PLAIN: &str = "traces.endpoint=http://collector:4318";
const ENCRYPTED: &str = "traces.endpoint=https://collector:4318";
const AUTHORITY: &str = "traces.ca=-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

fn text(values: &[&str]) -> Result<String> {
    let options: Vec<&str> = values.iter().flat_map(|v| ["--set", *v]).collect();
    Ok(manifests(&options)?.concat())
}

#[test]
fn traces_go_where_the_values_say() -> Result<()> {
    ensure!(!text(&[])?.contains("QUORATE_TRACES"));
    let plain = text(&[PLAIN])?;
    ensure!(plain.contains(r#"value: "http://collector:4318""#));
    ensure!(!plain.contains("QUORATE_TRACES_CA_FILE"));
    let encrypted = text(&[ENCRYPTED, AUTHORITY])?;
    for expected in [
        "value: /etc/quorate/traces/ca.crt",
        "mountPath: /etc/quorate/traces",
        "ca.crt: \"-----BEGIN CERTIFICATE-----",
        "quorate.dev/traces-ca:",
    ] {
        ensure!(encrypted.contains(expected), "{expected} is missing");
    }
    Ok(())
}

#[test]
fn what_nothing_would_come_of_is_refused() -> Result<()> {
    for (values, expected) in [
        (
            &[ENCRYPTED][..],
            "traces.endpoint: nobody says who may sign",
        ),
        (&[PLAIN, AUTHORITY], "begins with https"),
        (&[AUTHORITY], "begins with https"),
        (&["traces.endpoint=collector:4318"], "traces"),
        (&[ENCRYPTED, "traces.ca=secret"], "traces"),
    ] {
        let refused = text(values).err();
        let words = format!(
            "{:#}",
            refused.with_context(|| format!("{values:?} was taken"))?
        );
        ensure!(words.contains(expected), "{words}");
    }
    Ok(())
}
