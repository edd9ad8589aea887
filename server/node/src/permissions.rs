//! Permissions as the letters that people write and read.

use zk_wire::data::perms;

/// In the order in which they are shown.
pub(crate) const LETTERS: [(char, i32); 5] = [
    ('c', perms::CREATE),
    ('d', perms::DELETE),
    ('r', perms::READ),
    ('w', perms::WRITE),
    ('a', perms::ADMIN),
];

/// The letters of permission bits.
pub(crate) fn letters(bits: i32) -> String {
    let given = LETTERS.iter().filter(|(_, bit)| bits & bit != 0);
    given.map(|(letter, _)| letter).collect()
}
