//! Each command in the pages is run, or one that there is.

use quorate_e2e::docs::blocks::{self, Block, Place, Treatment};
use quorate_e2e::docs::commands::{Commands, Programs};
use quorate_e2e::docs::place::Workplace;
use quorate_e2e::progress::Progress;
use quorate_e2e::tools::clients;

use crate::built;

fn commands() -> anyhow::Result<Commands> {
    let programs = Programs {
        harness: env!("CARGO_BIN_EXE_quorate-e2e").into(),
        server: built("QUORATE_BIN"),
        operator: built("QUORATE_OPERATOR_BIN"),
        plugin: built("QUORATE_PLUGIN_BIN"),
    };
    Commands::new(programs)
}

/// The programs of others may stand in blocks that are run, and nowhere else.
#[test]
fn commands_are_ones_that_there_are() {
    let (commands, mut wrong) = (commands().unwrap(), Vec::new());
    for block in blocks::all().unwrap() {
        match commands.check(&block.text) {
            Ok(others) if block.treatment == Treatment::Parsed && !others.is_empty() => {
                wrong.push(format!(
                    "{}: {others:?} is not of this checkout",
                    block.at()
                ));
            }
            Ok(_) => {}
            Err(error) => wrong.push(format!("{}: {error:#}", block.at())),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn commands_that_there_are_not_are_found() {
    let commands = commands().unwrap();
    for (line, why) in [
        ("./run no-such", "no-such"),
        ("./run replay", "replay"),
        ("./run suites --no-such", "--no-such"),
        ("quorate-e2e twin --no-such", "--no-such"),
        ("quorate-e2e histories --minutes many", "many"),
        ("quorate cli --no-such x", "--no-such"),
        ("quorate cli -server a:2181 no-such /x", "no-such"),
        ("kubectl quorate no-such", "no-such"),
        ("cargo test -p no-such", "no-such"),
        (
            "cargo test -p quorate-operator --lib no_such_test",
            "no_such_test",
        ),
        ("cargo test -p quorate-e2e --test no-such", "no-such"),
        (
            "cargo build -p quorate-operator --features no-such",
            "no-such",
        ),
        ("cargo run -p quorate-server -- no-such", "no-such"),
    ] {
        let error = commands.check(line).expect_err(line);
        assert!(format!("{error:#}").contains(why), "{line}: {error:#}");
    }
}

#[test]
fn commands_for_a_checkout_work_there() {
    let here = |block: &Block| {
        matches!(
            block.treatment,
            Treatment::Run {
                place: Place::Here,
                ..
            }
        )
    };
    let blocks: Vec<_> = blocks::all().unwrap().into_iter().filter(here).collect();
    assert!(!blocks.is_empty());
    let helm = clients::helm(&Progress::default()).unwrap();
    let place = Workplace::new(&[("helm", &helm)]).unwrap();
    for block in blocks {
        place.run(&block, &[]).unwrap();
    }
}

/// A block that fails, or does not print what it is stopped for, is an error.
#[test]
fn blocks_that_do_not_work_are_errors() {
    let place = Workplace::new(&[]).unwrap();
    let block = |text: &str, until: Option<&str>| Block {
        page: "a.md".into(),
        line: 1,
        text: text.to_owned(),
        treatment: Treatment::Run {
            place: Place::Here,
            until: until.map(str::to_owned),
        },
    };
    place
        .run(&block("test -d charts\ntrue\n", None), &[])
        .unwrap();
    place
        .run(&block("test NAME = x\n", None), &[("NAME", "x")])
        .unwrap();
    for text in [
        "false\ntrue\n",
        "false | true\n",
        "echo $NO_SUCH_VARIABLE\n",
        "no-such-program\n",
    ] {
        assert!(place.run(&block(text, None), &[]).is_err(), "{text}");
    }
    let endless = "echo it is; tail -f /dev/null\n";
    place.run(&block(endless, Some("it is")), &[]).unwrap();
    let error = place
        .run(&block("echo no\n", Some("it is")), &[])
        .unwrap_err();
    assert!(format!("{error:#}").contains("it is"), "{error:#}");
}
