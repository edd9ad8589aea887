//! The commands: names, words and options, as `help` shows them (`ZooKeeperMain`, the classes of
//! `org.apache.zookeeper.cli`).

use super::options::{self, Group, Opt};

/// What a command needs and takes.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// As typed.
    pub name: &'static str,
    /// Options and words, as the usage line shows them.
    pub usage: &'static str,
    /// Its options.
    pub options: &'static [Opt],
    /// How they go together.
    pub group: Group,
    /// Fewest words besides the options.
    pub words_min: usize,
    /// Whether the usage explains the options.
    pub explains: bool,
    /// Whether its first word is a path.
    pub takes_path: bool,
}

impl Verb {
    /// The usage line, with the options below it for some.
    #[must_use]
    pub fn usage(&self) -> String {
        let line = format!("{} {}", self.name, self.usage);
        if self.explains {
            format!("{line}\n{}", options::help(self.options))
        } else {
            line
        }
    }
}

const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt {
        name,
        value: false,
        help,
    }
}

const fn valued(name: &'static str, help: &'static str) -> Opt {
    Opt {
        name,
        value: true,
        help,
    }
}

const fn verb(name: &'static str, usage: &'static str, options: &'static [Opt]) -> Verb {
    Verb {
        name,
        usage,
        options,
        group: Group::Free,
        words_min: 0,
        explains: false,
        takes_path: false,
    }
}

const fn on_path(name: &'static str, usage: &'static str, options: &'static [Opt]) -> Verb {
    Verb {
        words_min: 1,
        takes_path: true,
        ..verb(name, usage, options)
    }
}

const STAT: Opt = flag("s", "Print znode stats additionally");
const WATCH: Opt = flag("w", "Watch for changes on the znode");

/// All commands, by name.
pub const VERBS: &[Verb] = &[
    on_path(
        "addWatch",
        "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is \
         PERSISTENT_RECURSIVE",
        &[valued("m", "mode")],
    ),
    Verb {
        words_min: 1,
        ..verb("addauth", "scheme auth", &[])
    },
    verb("close", "", &[]),
    verb(
        "config",
        "[-c] [-w] [-s]",
        &[
            flag("s", "stats"),
            flag("w", "watch"),
            flag("c", "client connection string"),
        ],
    ),
    verb("connect", "host:port", &[]),
    on_path(
        "create",
        "[-s] [-e] [-c] [-t ttl] path [data] [acl]",
        &[
            flag("e", "ephemeral"),
            flag("s", "sequential"),
            flag("c", "container"),
            valued("t", "ttl"),
        ],
    ),
    on_path("delete", "[-v version] path", &[valued("v", "version")]),
    on_path(
        "deleteall",
        "path [-b batch size]",
        &[valued("b", "batch size")],
    ),
    Verb {
        group: Group::AtMostOne,
        ..on_path("delquota", "[-n|-b|-N|-B] path", QUOTA_KINDS)
    },
    Verb {
        explains: true,
        ..on_path(
            "get",
            "[-s] [-w] [-b] [-x] path",
            &[
                STAT,
                WATCH,
                flag("b", "Output data in base64 format"),
                flag("x", "Output data in hexdump format"),
            ],
        )
    },
    on_path("getAcl", "[-s] path", &[flag("s", "stats")]),
    on_path("getAllChildrenNumber", "path", &[]),
    Verb {
        words_min: 0,
        ..on_path("getEphemerals", "path", &[])
    },
    verb("help", "", &[]),
    verb("history", "", &[]),
    on_path("listquota", "path", &[]),
    on_path(
        "ls",
        "[-s] [-w] [-R] path",
        &[
            flag("s", "stat"),
            flag("w", "watch"),
            flag("R", "recurse"),
            flag("?", "help"),
        ],
    ),
    verb("printwatches", "on|off", &[]),
    verb("quit", "", &[]),
    verb(
        "reconfig",
        "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | \
         [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
        &[
            flag("s", "stats"),
            valued("v", "required current config version"),
            valued("file", "path of config file to parse for membership"),
            valued(
                "members",
                "comma-separated list of config strings for non-incremental reconfig",
            ),
            valued(
                "add",
                "comma-separated list of config strings for new servers",
            ),
            valued("remove", "comma-separated list of server IDs to remove"),
        ],
    ),
    Verb {
        words_min: 1,
        ..verb("redo", "cmdno", &[])
    },
    on_path(
        "removewatches",
        "path [-c|-d|-a] [-l]",
        &[
            flag("c", "child watcher type"),
            flag("d", "data watcher type"),
            flag("p", "persistent watcher type"),
            flag("r", "persistent recursive watcher type"),
            flag("a", "any watcher type"),
            flag("l", "remove locally when there is no server connection"),
        ],
    ),
    Verb {
        explains: true,
        words_min: 2,
        ..on_path(
            "set",
            "path data [-s] [-v version] [-b]",
            &[
                STAT,
                valued("v", "Set with an expected version"),
                flag("b", "Supply data in base64 format"),
            ],
        )
    },
    Verb {
        words_min: 2,
        ..on_path(
            "setAcl",
            "[-s] [-v version] [-R] path acl",
            &[
                flag("s", "stats"),
                valued("v", "version"),
                flag("R", "recursive"),
            ],
        )
    },
    Verb {
        group: Group::ExactlyOne,
        ..on_path("setquota", "-n|-b|-N|-B val path", QUOTA_VALUES)
    },
    on_path("stat", "[-w] path", &[flag("w", "watch")]),
    on_path("sync", "path", &[]),
    verb("version", "", &[]),
    verb("whoami", "", &[]),
];

const QUOTA_KINDS: &[Opt] = &[
    flag("n", "num soft quota"),
    flag("b", "bytes soft quota"),
    flag("N", "num hard quota"),
    flag("B", "bytes hard quota"),
];

const QUOTA_VALUES: &[Opt] = &[
    valued("n", "num soft quota"),
    valued("b", "bytes soft quota"),
    valued("N", "num hard quota"),
    valued("B", "bytes hard quota"),
];

/// The command with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// All usage lines, as zkCli lists them.
#[must_use]
pub fn listing() -> String {
    let mut text = String::from("quorate cli -server host:port[,host:port..][/chroot] cmd args");
    for verb in VERBS.iter().filter(|verb| verb.name != "help") {
        text.push_str(&format!("\n\t{} {}", verb.name, verb.usage));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sorted_and_found() {
        assert!(VERBS.is_sorted_by_key(|verb| verb.name));
        assert_eq!(find("ls").map(|verb| verb.name), Some("ls"));
        assert!(find("LS").is_none());
    }

    #[test]
    fn usage_explains_the_options_of_get_and_set() {
        let want = "set path data [-s] [-v version] [-b]\n \
                    -b         Supply data in base64 format\n \
                    -s         Print znode stats additionally\n \
                    -v <arg>   Set with an expected version\n";
        assert_eq!(find("set").unwrap().usage(), want);
    }
}
