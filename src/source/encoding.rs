//! `logencoding`: a Python codec's name becomes a way to find line ends and to decode lines.
//!
//! Invalid bytes become U+FFFD, as fail2ban's `errors='replace'` does. The one-byte sets and UTF-16
//! are decoded here, exactly as Python does; the East Asian ones by `encoding_rs`.

use std::fmt;
use std::sync::Arc;

use super::codecs::CODECS;

/// How a log's bytes are read.
#[derive(Clone, Debug)]
pub struct Encoding {
    name: Box<str>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// `skip_mark`: the byte order mark at the very start is no text.
    Utf8 {
        skip_mark: bool,
    },
    Ascii,
    Latin1,
    /// What the bytes from 0x80 on mean.
    Upper(Arc<[char; 128]>),
    Utf16(Utf16),
    Foreign(&'static encoding_rs::Encoding),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Utf16 {
    Little,
    Big,
    /// The byte order mark decides; without one it is little, as on every machine we run on.
    Marked,
}

/// However it is spelled.
impl PartialEq for Encoding {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// A codec name nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingError(String);

impl fmt::Display for EncodingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown logencoding '{}'; use a Python codec name such as utf-8, latin-1 or cp1252",
            self.0
        )
    }
}

impl std::error::Error for EncodingError {}

/// The East Asian sets: names as in [`CODECS`], and who decodes them.
const FOREIGN: &[(&[&str], &encoding_rs::Encoding)] = &[
    (
        &[
            "gbk",
            "936",
            "cp936",
            "ms936",
            "gb2312",
            "chinese",
            "csiso58gb231280",
            "euccn",
            "eucgb2312cn",
            "gb23121980",
            "gb231280",
            "isoir58",
        ],
        encoding_rs::GBK,
    ),
    (&["gb18030", "gb180302000"], encoding_rs::GB18030),
    (
        &["big5", "big5tw", "csbig5", "cp950", "950", "ms950"],
        encoding_rs::BIG5,
    ),
    (&["eucjp", "ujis"], encoding_rs::EUC_JP),
    (
        &[
            "shiftjis",
            "csshiftjis",
            "sjis",
            "cp932",
            "932",
            "ms932",
            "mskanji",
        ],
        encoding_rs::SHIFT_JIS,
    ),
    (
        &[
            "euckr",
            "korean",
            "ksc5601",
            "ksc56011987",
            "ksx1001",
            "cp949",
            "949",
            "ms949",
            "uhc",
        ],
        encoding_rs::EUC_KR,
    ),
    (&["iso2022jp", "csiso2022jp"], encoding_rs::ISO_2022_JP),
];

/// The names of what is decoded by hand.
const OWN: &[(&[&str], Kind)] = &[
    (
        &[
            "utf8", "u8", "utf", "utf8ucs2", "utf8ucs4", "cp65001", "auto", "locale",
        ],
        Kind::Utf8 { skip_mark: false },
    ),
    (&["utf8sig"], Kind::Utf8 { skip_mark: true }),
    (
        &[
            "ascii",
            "646",
            "ansix341968",
            "ansix341986",
            "cp367",
            "csascii",
            "ibm367",
            "iso646us",
            "iso646irv1991",
            "isoir6",
            "us",
            "usascii",
        ],
        Kind::Ascii,
    ),
    (
        &[
            "latin1",
            "8859",
            "cp819",
            "csisolatin1",
            "ibm819",
            "iso8859",
            "iso88591",
            "iso885911987",
            "isoir100",
            "l1",
            "latin",
        ],
        Kind::Latin1,
    ),
    (&["utf16", "u16"], Kind::Utf16(Utf16::Marked)),
    (
        &["utf16le", "unicodelittleunmarked"],
        Kind::Utf16(Utf16::Little),
    ),
    (&["utf16be", "unicodebigunmarked"], Kind::Utf16(Utf16::Big)),
];

/// A byte order mark, decoded.
const MARK: char = '\u{feff}';

impl Encoding {
    /// Finds a codec by the name Python gives it, in any case and punctuation. `auto` is UTF-8: the
    /// locale is the configuration's to ask.
    pub fn named(name: &str) -> Result<Self, EncodingError> {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let names = |names: &&[&str]| names.contains(&plain.as_str());
        let own = OWN.iter().find(|(known, _)| names(known));
        let foreign = || FOREIGN.iter().find(|(known, _)| names(known));
        let upper = || CODECS.iter().find(|codec| names(&codec.names));
        let kind = if let Some((_, kind)) = own {
            kind.clone()
        } else if let Some(codec) = upper() {
            Kind::Upper(Arc::new(upper_half(codec.upper)))
        } else if let Some((_, foreign)) = foreign() {
            Kind::Foreign(foreign)
        } else {
            return Err(EncodingError(name.to_owned()));
        };
        Ok(Self {
            name: name.into(),
            kind,
        })
    }

    /// As configured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lines that are valid UTF-8 are text as they stand.
    pub fn is_utf8(&self) -> bool {
        self.kind == Kind::Utf8 { skip_mark: false }
    }

