//! The name of the user that the server runs as.

use rustix::process::getuid;

/// Its name, or its number where the machine has no name for it, as in most containers.
pub(super) fn own_name() -> String {
    let uid = getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(&users, &uid).unwrap_or(uid)
}

/// The first name of this number in a file as passwd(5) has it.
fn name_of(users: &str, uid: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_third_field() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbad\nzoo:x:65532:0:::\n";
        assert_eq!(name_of(users, "65532").as_deref(), Some("zoo"));
        assert_eq!(name_of(users, "1"), None);
    }
}
