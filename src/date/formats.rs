//! The date formats looked for when no `datepattern` is set: fail2ban's, in its order.
//!
//! The place to add one. A format that is not bound to the line's begin is tried there first, by
//! a copy of it, so that the date of a log line is preferred to one inside a message.

use super::needs::{AFTER_COLON, AFTER_SPACE, AFTER_T, DIRECT, EIGHT_DIGITS, Needs, TEN_DIGITS};

/// One format: its pattern, a line that shows it, and what to look for first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) pattern: &'static str,
    /// 23 January 2005, 21:59:59 UTC, or in the zone where the format has none.
    #[cfg_attr(not(test), expect(dead_code, reason = "says what the pattern means"))]
    pub(super) example: &'static str,
    /// A line without any of these is not searched for this format. The time of day, what stands
    /// before it, is the quickest to find; [`Needs::NOTHING`] is always right.
    pub(super) needs: Needs,
}

const fn format(pattern: &'static str, example: &'static str, needs: Needs) -> Format {
    Format {
        pattern,
        example,
        needs,
    }
}

/// What a template weighs when the order is decided; copies for the line's begin weigh more.
pub(super) const WEIGHT: f64 = 1.0;
pub(super) const WEIGHT_AT_LINE_BEGIN: f64 = 100.0;

/// In fail2ban's order, which decides between formats that fit the same text.
#[rustfmt::skip]
pub(super) const FORMATS: &[Format] = &[
    // ISO 8601, and simple dates, year first.
    format(r"%ExY(?P<_sep>[-/.])%m(?P=_sep)%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\s*%z)?", "2005-01-23T21:59:59.981746", AFTER_T.or(AFTER_SPACE)),
    // syslog, asctime.
    format(r"(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?", "Sun Jan 23 21:59:59.011 2005", AFTER_SPACE),
    format(r"(?:%a )?%b %d %ExY %k:%M:%S(?:\.%f)?", "Sun Jan 23 2005 21:59:59.011", AFTER_SPACE),
    // Simple dates, day first, the year also of two digits.
    format(r"%d(?P<_sep>[-/])%m(?P=_sep)(?:%ExY|%Exy) %k:%M:%S", "23/01/2005 21:59:59", AFTER_SPACE),
    // Apache, named, roundcube.
    format(r"%d(?P<_sep>[-/])%b(?P=_sep)%ExY[ :]?%H:%M:%S(?:\.%f)?(?: %z)?", "23/Jan/2005:21:59:59 +0000", AFTER_SPACE.or(AFTER_COLON).or(DIRECT)),
    // cPanel.
    format(r"%m/%d/%ExY:%H:%M:%S", "01/23/2005:21:59:59", AFTER_COLON),
    // Month first: only what the day-first format above does not take.
    format(r"%m-%d-%ExY %k:%M:%S(?:\.%f)?", "01-23-2005 21:59:59.252", AFTER_SPACE),
    format("EPOCH", "1106517599", TEN_DIGITS),
    // Time alone.
    format("{^LN-BEG}%H:%M:%S", "21:59:59", Needs::NOTHING),
    format("^<%m/%d/%Exy@%H:%M:%S>", "<01/23/05@21:59:59>", Needs::NOTHING),
    // MySQL.
    format("%Exy%Exm%Exd  ?%H:%M:%S", "050123 21:59:59", AFTER_SPACE),
    // Tomcat.
    format("%b %d, %ExY %I:%M:%S %p", "Jan 23, 2005 9:59:59 PM", AFTER_SPACE),
    // ASSP.
    format("^%b-%d-%Exy %k:%M:%S", "Jan-23-05 21:59:59", AFTER_SPACE),
    // ISO 8601 without separators, xrdp.
    format(r"%ExY%Exm%Exd(?:-|T|  ?)%ExH:?%ExM:?%ExS(?:[.,]%f)?(?:\s*%z)?", "20050123T215959", EIGHT_DIGITS),
    // A zone before it: monit.
    format(r"(?:%Z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?", "UTC Jan 23 21:59:59 2005", AFTER_SPACE),
    format(r"(?:%z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?", "+00:00 Jan 23 21:59:59 2005", AFTER_SPACE),
    format("TAI64N", "@4000000041f41e5f00000000", Needs::NOTHING),
];
