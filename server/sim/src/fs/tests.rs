//! What a power loss leaves of a file system.

use super::*;

fn read(fs: &SimFs, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = fs.open_read(Path::new(path), 0).ok()?;
    reader.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

#[test]
fn synced_bytes_survive_and_others_may_not() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..64 {
        let fs = SimFs::new();
        let mut file = fs.create(Path::new("/f")).unwrap();
        file.write_all_at(b"durable", 0).unwrap();
        file.sync().unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        file.write_all_at(&[7; 2000], 7).unwrap();
        fs.lose_power(&mut Dice::new(seed));
        let bytes = read(&fs, "/f").unwrap();
        assert!(bytes.starts_with(b"durable"), "{bytes:?}");
        if bytes.len() == 7 {
            lost += 1;
        }
        if bytes.len() == 2007 && bytes.iter().skip(7).all(|b| *b == 7) {
            kept += 1;
        }
    }
    assert!(lost > 0 && kept > 0 && lost + kept < 64);
}

#[test]
fn a_name_without_a_sync_of_its_directory_may_go() {
    let survives = |seed| {
        let fs = SimFs::new();
        let mut file = fs.create(Path::new("/f.tmp")).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        file.sync().unwrap();
        fs.rename(Path::new("/f.tmp"), Path::new("/f")).unwrap();
        fs.lose_power(&mut Dice::new(seed));
        read(&fs, "/f").is_some()
    };
    let count = (0..64).filter(|seed| survives(*seed)).count();
    assert!((1..64).contains(&count), "{count}");
}

#[test]
fn a_blown_fuse_stops_everything() {
    let fs = SimFs::new();
    let mut file = fs.create(Path::new("/f")).unwrap();
    fs.arm(1);
    assert!(file.write_all_at(b"x", 0).is_ok());
    assert!(file.sync().is_err());
    assert!(fs.create(Path::new("/g")).is_err());
    assert!(fs.disarm());
    assert!(file.sync().is_ok());
}

#[test]
fn lengths_beyond_the_bytes_read_as_zeros() {
    let fs = SimFs::new();
    let mut file = fs.create(Path::new("/f")).unwrap();
    file.set_len(1024).unwrap();
    file.write_all_at(b"ab", 600).unwrap();
    let bytes = read(&fs, "/f").unwrap();
    assert_eq!((bytes.len(), bytes[600], bytes[700]), (1024, b'a', 0));
    file.set_len(10).unwrap();
    file.set_len(1024).unwrap();
    assert_eq!(read(&fs, "/f").unwrap(), vec![0; 1024]);
}
