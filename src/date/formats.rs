//! The date formats known without being told: one table, in the order they are tried.
//!
//! A new format is a row here; the order matters only to logs whose lines carry several dates.
//! The formats are fail2ban's, so that both find the same date in the same line.

/// A default format, as an operator could write it in `datepattern`.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    pub pattern: &'static str,
    /// A date it finds.
    pub example: &'static str,
}

const fn format(pattern: &'static str, example: &'static str) -> Format {
    Format { pattern, example }
}

pub const DEFAULTS: &[Format] = &[
    format(
        r"%ExY(?P<_sep>[-/.])%m(?P=_sep)%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\s*%z)?",
        "2005-01-23T21:59:59.981746+01:00",
    ),
    format(
        r"(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?",
        "Sun Jan 23 21:59:59.011 2005",
    ),
    format(
        r"(?:%a )?%b %d %ExY %k:%M:%S(?:\.%f)?",
        "Sun Jan 23 2005 21:59:59.011",
    ),
    format(
        r"%d(?P<_sep>[-/])%m(?P=_sep)(?:%ExY|%Exy) %k:%M:%S",
        "23/01/2005 21:59:59",
    ),
    format(
        r"%d(?P<_sep>[-/])%b(?P=_sep)%ExY[ :]?%H:%M:%S(?:\.%f)?(?: %z)?",
        "23/Jan/2005:21:59:59 +0100",
    ),
    format(r"%m/%d/%ExY:%H:%M:%S", "01/23/2005:21:59:59"),
    format(r"%m-%d-%ExY %k:%M:%S(?:\.%f)?", "01-23-2005 21:59:59.252"),
    format("EPOCH", "1106513999"),
    format("{^LN-BEG}%H:%M:%S", "21:59:59"),
    format("^<%m/%d/%Exy@%H:%M:%S>", "<01/23/05@21:59:59>"),
    format("%Exy%Exm%Exd  ?%H:%M:%S", "050123 21:59:59"),
    format("%b %d, %ExY %I:%M:%S %p", "Jan 23, 2005 9:59:59 PM"),
    format("^%b-%d-%Exy %k:%M:%S", "Jan-23-05 21:59:59"),
    format(
        r"%ExY%Exm%Exd(?:-|T|  ?)%ExH:?%ExM:?%ExS(?:[.,]%f)?(?:\s*%z)?",
        "20050123T215959",
    ),
    format(
        r"(?:%Z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?",
        "CET Jan 23 21:59:59",
    ),
    format(
        r"(?:%z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?",
        "+0100 Jan 23 21:59:59.011 2005",
    ),
    format("TAI64N", "@4000000041f4104f00000000"),
];

#[cfg(test)]
mod tests {
    use super::super::{Detector, Zone};
    use super::DEFAULTS;
    use crate::model::Time;

    /// 2005-02-01 00:00:00 UTC.
    const NOW: Time = Time::from_secs(1_107_216_000);

    #[test]
    fn every_format_finds_its_example_and_its_moment() {
        let zone = Zone::local(Some("CET-1"));
        for format in DEFAULTS {
            let mut detector = Detector::new(None, &zone, 2005).unwrap();
            let found = detector.find(format.example, NOW);
            let found = found.unwrap_or_else(|| panic!("nothing in {}", format.example));
            // 21:59:59 CET, on the day before NOW where the format has no date.
            let day = if format.pattern.starts_with("{^LN-BEG}%H") {
                31
            } else {
                23
            };
            let expected = 1_104_537_600 + (day - 1) * 86_400 + 20 * 3600 + 59 * 60 + 59;
            assert_eq!(
                found.time.map(Time::secs),
                Some(expected),
                "{}",
                format.example
            );
        }
    }
}
