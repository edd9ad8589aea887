//! Local sessions, sessions that move, and read-only mode: the same story on three servers of Apache
//! and on three of ours, line by line. The stories stay away from what differs on purpose.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use quorate_e2e::peers::client::flags::{EPHEMERAL, EPHEMERAL_SEQUENTIAL, PERSISTENT};
use quorate_e2e::peers::ensemble::START_LIMIT;
use quorate_e2e::peers::{Client, Ensemble, Failure, Kind, Settings, four_letter, wait_for};
use zk_wire::Acl;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};
use zk_wire::client::{ConnectResponse, MultiOp, Request};

use crate::alone;

const LIMIT: Duration = Duration::from_secs(10);

/// What happened, one line each.
type Story = Vec<String>;

fn settings(extra: &[&str], properties: &[&str]) -> Settings {
    let own = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
    Settings {
        extra: own(extra),
        properties: own(properties),
        in_memory: true,
        ..Settings::default()
    }
}

/// Tells the story with servers of both kinds.
fn same(settings: &Settings, tell: fn(&mut Ensemble) -> Result<Story>) -> Result<Story> {
    let _alone = alone();
    let mut stories = Vec::new();
    for kind in [Kind::Apache, Kind::Quorate] {
        let mut ensemble = Ensemble::start(kind, 3, settings)?;
        stories.push(tell(&mut ensemble)?);
    }
    let ours = stories.pop().unwrap_or_default();
    let theirs = stories.pop().unwrap_or_default();
    ensure!(
        ours == theirs,
        "Apache tells:\n{}\nQuorate tells:\n{}",
        theirs.join("\n"),
        ours.join("\n")
    );
    Ok(ours)
}

