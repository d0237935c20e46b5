//! Zones: where local time is, the abbreviations logs use, and offsets.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::DateError;
use crate::model::Time;

/// How dates without a zone are read.
#[derive(Clone, Debug)]
pub struct Zone {
    local: TimeZone,
    /// `logtimezone`: minutes east of UTC.
    fixed: Option<i32>,
}

impl Zone {
    /// Local time, by the value of `TZ`: a POSIX rule, a name of the tz database or `:FILE`; without
    /// one, or one that says nothing, the system's.
    pub fn local(tz: Option<&str>) -> Self {
        let local = match tz.map(|tz| tz.trim_start_matches(':')) {
            None => TimeZone::system(),
            Some("") => TimeZone::UTC,
            Some(tz) => TimeZone::get(tz)
                .or_else(|_| TimeZone::posix(tz))
                // As the C library does with a rule it cannot read.
                .unwrap_or(TimeZone::UTC),
        };
        Self { local, fixed: None }
    }

    /// This zone, with dates read as `logtimezone` says: an abbreviation, an offset, or both.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn with_offset(&self, logtimezone: &str) -> Result<Self, DateError> {
        let fixed = offset(logtimezone).ok_or_else(|| DateError::Zone(logtimezone.to_owned()))?;
        Ok(Self {
            local: self.local.clone(),
            fixed: Some(fixed),
        })
    }

    pub const fn time_zone(&self) -> &TimeZone {
        &self.local
    }

    pub(super) const fn fixed(&self) -> Option<i32> {
        self.fixed
    }

    /// Local civil time.
    pub(super) fn civil(&self, time: Time) -> Option<DateTime> {
        let timestamp = jiff::Timestamp::from_microsecond(time.micros()).ok()?;
        Some(self.local.to_datetime(timestamp))
    }

    /// The moment of a local civil time. In the hour that clocks skip, the time it would have been
    /// had they not been put forward; in the hour they repeat, the second one, as C's `mktime` does
    /// when it is not told.
    pub(super) fn moment(&self, civil: DateTime) -> Option<Time> {
        use jiff::tz::AmbiguousOffset;
        let ambiguous = self.local.to_ambiguous_timestamp(civil);
        let timestamp = match ambiguous.offset() {
            AmbiguousOffset::Fold { .. } => ambiguous.later(),
            AmbiguousOffset::Gap { .. } | AmbiguousOffset::Unambiguous { .. } => {
                ambiguous.compatible()
            }
        };
        Some(Time::from_micros(timestamp.ok()?.as_microsecond()))
    }
}

/// Minutes east of UTC for `ABBR`, `+HH`, `+HHMM`, `+HH:MM` or `ABBR+HHMM`.
pub(super) fn offset(text: &str) -> Option<i32> {
    let digits = text.find(['+', '-']).unwrap_or(text.len());
    let (name, shift) = text.split_at(digits);
    if text.is_empty() {
        return None;
    }
    let base = if name.is_empty() {
        0
    } else {
        abbreviation(name)?
    };
    Some(
        base + if shift.is_empty() {
            0
        } else {
            shift_minutes(shift)?
        },
    )
}

fn shift_minutes(shift: &str) -> Option<i32> {
    let (sign, digits) = match shift.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, shift.strip_prefix('+')?),
    };
    let digits = match digits.as_bytes() {
        [_, _, b':', _, _] => digits.replace(':', ""),
        _ => digits.to_owned(),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !digits.starts_with(['0', '1']) {
        return None;
    }
    match digits.len() {
        2 => Some(sign * digits.parse::<i32>().ok()? * 60),
        4 => {
            let number: i32 = digits.parse().ok()?;
            Some(sign * (number / 100 * 60 + number % 100))
        }
        _ => None,
    }
}

fn abbreviation(name: &str) -> Option<i32> {
    ABBREVIATIONS
        .iter()
        .find(|(_, names)| names.split(' ').any(|known| known == name))
        .map(|(minutes, _)| *minutes)
}

/// Minutes east of UTC, and who calls that his own: fixed offsets, without summer time. Some names
/// stand for several zones in the world; here they mean what fail2ban takes them for.
const ABBREVIATIONS: &[(i32, &str)] = &[
    (-720, "Y"),
    (-660, "X NUT SST"),
    (-600, "W CKT HAST HST TAHT TKT"),
    (-570, "MART MIT"),
    (-540, "V AKST GAMT GIT HADT HNY"),
    (-480, "U AKDT CIST HAY HNP PST PT"),
    (-420, "T HAP HNR MST PDT"),
    (-360, "S CST EAST GALT HAR HNC MDT"),
    (-300, "R CDT COT EASST ECT EST ET HAC HNE PET"),
    (-270, "HLV VET"),
    (-240, "Q AST BOT CLT COST EDT FKT GYT HAE HNA PYT"),
    (-210, "HNT NST NT"),
    (
        -180,
        "P ADT ART BRT CLST FKST GFT HAA PMST PYST SRT UYT WGT",
    ),
    (-150, "HAT NDT"),
    (-120, "O BRST FNT PMDT UYST WGST"),
    (-60, "N AZOT CVT EGT"),
    (0, "Z EGST GMT UTC WET WT"),
    (60, "A CET DFT WAT WEDT WEST"),
    (120, "B CAT CEDT CEST EET SAST WAST"),
    (180, "C EAT EEDT EEST IDT MSK"),
    (210, "IRST"),
    (240, "D AMT AZT GET GST KUYT MSD MUT RET SAMT SCT"),
    (270, "AFT IRDT"),
    (
        300,
        "E AMST AQTT AZST HMT MAWT MVT PKT TFT TJT TMT UZT YEKT",
    ),
    (330, "SLT"),
    (345, "NPT"),
    (360, "F ALMT BIOT BTT IOT KGT NOVT OMST YEKST"),
    (390, "CCT MMT"),
    (420, "G CXT DAVT HOVT ICT KRAT NOVST OMSST THA WIB"),
    (
        480,
        "H ACT AWST BDT BNT CAST HKT IRKT KRAST MYT PHT SGT ULAT WITA WST",
    ),
    (540, "I AWDT IRKST JST KST PWT TLT WDT WIT YAKT"),
    (570, "ACST"),
    (600, "K AEST ChST PGT VLAT YAKST YAPT"),
    (630, "ACDT LHST"),
    (660, "L AEDT LHDT MAGT NCT PONT SBT VLAST VUT"),
    (690, "NFT"),
    (
        720,
        "M ANAST ANAT FJT GILT MAGST MHT NZST PETST PETT TVT WFT",
    ),
    (780, "FJST NZDT"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_in_every_form() {
        let cases = [
            ("UTC", Some(0)),
            ("CET", Some(60)),
            ("+0530", Some(330)),
            ("-05", Some(-300)),
            ("-03:30", Some(-210)),
            ("UTC+0200", Some(120)),
            ("EST-0100", Some(-360)),
            ("ABCDE", None),
            ("+3000", None),
            ("", None),
            ("+1", None),
        ];
        for (text, minutes) in cases {
            assert_eq!(offset(text), minutes, "{text}");
        }
    }

    #[test]
    fn no_abbreviation_stands_twice() {
        let mut all: Vec<&str> = ABBREVIATIONS
            .iter()
            .flat_map(|(_, n)| n.split(' '))
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
