//! The names logs are rotated to: `auth.log.1`, `auth.log-20261123`, `auth-20261123.log`,
//! `auth.log.old`. Compressed ones are none of them: what is in them cannot be read as lines.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Endings that are words; all others are numbers or dates.
const WORDS: &[&[u8]] = &[b"old", b"prev", b"previous", b"bak"];

/// Whether two files, by their names, are one log's: the log itself or what it was rotated to.
pub(super) fn are_relatives(one: &Path, other: &Path) -> bool {
    let names = one.file_name().zip(other.file_name());
    one.parent() == other.parent()
        && names.is_some_and(|(one, other)| base(one.as_bytes()) == base(other.as_bytes()))
}

/// Whether a name in a log's folder is one it was rotated to.
pub(super) fn is_version(name: &OsStr, log: &OsStr) -> bool {
    name != log && base(name.as_bytes()) == log.as_bytes()
}

/// A name without what rotation has put behind it, or before its extension (logrotate's
/// `extension .log`).
fn base(name: &[u8]) -> Cow<'_, [u8]> {
    let extension = memchr::memrchr(b'.', name).unwrap_or(name.len());
    for at in memchr::memchr3_iter(b'.', b'-', b'_', name).filter(|at| *at > 0) {
        if is_ending(&name[at..]) {
            return Cow::Borrowed(&name[..at]);
        }
        if at < extension && is_ending(&name[at..extension]) {
            return Cow::Owned([&name[..at], &name[extension..]].concat());
        }
    }
    Cow::Borrowed(name)
}

/// A separator, then a number, a date or one of [`WORDS`].
fn is_ending(ending: &[u8]) -> bool {
    let Some((b'.' | b'-' | b'_', ending)) = ending.split_first() else {
        return false;
    };
    let is_date = |byte: &u8| byte.is_ascii_digit() || b".-_:TZ".contains(byte);
    let is_number = ending.iter().any(u8::is_ascii_digit) && ending.iter().all(is_date);
    is_number || WORDS.contains(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logrotates_names_are_known_and_others_are_not() {
        for (name, log, expected) in [
            ("auth.log.1", "auth.log", true),
            ("auth.log-20261123", "auth.log", true),
            ("auth.log-2026-11-23T10:00:00Z", "auth.log", true),
            ("auth-20261123.log", "auth.log", true),
            ("auth.1.log", "auth.log", true),
            ("messages-20261123", "messages", true),
            ("messages.old", "messages", true),
            ("auth.log", "auth.log", false),
            ("auth.log.1.gz", "auth.log", false),
            ("auth.log.swp", "auth.log", false),
            ("auth.log.", "auth.log", false),
            ("auth.log1", "auth.log", false),
            ("auth-fail.log", "auth.log", false),
            ("other.log.1", "auth.log", false),
            (".log.1", ".log", true),
        ] {
            let found = is_version(OsStr::new(name), OsStr::new(log));
            assert_eq!(found, expected, "{name} of {log}");
        }
        let log = Path::new("/var/log/auth.log.2");
        assert!(are_relatives(Path::new("/var/log/auth.log.1"), log));
        assert!(are_relatives(Path::new("/var/log/auth.log"), log));
        assert!(!are_relatives(Path::new("/var/old/auth.log.1"), log));
        assert!(!are_relatives(Path::new("/var/log/other.log.1"), log));
    }
}
