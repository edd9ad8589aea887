//! Names as DER, and what `X500Principal.getName()` of OpenJDK 17 makes of them.

use super::*;

/// A whole name in hexadecimal, and its text.
const NAMES: [(&str, &str); 23] = [
    (
        "303f310b300906035504061302555331123010060355040a0c0941636d652c20496e63310c300a060355040b0c03446576310e300c06035504030c05616c696365",
        "CN=alice,OU=Dev,O=Acme\\, Inc,C=US",
    ),
    (
        "301c311a301806035504030c11613d622b633c643e6523663b6722685c69",
        "CN=a\\=b\\+c\\<d\\>e\\#f\\;g\\\"h\\\\i",
    ),
    (
        "301d311b301906035504030c1220206c65616420616e6420747261696c2020",
        "CN=\\ \\ lead and trail\\ \\ ",
    ),
    ("300c310a300806035504030c0120", "CN=\\ "),
    ("300b3109300706035504030c00", "CN="),
    ("3000", ""),
    (
        "305931133011060a0992268993f22c64011916036f726731173015060a0992268993f22c64011916076578616d706c6531133011060a0992268993f22c6401010c03626f623114301206092a864886f70d01090116056140622e63",
        "1.2.840.113549.1.9.1=#16056140622e63,UID=bob,DC=example,DC=org",
    ),
    (
        "302631243008060355040b0c0178300a06035504030c03626f62300c06035504070c05426173656c",
        "OU=x+CN=bob+L=Basel",
    ),
    (
        "305a310d300b06035504080c044265726e310e300c06035504090c055765672031310b3009060355040c0c024472310f300d06035504040c064d7573746572310b3009060355040513023737310e300c06062a0382b840050c027a7a",
        "1.2.3.40000.5=#0c027a7a,2.5.4.5=#13023737,2.5.4.4=#0c064d7573746572,2.5.4.12=#0c024472,STREET=Weg 1,ST=Bern",
    ),
    (
        "301e311c301a06035504030c134772c3bcc39f6520e697a5e69cac20f09f9880",
        "CN=Gr\u{fc}\u{df}e \u{65e5}\u{672c} \u{1f600}",
    ),
    (
        "30153113301106035504030c0a6100620a630d6409650d",
        "CN=a\\00b\u{a}c\u{d}d\u{9}e\\\u{d}",
    ),
    (
        "3011310f300d06035504031e06005a006f00eb",
        "CN=\\00Z\\00o\\00\u{fffd}",
    ),
    ("300e310c300a060355040314035a6feb", "CN=Zo\u{fffd}"),
    (
        "30173115301306035504031c0c0000005a0000006f00000065",
        "CN=#1c0c0000005a0000006f00000065",
    ),
    ("300e310c300a060355040312036e756d", "CN=#12036e756d"),
    ("300e310c300a06035504031a03766973", "CN=#1a03766973"),
    ("300e310c300a06035504031b0367656e", "CN=gen"),
    ("300c310a30080603550403020105", "CN=#020105"),
    ("300d310b30090603550403030200ff", "CN=#030200ff"),
    (
        "301e311c301a06035504030c13612f623a63286429273f2d2e5f2a402125267e",
        "CN=a/b:c(d)'?-._*@!%&~",
    ),
    ("3010310e300c06035504030c05236c656164", "CN=\\#lead"),
    (
        "30143112301006035504030c09626164fffe75746638",
        "CN=bad\u{fffd}\u{fffd}utf8",
    ),
    (
        "301e310c300a06035504030c03626f62310e300c06035504030c05616c696365",
        "CN=alice,CN=bob",
    ),
];

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16)?.try_into().ok())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |n, digit| n << 4 | digit))
        .collect()
}

#[test]
fn names_are_shown_as_java_shows_them() {
    for (der, expected) in NAMES {
        let der = from_hex(der);
        let (rdns, _) = expect(SEQUENCE, &der).unwrap();
        assert_eq!(rfc2253(rdns).as_deref(), Some(expected));
    }
}

#[test]
fn broken_names_have_no_text() {
    for der in [
        &[0x30, 0][..],
        &[0x31, 1],
        &[0x31, 2, 0x30, 0],
        &[0x31, 4, 0x30, 2, 0x06, 0],
    ] {
        assert_eq!(rfc2253(der), None, "{der:x?}");
    }
    assert_eq!(dotted(&[0x55, 0x84]), None);
    assert_eq!(dotted(&[0xff; 30]), None);
}

#[test]
fn names_from_outside_cannot_disturb_the_log() {
    assert_eq!(for_log("CN=a\nb\u{1b}[2J"), r#""CN=a\nb\u{1b}[2J""#);
    assert_eq!(for_log("O=Acme\\, Inc"), r#""O=Acme\, Inc""#);
    let long = "x".repeat(300);
    assert_eq!(for_log(&long), format!("\"{}..\"", "x".repeat(200)));
}
