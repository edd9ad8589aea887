//! A Stat as zkCli prints it (`org.apache.zookeeper.cli.StatPrinter`).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use zk_wire::Stat;

use super::output::Output;

/// Prints a Stat line by line, and notes it for programs.
pub fn print(out: &mut Output, stat: &Stat) {
    for line in lines(stat, &TimeZone::system()) {
        out.line(line);
    }
    out.field("stat", to_json(stat));
}

/// The lines.
fn lines(stat: &Stat, zone: &TimeZone) -> [String; 11] {
    [
        format!("cZxid = {:#x}", stat.czxid),
        format!("ctime = {}", date(stat.ctime, zone)),
        format!("mZxid = {:#x}", stat.mzxid),
        format!("mtime = {}", date(stat.mtime, zone)),
        format!("pZxid = {:#x}", stat.pzxid),
        format!("cversion = {}", stat.cversion),
        format!("dataVersion = {}", stat.version),
        format!("aclVersion = {}", stat.aversion),
        format!("ephemeralOwner = {:#x}", stat.ephemeral_owner),
        format!("dataLength = {}", stat.data_length),
        format!("numChildren = {}", stat.num_children),
    ]
}

/// A time as `java.util.Date` prints it.
#[must_use]
pub fn date(ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => at
            .to_zoned(zone.clone())
            .strftime("%a %b %d %H:%M:%S %Z %Y")
            .to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// All fields, with ids in hex as in the lines and times in ms.
#[must_use]
pub fn to_json(stat: &Stat) -> Value {
    json!({
        "czxid": format!("{:#x}", stat.czxid),
        "mzxid": format!("{:#x}", stat.mzxid),
        "pzxid": format!("{:#x}", stat.pzxid),
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "cversion": stat.cversion,
        "version": stat.version,
        "aversion": stat.aversion,
        "ephemeralOwner": format!("{:#x}", stat.ephemeral_owner),
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_reads_as_in_zkcli() {
        let stat = Stat {
            czxid: 0x1f,
            ctime: 1_795_549_149_000,
            ephemeral_owner: -1,
            ..Stat::default()
        };
        let lines = lines(&stat, &TimeZone::UTC);
        assert_eq!(lines[0], "cZxid = 0x1f");
        assert_eq!(lines[1], "ctime = Tue Nov 24 19:39:09 UTC 2026");
        assert_eq!(lines[3], "mtime = Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(lines[8], "ephemeralOwner = 0xffffffffffffffff");
    }
}
