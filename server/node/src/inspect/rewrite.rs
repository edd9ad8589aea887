//! Copies of a log: with right checksums, or cut behind a transaction. The original stays as it is.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use zk_storage::inspect::{RawLog, encode_record, file_header};
use zk_wire::Zxid;
use zk_wire::txn::Txn;

use super::InspectError;
use super::progress::Progress;
use super::txn_text;

fn create(path: &Path) -> Result<BufWriter<File>, InspectError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut out = BufWriter::new(file.map_err(InspectError::io(path))?);
    out.write_all(&file_header())
        .map_err(InspectError::io(path))?;
    Ok(out)
}

fn finish(out: BufWriter<File>, path: &Path) -> Result<(), InspectError> {
    let file = out
        .into_inner()
        .map_err(|e| InspectError::io(path)(e.into_error()))?;
    file.sync_all().map_err(InspectError::io(path))
}

/// Writes `FILE.fixed`, in which the checksum of every record is right.
pub(super) fn recover(path: &Path) -> Result<(), InspectError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".fixed");
    let target = PathBuf::from(name);
    let mut log = RawLog::open(path)?;
    let progress = Progress::new(path, log.len());
    let mut out = create(&target)?;
    let zone = TimeZone::system();
    let (mut count, mut fixed) = (0_u64, 0_u64);
    let mut record_out = Vec::new();
    while let Some(record) = log.next_record()? {
        progress.at(log.offset());
        record_out.clear();
        encode_record(&record.raw, &mut record_out);
        out.write_all(&record_out)
            .map_err(InspectError::io(&target))?;
        count += 1;
        if record.intact {
            continue;
        }
        fixed += 1;
        match Txn::decode(record.raw) {
            Ok(txn) => println!("CRC FIXED - {}", txn_text::line(&txn, &zone)),
            Err(why) => println!("CRC FIXED - at offset {}: {why}", record.offset),
        }
    }
    finish(out, &target)?;
    println!("EOF reached after {count} txns.");
    println!(
        "Recovery file {} has been written with {fixed} fixed CRC error(s)",
        target.display()
    );
    Ok(())
}

/// Writes the log up to and with a transaction to a new file.
pub(super) fn chop(path: &Path, through: Zxid, target: &Path) -> Result<(), InspectError> {
    let mut log = RawLog::open(path)?;
    let progress = Progress::new(path, log.len());
    let mut out = create(target)?;
    let (mut count, mut found) = (0_u64, false);
    let mut record_out = Vec::new();
    while let Some(record) = log.next_record()? {
        progress.at(log.offset());
        let damaged = |why: String| {
            InspectError::Damage(format!(
                "{} is damaged at offset {} before {through}: {why}; `quorate inspect log \
                 --recover` first",
                path.display(),
                record.offset
            ))
        };
        if !record.intact {
            return Err(damaged("the checksum of a record is wrong".into()));
        }
        let zxid = Txn::zxid_of(&record.raw).map_err(|e| damaged(e.to_string()))?;
        if zxid > through {
            break;
        }
        record_out.clear();
        encode_record(&record.raw, &mut record_out);
        out.write_all(&record_out)
            .map_err(InspectError::io(target))?;
        count += 1;
        found = zxid == through;
    }
    finish(out, target)?;
    if !found {
        std::fs::remove_file(target).map_err(InspectError::io(target))?;
        let why = format!(
            "{}: there is no transaction {through} in it",
            path.display()
        );
        return Err(InspectError::Damage(why));
    }
    println!(
        "{count} txns up to {through} written to {}",
        target.display()
    );
    Ok(())
}
