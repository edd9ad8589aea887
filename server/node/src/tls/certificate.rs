//! The few fields of an X.509 certificate that are shown to people or become an identity.
//!
//! Source: RFC 5280, section 4.1, in DER (X.690). What makes a certificate good is not decided here
//! but by rustls and `version_one`; this only reads, and gives up on whatever is not as the standard says.

/// Tag of a number.
pub(super) const INTEGER: u8 = 0x02;
/// Tag of a sequence.
pub(super) const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Fields of a certificate, in their encoded form where they are names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    /// Content of the issuer's name: its RDNs.
    pub(super) issuer: &'a [u8],
    /// Content of the subject's name: its RDNs.
    pub(super) subject: &'a [u8],
    /// The subject's public key with its algorithm, all of the element.
    pub(super) public_key: &'a [u8],
    /// First second in which it is good, since 1970; negative times count as 0.
    pub(super) not_before: u64,
    /// Last second in which it is good, since 1970.
    pub(super) not_after: u64,
}

impl<'a> Certificate<'a> {
    /// Reads one; `None` when it is not as the standard says.
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let (certificate, _) = expect(SEQUENCE, der)?;
        let (mut fields, _) = expect(SEQUENCE, certificate)?;
        if let Some((_, rest)) = expect(VERSION, fields) {
            fields = rest;
        }
        let (_, rest) = expect(INTEGER, fields)?;
        let (_algorithm, rest) = expect(SEQUENCE, rest)?;
        let (issuer, rest) = expect(SEQUENCE, rest)?;
        let (validity, rest) = expect(SEQUENCE, rest)?;
        let (subject, rest) = expect(SEQUENCE, rest)?;
        let (public_key, _) = next(rest)?;
        let (first, rest) = next(validity)?;
        let (last, _) = next(rest)?;
        Some(Self {
            issuer,
            subject,
            public_key: public_key.raw,
            not_before: seconds(first)?,
            not_after: seconds(last)?,
        })
    }
}

/// One element of DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// Its tag.
    pub(super) tag: u8,
    /// Its content.
    pub(super) content: &'a [u8],
    /// All of it, tag and length included.
    pub(super) raw: &'a [u8],
}

/// Takes the first element; gives what follows it.
pub(super) fn next(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut len = usize::from(first);
    if first >= 0x80 {
        let (digits, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        len = digits
            .iter()
            .fold(0, |n, digit| n << 8 | usize::from(*digit));
        rest = behind;
    }
    let (content, rest) = rest.split_at_checked(len)?;
    let raw = der.get(..der.len() - rest.len())?;
    Some((Element { tag, content, raw }, rest))
}

/// Takes the first element when it has this tag: its content and what follows it.
pub(super) fn expect(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (element, rest) = next(der)?;
    (element.tag == tag).then_some((element.content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` as seconds since 1970.
fn seconds(time: Element<'_>) -> Option<u64> {
    let text = time.content.strip_suffix(b"Z")?;
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i64, |n, digit| {
            digit
                .is_ascii_digit()
                .then(|| n * 10 + i64::from(digit - b'0'))
        })
    };
    let (year, rest) = match time.tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            // RFC 5280, 4.1.2.5.1: two digits mean 1950 to 2049.
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let mut parts = rest.chunks(2).map(number);
    let mut part = || parts.next().flatten();
    let (month, day, hour, minute, second) = (part()?, part()?, part()?, part()?, part()?);
    let days = days_from_civil(year, month, day);
    Some(u64::try_from(((days * 24 + hour) * 60 + minute) * 60 + second).unwrap_or(0))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that
/// the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// A time since 1970 as `2026-11-24T22:15:00Z`.
pub(super) fn time_text(seconds: u64) -> String {
    let days = i64::try_from(seconds / 86_400).unwrap_or(i64::MAX);
    let of_day = seconds % 86_400;
    let mut year = 1970 + days.saturating_mul(400) / 146_097;
    // The estimate is off by one at most.
    while days_from_civil(year, 1, 1) > days {
        year -= 1;
    }
    while days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12)
        .rev()
        .find(|month| days_from_civil(year, *month, 1) <= days)
        .unwrap_or(1);
    let day = days - days_from_civil(year, month, 1) + 1;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        for (tag, text, unix, shown) in [
            (UTC_TIME, "700101000000Z", 0, "1970-01-01T00:00:00Z"),
            (
                UTC_TIME,
                "261124221500Z",
                1_795_558_500,
                "2026-11-24T22:15:00Z",
            ),
            (
                UTC_TIME,
                "000229235959Z",
                951_868_799,
                "2000-02-29T23:59:59Z",
            ),
            (
                GENERALIZED_TIME,
                "20500101000000Z",
                2_524_608_000,
                "2050-01-01T00:00:00Z",
            ),
            (
                GENERALIZED_TIME,
                "99991231235959Z",
                253_402_300_799,
                "9999-12-31T23:59:59Z",
            ),
        ] {
            let time = Element {
                tag,
                content: text.as_bytes(),
                raw: &[],
            };
            assert_eq!(seconds(time), Some(unix), "{text}");
            assert_eq!(time_text(unix), shown);
        }
        for (tag, text) in [
            (UTC_TIME, "2611242215Z"),
            (UTC_TIME, "26112422150xZ"),
            (INTEGER, ""),
        ] {
            let time = Element {
                tag,
                content: text.as_bytes(),
                raw: &[],
            };
            assert_eq!(seconds(time), None, "{text}");
        }
    }

    #[test]
    fn a_real_certificate_is_read() {
        let mut params = rcgen::CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "bob");
        params.not_before = rcgen::date_time_ymd(2020, 2, 29);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let read = Certificate::parse(made.der()).unwrap();
        assert_eq!(read.subject, read.issuer);
        assert_eq!(time_text(read.not_before), "2020-02-29T00:00:00Z");
        assert_eq!(time_text(read.not_after), "2051-01-01T00:00:00Z");
        for len in 0..made.der().len() {
            let cut = made.der().get(..len).unwrap();
            assert_eq!(Certificate::parse(cut), None, "{len} bytes");
        }
    }

    #[test]
    fn lengths_that_run_past_the_end_are_refused() {
        for der in [
            &[0x30][..],
            &[0x30, 0x80],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
            &[0x30, 0x84, 255, 255, 255, 255],
        ] {
            assert_eq!(next(der), None, "{der:x?}");
        }
    }
}
