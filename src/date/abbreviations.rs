//! Time zone abbreviations and their offsets, the table fail2ban reads `%Z`, `%Exz` and
//! `logtimezone` by.
//!
//! An abbreviation means one fixed offset, whatever the season: `CET` stays at an hour even in
//! summer. Single letters are the military zones. Names of two letters and of mixed case, which
//! fail2ban lists too, are left out: no pattern of its lets one through.

/// Minutes east of UTC, and who has them.
const OFFSETS: &[(i32, &str)] = &[
    (-720, "Y"),
    (-660, "X NUT SST"),
    (-600, "W CKT HAST HST TAHT TKT"),
    (-570, "MART MIT"),
    (-540, "V AKST GAMT GIT HADT HNY"),
    (-480, "U AKDT CIST HAY HNP PST"),
    (-420, "T HAP HNR MST PDT"),
    (-360, "S CST EAST GALT HAR HNC MDT"),
    (-300, "R CDT COT EASST ECT EST HAC HNE PET"),
    (-270, "HLV VET"),
    (-240, "Q AST BOT CLT COST EDT FKT GYT HAE HNA PYT"),
    (-210, "HNT NST"),
    (
        -180,
        "P ADT ART BRT CLST FKST GFT HAA PMST PYST SRT UYT WGT",
    ),
    (-150, "HAT NDT"),
    (-120, "O BRST FNT PMDT UYST WGST"),
    (-60, "N AZOT CVT EGT"),
    (0, "Z EGST GMT UTC WET"),
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
    (600, "K AEST PGT VLAT YAKST YAPT"),
    (630, "ACDT LHST"),
    (660, "L AEDT LHDT MAGT NCT PONT SBT VLAST VUT"),
    (690, "NFT"),
    (
        720,
        "M ANAST ANAT FJT GILT MAGST MHT NZST PETST PETT TVT WFT",
    ),
    (780, "FJST NZDT"),
];

/// Minutes east of UTC.
pub(super) fn offset(abbreviation: &str) -> Option<i32> {
    OFFSETS
        .iter()
        .find(|(_, names)| names.split(' ').any(|name| name == abbreviation))
        .map(|(minutes, _)| *minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_abbreviation_stands_twice_and_all_can_be_asked_for() {
        let mut names: Vec<&str> = OFFSETS.iter().flat_map(|(_, n)| n.split(' ')).collect();
        let all = names.len();
        for name in &names {
            assert!(
                matches!(name.len(), 1 | 3..=5) && name.bytes().all(|b| b.is_ascii_uppercase()),
                "{name:?}"
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn military_letters_are_whole_hours_in_order() {
        for (letter, hours) in ('A'..='I').zip(1..).chain(('K'..='M').zip(10..)) {
            assert_eq!(offset(&letter.to_string()), Some(hours * 60));
        }
        for (letter, hours) in ('N'..='Y').zip(1..) {
            assert_eq!(offset(&letter.to_string()), Some(-hours * 60));
        }
        assert_eq!(offset("Z"), Some(0));
        assert_eq!(offset("J"), None);
    }
}
