//! Which paths a client lets through, in the words of Apache's client
//! (`org.apache.zookeeper.common.PathUtils`).

/// Checks a path before it is sent; `sequential` paths get a number behind them and may end in `/`.
///
/// # Errors
/// What is wrong with it, as Apache's client says it.
pub fn validate(path: &str, sequential: bool) -> Result<(), String> {
    if path.is_empty() {
        return Err("Path length must be > 0".into());
    }
    if !path.starts_with('/') {
        return Err("Path must start with / character".into());
    }
    if path == "/" {
        return Ok(());
    }
    if path.ends_with('/') && !sequential {
        return Err("Path must not end with / character".into());
    }
    let whole = if sequential {
        format!("{path}1")
    } else {
        path.to_owned()
    };
    let chars: Vec<char> = whole.chars().collect();
    let at = |i: usize| chars.get(i).copied();
    for (i, c) in chars.iter().copied().enumerate().skip(1) {
        let last = at(i - 1);
        let ends = matches!(at(i + 1), None | Some('/'));
        let before = i.checked_sub(2).and_then(at);
        let why = match c {
            '\0' => format!("null character not allowed @{i}"),
            '/' if last == Some('/') => format!("empty node name specified @{i}"),
            '.' if ends && last == Some('.') && before == Some('/') => {
                format!("relative paths not allowed @{i}")
            }
            '.' if ends && last == Some('/') => format!("relative paths not allowed @{i}"),
            '\u{1}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fff0}'..='\u{ffff}' => {
                format!("invalid character @{i}")
            }
            _ => continue,
        };
        return Err(format!("Invalid path string \"{whole}\" caused by {why}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_judged_as_apache_judges_them() {
        for good in ["/", "/a", "/a/b.c", "/...", "/a/..b", "/ä ö"] {
            assert_eq!(validate(good, false), Ok(()), "{good}");
        }
        assert_eq!(validate("/a/", true), Ok(()));
        let check = |path: &str, want: &str| {
            let why = validate(path, false).unwrap_err();
            assert!(why.ends_with(want), "{path}: {why}");
        };
        check("", "Path length must be > 0");
        check("a", "Path must start with / character");
        check("/a/", "Path must not end with / character");
        check("/a//b", "\"/a//b\" caused by empty node name specified @3");
        check("/a/./b", "relative paths not allowed @3");
        check("/a/..", "relative paths not allowed @4");
        check("/a\u{1}", "invalid character @2");
    }
}
