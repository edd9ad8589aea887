//! Sizes as Kubernetes writes them, compared by what they mean: `1Gi` is `1024Mi`.

use std::cmp::Ordering;
use std::fmt;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Decimal places that a quantity has at most.
const PLACES: u32 = 9;

/// Billionths in one of each decimal unit, as a power of ten.
const DECIMAL: [(&str, u32); 10] = [
    ("n", 0),
    ("u", 3),
    ("m", 6),
    ("", PLACES),
    ("k", 12),
    ("M", 15),
    ("G", 18),
    ("T", 21),
    ("P", 24),
    ("E", 27),
];

/// Each binary unit as a power of two.
const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// The size of a volume, as it was written.
#[derive(Clone, Debug)]
pub struct Size {
    quantity: Quantity,
    /// Billionths of a byte: what `n` stands for.
    nanos: u128,
}

impl Size {
    /// Reads a size; `None` when it is no quantity, or below zero, or larger than any disk.
    pub fn parse(quantity: &Quantity) -> Option<Self> {
        let nanos = nanos(&quantity.0)?;
        let quantity = quantity.clone();
        Some(Self { quantity, nanos })
    }

    /// As it was written.
    pub fn quantity(&self) -> &Quantity {
        &self.quantity
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quantity.0)
    }
}

impl PartialEq for Size {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Size {}

impl PartialOrd for Size {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Size {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

fn nanos(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let places = u32::try_from(fraction.len()).ok()?;
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || places > PLACES {
        return None;
    }
    let digits: u128 = format!("0{whole}{fraction}").parse().ok()?;
    let scaled = digits.checked_mul(unit_nanos(suffix)?)?;
    // What is left over is less than a billionth of a byte.
    Some(scaled / 10_u128.checked_pow(places)?)
}

/// Billionths of a byte in one of a unit.
fn unit_nanos(suffix: &str) -> Option<u128> {
    if let Some((_, power)) = DECIMAL.iter().find(|(unit, _)| *unit == suffix) {
        return 10_u128.checked_pow(*power);
    }
    if let Some((_, power)) = BINARY.iter().find(|(unit, _)| *unit == suffix) {
        return 2_u128.checked_pow(*power)?.checked_mul(10_u128.pow(PLACES));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = exponent.checked_add(PLACES.cast_signed())?;
    10_u128.checked_pow(u32::try_from(power).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Option<Size> {
        Size::parse(&Quantity(text.to_owned()))
    }

    #[test]
    fn sizes_compare_by_what_they_mean() {
        for (one, other, expected) in [
            ("1Gi", "1024Mi", Ordering::Equal),
            ("1Gi", "1G", Ordering::Greater),
            ("1.5Ti", "1536Gi", Ordering::Equal),
            ("0.5Gi", "512Mi", Ordering::Equal),
            (".5Gi", "512Mi", Ordering::Equal),
            ("2Gi", "1Gi", Ordering::Greater),
            ("10Gi", "9Gi", Ordering::Greater),
            ("1e3", "1k", Ordering::Equal),
            ("1E3", "+1000", Ordering::Equal),
            ("1E", "1000P", Ordering::Equal),
            ("1Ei", "1024Pi", Ordering::Equal),
            ("1000m", "1", Ordering::Equal),
            ("1u", "1000n", Ordering::Equal),
            ("1073741824", "1Gi", Ordering::Equal),
            ("1e-3", "1m", Ordering::Equal),
        ] {
            assert_eq!(
                size(one).unwrap().cmp(&size(other).unwrap()),
                expected,
                "{one} and {other}"
            );
        }
        assert_eq!(size("1536Gi").unwrap().to_string(), "1536Gi");
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in [
            "",
            ".",
            "-1Gi",
            "Gi",
            "1GiB",
            "1 Gi",
            "1.2.3",
            "1e",
            "1e99",
            "1e-10",
            "big",
            "9999999999999999999999Ei",
            "1.0000000001",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