    /// Bytes a newline takes; line starts are a multiple of it into the file.
    pub fn unit(&self) -> usize {
        match self.kind {
            Kind::Utf16(_) => 2,
            Kind::Utf8 { .. } | Kind::Ascii | Kind::Latin1 | Kind::Upper(_) | Kind::Foreign(_) => 1,
        }
    }

    /// What the first bytes of a file say about the rest of it.
    pub fn for_file(&self, head: &[u8]) -> Self {
        let order = match (&self.kind, head) {
            (Kind::Utf16(Utf16::Marked), [0xfe, 0xff, ..]) => Utf16::Big,
            (Kind::Utf16(Utf16::Marked), [_, _, ..]) => Utf16::Little,
            _ => return self.clone(),
        };
        Self {
            name: self.name.clone(),
            kind: Kind::Utf16(order),
        }
    }

    /// Where the last whole line of `bytes` ends, behind its newline. `bytes` begin with a line.
    pub(super) fn last_line_end(&self, bytes: &[u8]) -> Option<usize> {
        match self.newline() {
            None => memchr::memrchr(b'\n', bytes).map(|at| at + 1),
            Some(newline) => {
                let units = bytes.chunks_exact(2);
                units
                    .rev()
                    .position(|unit| unit == newline)
                    .map(|units_after| bytes.len() / 2 * 2 - units_after * 2)
            }
        }
    }

    /// Where the first line of `bytes` ends, behind its newline.
    pub fn first_line_end(&self, bytes: &[u8]) -> Option<usize> {
        match self.newline() {
            None => memchr::memchr(b'\n', bytes).map(|at| at + 1),
            Some(newline) => {
                let mut units = bytes.chunks_exact(2);
                units.position(|unit| unit == newline).map(|at| at * 2 + 2)
            }
        }
    }

    /// The two bytes of a UTF-16 newline; `None` where it is the byte 0x0a.
    fn newline(&self) -> Option<[u8; 2]> {
        match self.kind {
            Kind::Utf16(Utf16::Big) => Some([0, b'\n']),
            Kind::Utf16(Utf16::Little | Utf16::Marked) => Some([b'\n', 0]),
            Kind::Utf8 { .. } | Kind::Ascii | Kind::Latin1 | Kind::Upper(_) | Kind::Foreign(_) => {
                None
            }
        }
    }

    /// Decodes whole lines; `true` when bytes were invalid. `at_start`: they begin the file.
    pub fn decode(&self, bytes: &[u8], at_start: bool) -> (String, bool) {
        let (mut text, invalid) = match &self.kind {
            Kind::Utf8 { .. } => utf8(bytes),
            Kind::Ascii => one_byte(bytes, |_| char::REPLACEMENT_CHARACTER),
            Kind::Latin1 => one_byte(bytes, char::from),
            Kind::Upper(upper) => one_byte(bytes, |byte| upper[usize::from(byte & 0x7f)]),
            Kind::Utf16(Utf16::Big) => utf16(bytes, u16::from_be_bytes),
            Kind::Utf16(Utf16::Little | Utf16::Marked) => utf16(bytes, u16::from_le_bytes),
            Kind::Foreign(encoding) => {
                let (text, invalid) = encoding.decode_without_bom_handling(bytes);
                (text.into_owned(), invalid)
            }
        };
        let skips = matches!(self.kind, Kind::Utf8 { skip_mark: true } | Kind::Utf16(_));
        if at_start && skips && text.starts_with(MARK) {
            text.remove(0);
        }
        (text, invalid)
    }
}

fn utf8(bytes: &[u8]) -> (String, bool) {
    match str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), true),
    }
}

/// `upper` says what a byte from 0x80 on means.
fn one_byte(bytes: &[u8], upper: impl Fn(u8) -> char) -> (String, bool) {
    if bytes.is_ascii() {
        return utf8(bytes);
    }
    let mut invalid = false;
    let decode = |byte: &u8| {
        if byte.is_ascii() {
            return char::from(*byte);
        }
        let c = upper(*byte);
        invalid |= c == char::REPLACEMENT_CHARACTER;
        c
    };
    let text = bytes.iter().map(decode).collect();
    (text, invalid)
}

