//! Does with the crate `zookeeper-client` what any client needs, and prints what worked as one
//! line of JSON. Its one argument is the connect string; exit code 0 only when everything held.

use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use zookeeper_client::{
    Acls, Client, CreateMode, CreateOptions, Error, EventType, MultiWriteError, MultiWriteResult,
    OneshotWatcher,
};

const LIMIT: Duration = Duration::from_secs(30);

const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

async fn session(hosts: &str) -> Result<Client> {
    let connector = Client::connector().with_session_timeout(Duration::from_secs(10));
    // Versions below 3.9 make the crate avoid requests; this one makes it use what it knows.
    let connecting = connector.with_server_version(3, 9, 5).connect(hosts);
    Ok(tokio::time::timeout(LIMIT, connecting).await??)
}

async fn create_and_read(client: &Client, root: &str) -> Result<()> {
    let a = format!("{root}/a");
    client.create(root, b"root", &PERSISTENT).await?;
    let (created, _) = client.create(&a, "grüße".as_bytes(), &PERSISTENT).await?;
    let (data, stat) = client.get_data(&a).await?;
    ensure!(data == "grüße".as_bytes(), "other data came back: {data:?}");
    ensure!(stat == created, "create2 and getData tell different Stats");
    ensure!(client.set_data(&a, b"two", Some(0)).await?.version == 1);
    let stale = client.set_data(&a, b"three", Some(0)).await;
    ensure!(
        stale == Err(Error::BadVersion),
        "a stale version: {stale:?}"
    );
    ensure!(client.list_children(root).await? == ["a"]);
    ensure!(
        client
            .check_stat(&format!("{root}/nothing"))
            .await?
            .is_none()
    );
    Ok(())
}

async fn expect(watcher: OneshotWatcher, kind: EventType, path: &str) -> Result<()> {
    let event = tokio::time::timeout(LIMIT, watcher.changed()).await;
    let event = event.with_context(|| format!("no {kind:?} of {path}"))?;
    ensure!(
        event.event_type == kind && event.path == path,
        "another event: {event:?}"
    );
    Ok(())
}

async fn watch(client: &Client, root: &str) -> Result<()> {
    let (a, b) = (format!("{root}/a"), format!("{root}/b"));
    let (.., data) = client.get_and_watch_data(&a).await?;
    let (_, children) = client.list_and_watch_children(root).await?;
    let (_, appears) = client.check_and_watch_stat(&b).await?;
    client.set_data(&a, b"seen", None).await?;
    client.create(&b, b"", &PERSISTENT).await?;
    expect(data, EventType::NodeDataChanged, &a).await?;
    expect(children, EventType::NodeChildrenChanged, root).await?;
    expect(appears, EventType::NodeCreated, &b).await?;
    client.delete(&b, None).await?;
    Ok(())
}

async fn multi(client: &Client, root: &str) -> Result<()> {
    let (a, m) = (format!("{root}/a"), format!("{root}/m"));
    let mut writer = client.new_multi_writer();
    writer.add_check_version(&a, 2)?;
    writer.add_create(&m, b"1", &PERSISTENT)?;
    writer.add_set_data(&m, b"2", Some(0))?;
    let results = writer.commit().await?;
    match results.as_slice() {
        [
            MultiWriteResult::Check,
            MultiWriteResult::Create { path, .. },
            MultiWriteResult::SetData { stat },
        ] if *path == m && stat.version == 1 => {}
        other => bail!("other results: {other:?}"),
    }
    let mut writer = client.new_multi_writer();
    writer.add_delete(&m, None)?;
    writer.add_check_version(&format!("{root}/nothing"), 0)?;
    match writer.commit().await {
        Err(MultiWriteError::OperationFailed {
            index: 1,
            source: Error::NoNode,
        }) => {}
        other => bail!("a multi with a failing check: {other:?}"),
    }
    ensure!(client.get_data(&m).await?.0 == b"2", "not rolled back");
    Ok(())
}

async fn ephemeral_sequential(client: &Client, root: &str, hosts: &str) -> Result<()> {
    let other = session(hosts).await?;
    let options = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let prefix = format!("{root}/e-");
    let mut last: Option<i64> = None;
    for _ in 0..3 {
        let (_, number) = other.create(&prefix, b"", &options).await?;
        let number = number.into_i64();
        ensure!(
            last.is_none_or(|last| number == last + 1),
            "number {number} after {last:?}"
        );
        last = Some(number);
    }
    let path = format!("{prefix}{:010}", last.unwrap_or_default());
    client.sync(root).await?;
    let (stat, watcher) = client.check_and_watch_stat(&path).await?;
    let owner = stat
        .context("an ephemeral node that is not there")?
        .ephemeral_owner;
    ensure!(owner == other.session_id().0, "another owner: {owner:#x}");
    // Dropping the last handle closes the session.
    drop(other);
    expect(watcher, EventType::NodeDeleted, &path).await?;
    let names = client.list_children(root).await?;
    ensure!(
        !names.iter().any(|name| name.starts_with("e-")),
        "some are left: {names:?}"
    );
    Ok(())
}

async fn clean(client: &Client, root: &str) -> Result<()> {
    for name in client.list_children(root).await? {
        client.delete(&format!("{root}/{name}"), None).await?;
    }
    client.delete(root, None).await?;
    Ok(())
}

async fn run(hosts: &str, done: &mut Vec<&'static str>) -> Result<()> {
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_nanos();
    let root = &format!("/rust-{nanos:x}");
    let client = &session(hosts).await?;
    note(done, "create_and_read", create_and_read(client, root)).await?;
    note(done, "watch", watch(client, root)).await?;
    note(done, "multi", multi(client, root)).await?;
    note(
        done,
        "ephemeral_sequential",
        ephemeral_sequential(client, root, hosts),
    )
    .await?;
    clean(client, root).await
}

async fn note(
    done: &mut Vec<&'static str>,
    name: &'static str,
    check: impl Future<Output = Result<()>>,
) -> Result<()> {
    check.await.context(name)?;
    done.push(name);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let hosts = std::env::args().nth(1).unwrap_or_default();
    let mut done = Vec::new();
    let outcome = run(&hosts, &mut done).await;
    let mut result = json!({
        "client": "zookeeper-client", "version": "0.11", "checks": done, "ok": outcome.is_ok(),
    });
    if let (Err(error), Some(fields)) = (&outcome, result.as_object_mut()) {
        fields.insert("error".to_owned(), json!(format!("{error:#}")));
    }
    println!("{result}");
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
