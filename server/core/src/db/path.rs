//! Paths: what is a valid one, and how they split (`PathUtils.validatePath`).

/// Splits an absolute path; `None` when it does not begin with a slash.
///
/// Empty components are kept, so that `/a/` and `//` find nothing rather than something else.
pub(super) fn components(path: &str) -> Option<impl Iterator<Item = &str>> {
    path.strip_prefix('/').map(|rest| rest.split('/'))
}

/// The part before the last slash, which is empty for children of the root; `None` without a slash.
pub(crate) fn parent_of(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/')
}

/// Whether a node may have this path.
pub(crate) fn is_valid(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    let Some(mut parts) = components(path) else {
        return false;
    };
    parts.all(|part| !part.is_empty() && part != "." && part != "..")
        && path.chars().all(is_allowed)
}

/// Control characters, surrogates (so everything above U+FFFF), the private-use area and the
/// specials at the end of the BMP are not allowed.
fn is_allowed(c: char) -> bool {
    !matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}'
        | '\u{fff0}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_and_invalid_paths() {
        for path in [
            "/",
            "/a",
            "/a/b",
            "/a/...",
            "/a/.x",
            "/a/x..",
            "/\u{a0}",
            "/\u{ffef}",
            "/a b",
        ] {
            assert!(is_valid(path), "{path:?}");
        }
        for path in [
            "",
            "foo",
            "/a/",
            "//x",
            "/a//b",
            "/a/.",
            "/a/../b",
            "/a\0",
            "/\u{1f}",
            "/\u{7f}",
            "/\u{9f}",
            "/\u{e000}",
            "/\u{fffd}",
            "/\u{1f600}",
        ] {
            assert!(!is_valid(path), "{path:?}");
        }
    }
}