fn utf16(bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> (String, bool) {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut invalid = false;
    let text = char::decode_utf16(units).map(|c| {
        c.unwrap_or_else(|_| {
            invalid = true;
            char::REPLACEMENT_CHARACTER
        })
    });
    (text.collect(), invalid)
}

/// Completes a table of 96 characters with the controls before them.
fn upper_half(characters: &str) -> [char; 128] {
    let controls = 128 - characters.chars().count().min(128);
    let mut upper = [char::REPLACEMENT_CHARACTER; 128];
    for (byte, c) in (0x80..).zip(upper.iter_mut()).take(controls) {
        *c = char::from(byte);
    }
    for (c, character) in upper[controls..].iter_mut().zip(characters.chars()) {
        *c = character;
    }
    upper
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Encoding {
        Encoding::named(name).expect(name)
    }

    fn decode(name: &str, bytes: &[u8]) -> (String, bool) {
        named(name).decode(bytes, true)
    }

    #[test]
    fn names_are_pythons_in_any_spelling() {
        for name in [
            "UTF-8",
            "utf8",
            "U8",
            "iso-8859-15",
            "ISO8859_15",
            "latin-9",
            "Windows-1252",
        ] {
            assert_eq!(named(name).name(), name);
        }
        assert_eq!(named("UTF-8"), named("u8"));
        assert_ne!(named("cp1252"), named("cp1250"));
        let error = Encoding::named("klingon")
            .expect_err("an error")
            .to_string();
        assert!(
            error.starts_with("unknown logencoding 'klingon'"),
            "{error}"
        );
        assert!(Encoding::named("").is_err());
    }

    #[test]
    fn no_name_means_two_encodings_and_every_table_is_full() {
        let own = OWN.iter().flat_map(|(names, _)| names.iter());
        let foreign = FOREIGN.iter().flat_map(|(names, _)| names.iter());
        let upper = CODECS.iter().flat_map(|codec| codec.names.iter());
        let mut all: Vec<_> = own.chain(foreign).chain(upper).collect();
        all.sort();
        for pair in all.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        for codec in CODECS {
            let count = codec.upper.chars().count();
            assert!(count == 128 || count == 96, "{:?}: {count}", codec.names);
        }
    }

    #[test]
    fn each_kind_decodes_as_python_does() {
        for (name, bytes, text) in [
            ("utf-8", "Grüße 日本\n".as_bytes(), "Grüße 日本\n"),
            ("utf-8", b"\xef\xbb\xbfx", "\u{feff}x"),
            ("utf-8-sig", b"\xef\xbb\xbfx", "x"),
            ("ascii", b"plain", "plain"),
            ("latin-1", b"Gr\xfc\x85", "Grü\u{85}"),
            ("iso8859-15", b"\xa4 \x85", "€ \u{85}"),
            ("cp1252", b"\x80\x9f", "€Ÿ"),
            ("koi8-r", b"\xf4\xc5\xd3\xd4", "Тест"),
            ("cp866", b"\x92\xa5\xe1\xe2", "Тест"),
            ("utf-16", b"\xff\xfea\0\n\0", "a\n"),
            ("utf-16-le", b"a\0=\xd8\x00\xde", "a😀"),
            ("utf-16-be", b"\0a\xd8=\xde\x00", "a😀"),
            ("euc-jp", b"\xc6\xfc\xcb\xdc", "日本"),
            ("shift_jis", b"\x93\xfa\x96{", "日本"),
            ("gb18030", b"\xc8\xd5\xb1\xbe", "日本"),
            ("euc_kr", b"\xc7\xd1", "한"),
        ] {
            assert_eq!(decode(name, bytes), (text.to_owned(), false), "{name}");
        }
    }

    #[test]
    fn invalid_bytes_are_replaced_as_python_replaces_them_and_told() {
        for (name, bytes, text) in [
            ("utf-8", &b"a\xffb"[..], "a\u{fffd}b"),
            ("utf-8", b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            ("utf-8", b"\xf0\x9f\x98x", "\u{fffd}x"),
            (
                "utf-8",
                b"\xc0\x80\xe0\x80",
                "\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("ascii", b"a\x80", "a\u{fffd}"),
            ("cp1252", b"\x81", "\u{fffd}"),
            ("utf-16-le", b"\x00\xd8a\0", "\u{fffd}a"),
        ] {
            assert_eq!(decode(name, bytes), (text.to_owned(), true), "{name}");
        }
    }

    #[test]
    fn a_files_first_bytes_decide_the_byte_order() {
        let big = named("utf-16").for_file(b"\xfe\xff\0a");
        assert_eq!(big.decode(b"\xfe\xff\0a\0\n", true).0, "a\n");
        assert_eq!(big.decode(b"\0b", false).0, "b");
        assert_eq!(
            named("utf-16").for_file(b"a\0").decode(b"b\0", false).0,
            "b"
        );
        assert_eq!(
            named("utf-16-be")
                .for_file(b"\xff\xfe")
                .decode(b"\0b", false)
                .0,
            "b"
        );
    }

    #[test]
    fn lines_end_at_whole_newlines() {
        let ends = |name, bytes: &[u8]| {
            let encoding = named(name);
            (
                encoding.first_line_end(bytes),
                encoding.last_line_end(bytes),
            )
        };
        assert_eq!(ends("utf-8", b"a\nb\nc"), (Some(2), Some(4)));
        assert_eq!(ends("utf-8", b"abc"), (None, None));
        // U+0A0A and U+0A00 hold the byte 0x0a and are no newlines.
        assert_eq!(
            ends("utf-16-le", b"\x0a\x0a\x00\x0a\x0a\0a\0\n\0b"),
            (Some(6), Some(10))
        );
        assert_eq!(ends("utf-16-be", b"\0a\0\n\x0a\0\0"), (Some(4), Some(4)));
        assert_eq!(ends("utf-16-be", b"\n\0\n"), (None, None));
    }
}