/// A follower, another one, and the leader.
fn places(ensemble: &Ensemble) -> Result<[(&'static str, SocketAddr); 3]> {
    let leader = usize::from(ensemble.leader()?) - 1;
    let addresses = ensemble.addresses();
    let at = |n: usize| {
        *addresses
            .iter()
            .cycle()
            .nth(leader + n)
            .expect("three servers")
    };
    Ok([("follower", at(1)), ("other", at(2)), ("leader", at(0))])
}

fn create_op(path: &str, flags: i32, op: CreateOp) -> (CreateRequest, CreateOp) {
    let create = CreateRequest {
        path: path.to_owned(),
        data: None,
        acl: Some(vec![Acl::world(31)]),
        flags,
        ttl_ms: NO_TTL,
    };
    (create, op)
}

fn multi(nodes: &[(&str, i32)]) -> Vec<MultiOp> {
    let op = |(path, flags): &(&str, i32)| {
        let (create, op) = create_op(path, *flags, CreateOp::Create);
        MultiOp::Create { create, op }
    };
    nodes.iter().map(op).collect()
}

/// How something ended, without what differs from run to run.
fn ended<T>(outcome: &Result<T, Failure>) -> String {
    match outcome {
        Ok(_) => "done".into(),
        Err(Failure::Refused(code)) => format!("error {code}"),
        Err(Failure::Lost(_)) => "connection lost".into(),
        Err(Failure::Session) => "session refused".into(),
        Err(Failure::Reply(why)) => format!("no reply: {why}"),
    }
}

fn counter(client: &Client) -> i64 {
    client.last_zxid() & 0xffff_ffff
}

fn resumed(address: SocketAddr, session: &ConnectResponse) -> String {
    ended(&Client::resume(address, LIMIT, session))
}

/// Transactions between two writes of a client of `witness`, and what `between` does meanwhile.
fn cost(witness: &mut Client, mut between: impl FnMut() -> Result<()>) -> Result<i64> {
    witness.set("/", b"before")?;
    let before = counter(witness);
    between()?;
    witness.set("/", b"behind")?;
    Ok(counter(witness) - before - 1)
}

fn local_story(ensemble: &mut Ensemble) -> Result<Story> {
    let mut story = Story::new();
    let all = places(ensemble)?;
    let [_, (_, other), _] = all;
    let mut witness = Client::connect(other, LIMIT)?;
    for (name, address) in all {
        let cost = cost(&mut witness, || {
            let mut client = Client::connect(address, LIMIT)?;
            client.get("/", false)?;
            Ok(client.close()?)
        })?;
        story.push(format!("{name}: a session costs {cost} transactions"));
        let mut client = Client::connect(address, LIMIT)?;
        let session = client.session().clone();
        let path = format!("/{name}");
        story.push(format!(
            "write {}",
            ended(&client.create(&path, b"", PERSISTENT))
        ));
        if address != other {
            story.push(format!("elsewhere {}", resumed(other, &session)));
        }
        let mut client = Client::resume(address, LIMIT, &session)?;
        story.push(format!("here again {}", ended(&client.get(&path, false))));
        for (n, flags) in [EPHEMERAL, EPHEMERAL_SEQUENTIAL].into_iter().enumerate() {
            let path = format!("{path}/e{n}");
            client.set("/", b"")?;
            let before = counter(&client);
            let created = client.create(&path, b"", flags);
            let taken = counter(&client) - before;
            story.push(format!(
                "ephemeral {}, {taken} transactions",
                ended(&created)
            ));
        }
        let results = client.multi(multi(&[("/m", PERSISTENT), ("/m/e", EPHEMERAL)]));
        story.push(format!("multi {}", results_of(results)));
        let (create, op) = create_op("/c", EPHEMERAL, CreateOp::Container);
        let container = Client::connect(address, LIMIT)?.call(&Request::Create { create, op });
        story.push(format!("container {}", ended(&container)));
        let moved = Client::resume(other, LIMIT, &session);
        story.push(format!("now elsewhere {}", ended(&moved)));
        if let Ok(moved) = moved {
            story.push(format!("the end {}", ended(&moved.close())));
        }
        witness.sync()?;
        story.push(format!("left {:?}", witness.children(&path)?));
        story.push(format!("multi left {}", ended(&witness.get("/m", false))));
        if witness.get("/m", false).is_ok() {
            witness.delete("/m")?;
        }
    }
    Ok(story)
}

fn results_of(results: Result<Vec<zk_wire::client::MultiResult>, Failure>) -> String {
    match results {
        Ok(results) => format!("{results:?}"),
        Err(error) => ended::<()>(&Err(error)),
    }
}

#[test]
fn local_sessions_are_upgraded_alike() -> Result<()> {
    let lines = [
        "localSessionsEnabled=true",
        "localSessionsUpgradingEnabled=true",
    ];
    let story = same(&settings(&lines, &[]), local_story)?;
    for line in [
        "leader: a session costs 0 transactions",
        "elsewhere session refused",
        "ephemeral done, 2 transactions",
        "ephemeral done, 1 transactions",
        "container error -112",
        "now elsewhere done",
    ] {
        ensure!(
            story.iter().any(|l| l == line),
            "{line:?} is not in {story:#?}"
        );
    }
    Ok(())
}

#[test]
fn local_sessions_without_upgrading_are_refused_alike() -> Result<()> {
    let story = same(&settings(&["localSessionsEnabled=true"], &[]), local_story)?;
    let refused = story
        .iter()
        .filter(|l| l.starts_with("ephemeral error -120, 1 "));
    ensure!(refused.count() == 6, "{story:#?}");
    Ok(())
}

fn moved_story(ensemble: &mut Ensemble) -> Result<Story> {
    let mut story = Story::new();
    let [follower, (_, other), leader] = places(ensemble)?;
    for (name, address) in [follower, leader] {
        for close in [false, true] {
            let mut old = Client::connect(address, LIMIT)?;
            let session = old.session().clone();
            let path = format!("/{name}-{close}");
            old.create(&path, b"", EPHEMERAL)?;
            let mut new = Client::resume(other, LIMIT, &session)?;
            story.push(format!(
                "{name}, then another: {}",
                ended(&new.get(&path, false))
            ));
            if close {
                story.push(format!("old closes {}", ended(&old.close())));
                // The other server learns of the end a moment later.
                let asked = Instant::now();
                while new.get("/", false).is_ok() {
                    ensure!(asked.elapsed() < LIMIT, "a closed session reads on");
                }
                story.push(format!("again {}", resumed(other, &session)));
                continue;
            }
            story.push(format!("old reads {}", ended(&old.get("/", false))));
            story.push(format!("old pings {}", ended(&old.call(&Request::Ping))));
            story.push(format!("old syncs {}", ended(&old.sync())));
            story.push(format!(
                "old writes {}",
                ended(&old.create("/o", b"", PERSISTENT))
            ));
            story.push(format!("old reads {}", ended(&old.get("/", false))));
            let mut old = Client::resume(address, LIMIT, &session)?;
            let results = new.multi(multi(&[("/m", PERSISTENT)]));
            story.push(format!("back, the other's multi {}", results_of(results)));
            story.push(format!("and here {}", ended(&old.set(&path, b"x"))));
            story.push(format!("the end {}", ended(&old.close())));
        }
    }
    Ok(story)
}

#[test]
fn sessions_move_alike() -> Result<()> {
    let story = same(&settings(&[], &[]), moved_story)?;
    ensure!(
        story.iter().any(|l| l == "old writes connection lost"),
        "{story:#?}"
    );
    Ok(())
}

fn wait_read_only(address: SocketAddr, wanted: &str) -> Result<()> {
    wait_for(
        "the mode that isro tells",
        START_LIMIT,
        || match four_letter::ask(address, "isro") {
            Ok(told) if told == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
}

fn read_only_story(ensemble: &mut Ensemble) -> Result<Story> {
    let mut story = Story::new();
    let address = ensemble.server(1)?.client_address();
    let mut global = Client::connect(address, LIMIT)?;
    global.create("/a", b"x", EPHEMERAL)?;
    let session = global.session().clone();
    for id in [2, 3] {
        ensemble.server(id)?.kill()?;
    }
    wait_read_only(address, "ro")?;
    story.push(format!(
        "without asking {}",
        ended(&Client::connect(address, LIMIT))
    ));
    let renewed = Client::connect_read_only(address, LIMIT, Some(&session));
    story.push(format!("a session of all {}", ended(&renewed)));
    let mut client = Client::connect_read_only(address, LIMIT, None)?;
    story.push(format!("read-only {:?}", client.session().read_only));
    story.push(format!("read {}", ended(&client.get("/a", true))));
    for (what, request) in [
        (
            "sync",
            Request::Sync {
                path: Some("/".into()),
            },
        ),
        (
            "set",
            Request::SetData {
                path: "/a".into(),
                data: None,
                version: -1,
            },
        ),
        (
            "delete",
            Request::Delete {
                path: "nonsense".into(),
                version: -1,
            },
        ),
        ("multi", Request::Multi(multi(&[("/m", EPHEMERAL)]))),
        ("empty multi", Request::Multi(Vec::new())),
        ("ping", Request::Ping),
        ("whoami", Request::WhoAmI),
    ] {
        story.push(format!("{what} {}", ended(&client.call(&request))));
    }
    let here = client.session().clone();
    let again = Client::connect_read_only(address, LIMIT, Some(&here));
    story.push(format!("renewed {}", ended(&again)));
    if let Ok(again) = again {
        story.push(format!("the end {}", ended(&again.close())));
    }
    let mut last = Client::connect_read_only(address, LIMIT, None)?;
    let there = last.session().clone();
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    wait_read_only(address, "rw")?;
    story.push(format!("old connection {}", ended(&last.get("/", false))));
    story.push(format!("renewed {}", resumed(address, &there)));
    let mut client = Client::connect_read_only(address, LIMIT, Some(&session))?;
    story.push(format!("read-only {:?}", client.session().read_only));
    story.push(format!(
        "the session of all {}",
        ended(&client.get("/a", false))
    ));
    Ok(story)
}

#[test]
fn read_only_servers_answer_alike() -> Result<()> {
    let lines = [
        "localSessionsEnabled=true",
        "localSessionsUpgradingEnabled=true",
    ];
    let settings = settings(&lines, &["readonlymode.enabled=true"]);
    let story = same(&settings, read_only_story)?;
    for line in [
        "without asking connection lost",
        "read-only Some(true)",
        "set error -119",
        "sync error -119",
        "old connection connection lost",
    ] {
        ensure!(
            story.iter().any(|l| l == line),
            "{line:?} is not in {story:#?}"
        );
    }
    Ok(())
}
