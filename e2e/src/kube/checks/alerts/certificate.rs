//! A certificate that somebody else keeps, and has forgotten to renew.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Watch, nothing_lost};
use crate::kube::authority::Authority;
use crate::kube::checks::refusals::set;
use crate::kube::checks::{Bench, READY_LIMIT, manifest};
use crate::kube::load::Load;
use crate::kube::zke::Zke;

/// Name of the ensemble.
const ENSEMBLE: &str = "expiring";

/// Name of the Secret.
const SECRET: &str = "expiring-certificate";

const WRITERS: usize = 1;

/// For how long it has to be so.
const EXPIRING_FOR: Duration = Duration::from_secs(15 * 60);

/// Until a kubelet brings what is in a Secret, and the server has looked.
const RENEWED_WITHIN: Duration = Duration::from_secs(180);

/// Of the certificate of which a twentieth is left.
const LIVED: Duration = Duration::from_secs(95 * 3600);
const LEFT: Duration = Duration::from_secs(5 * 3600);

/// Of the one in its place.
const RENEWED: Duration = Duration::from_secs(100 * 3600);

/// Both severities fire after their quarter of an hour, and end when the servers have the renewed one.
pub(in crate::kube::checks) fn certificate_expires(bench: &Bench<'_>) -> Result<String> {
    let bench = &Bench {
        zke: Zke {
            name: ENSEMBLE,
            ..bench.zke.clone()
        },
        ..*bench
    };
    let authority = Authority::new()?;
    let (kubectl, namespace) = (bench.zke.kubectl, bench.zke.namespace);
    kubectl.apply(namespace, &secret(&authority, namespace, LIVED, LEFT)?)?;
    let mut wanted = manifest();
    set(&mut wanted, "/metadata/name", json!(ENSEMBLE))?;
    let tls = json!({ "client": { "mode": "Allow" }, "secretName": SECRET });
    set(&mut wanted, "/spec/tls", tls)?;
    kubectl.apply(namespace, &wanted)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let watch = Watch::start(bench)?;
    let seen = Instant::now();
    let load = Load::start(bench.service()?, "/expiring", WRITERS)?;
    let lives = bench.zke.lives()?;
    let both = ["warning", "critical"].map(|severity| {
        watch.expected(
            "ZkCertificateExpiring",
            severity,
            &[("pod", "expiring-voter-0"), ("listener", "client")],
        )
    });
    let mut fired = Duration::ZERO;
    for expected in &both {
        fired = watch.fires(expected, seen, EXPIRING_FOR)?;
    }
    let renewed = Instant::now();
    kubectl.apply(
        namespace,
        &secret(&authority, namespace, Duration::ZERO, RENEWED)?,
    )?;
    let mut ended = Duration::ZERO;
    for expected in &both {
        ended = watch.ends(expected, renewed, RENEWED_WITHIN)?;
    }
    ensure!(
        bench.zke.lives()? == lives,
        "servers were restarted for it: {lives:?}"
    );
    let writes = nothing_lost(bench, load)?;
    watch.nothing_but(&["ZkCertificateExpiring", "ZkeDegraded"])?;
    kubectl.run(&["delete", "zke", ENSEMBLE, "--namespace", namespace])?;
    Ok(format!(
        "ZkCertificateExpiring fired {:.0} s after it was first seen, and ended {:.0} s after the renewal, \
         without a restart; {writes}",
        fired.as_secs_f32(),
        ended.as_secs_f32()
    ))
}

/// The Secret with a certificate of this authority that is so old and lives so long.
fn secret(
    authority: &Authority,
    namespace: &str,
    lived: Duration,
    left: Duration,
) -> Result<Value> {
    let names = [
        format!("*.{ENSEMBLE}-peers.{namespace}.svc.cluster.local"),
        format!("*.{ENSEMBLE}-peers.{namespace}.svc"),
        format!("{ENSEMBLE}-client.{namespace}.svc"),
        "localhost".to_owned(),
    ];
    authority.secret(SECRET, names.into(), lived, left)
}
