//! Filters made of lines in any order: odd indents, comments anywhere, continued values, sections
//! twice, every kind of line end and of blank. A line is read, or refused, as Python's parser does.

use std::fmt::Write as _;

use super::generate::Files;
use crate::support::draw;

const INDENTS: &[&str] = &[
    " ", "  ", "\t", "    ", "\u{a0}", " \t", "\u{c}", "\u{b}", "\u{1c}",
];
/// What stands between a name and its value.
const BETWEEN: &[&str] = &["=", " = ", ":", " : ", "= ", " =", "\t=\t", "\u{a0}=\u{a0}"];
const NAMES: &[&str] = &[
    "k1",
    "k2",
    "K3",
    "k4",
    "\u{e9}",
    "\u{c9}",
    "k-1",
    "x.y",
    "_z",
    "failregex",
    "ignoreregex",
    "logtype",
    "mode",
    "__prefix_line",
    "zz",
    "ZZ",
    "x y",
    "k?y",
    "\u{130}",
];
const VALUES: &[&str] = &[
    "v",
    "v1 v2",
    "",
    "x ; c",
    "x;c",
    "x #c",
    "# y",
    "; z",
    "x ;",
    "x ;y ;z",
    "x\t;y",
    "\";\"",
    "%%",
    "%(default/k2)s",
    "%(default/k9)s",
    "%(k9)s",
    "%(K9)s",
    "%(k8)s<k8>",
    "%(\u{e9})s",
    "%(__prefix_line)s",
    "%(__name__)s",
    "%(shared/zz)s",
    "%%(a)s",
    "<k1>",
    "<K1>",
    "<k2>",
    "<k9>",
    "<Init/k1>",
    "<known/k1>",
    "<lt_file/zz>",
    "<shared/ZZ>",
    "<HOST>",
    "<a",
    "a>",
    "\"q\"",
    "[x]",
    "a=b",
    "a:b",
    "\\",
    " v ",
    "\u{2028}x",
    "x\u{85}y",
    "\u{1f}z",
    "x\u{c}y",
    "\u{a0}",
    "\u{feff}",
    "^<HOST> <k2>$",
];
/// Now and then a value that cannot be.
const WRONG: &[&str] = &["%", "%(", "%(k1", "%()s", "%(nowhere)s", "%(k1)", "%x"];
const SECTIONS: &[&str] = &[
    "[Init]",
    "[DEFAULT]",
    "[x]",
    "[lt_file]",
    "[definition]",
    "[ Definition ]",
    "[x] ; c",
    "[y]z",
    "[Init?family=inet6]",
    "[a?b]",
    "[KNOWN/x]",
    "[a]]",
    "[[b]",
];
const COMMENTS: &[&str] = &[
    "# c", "; c", "  # c", "  ; c", "#", "  ;", "", "", "   ", "\t",
];
/// What every filter has beneath it.
const BENEATH: &str = "[DEFAULT]\nk9=nine\nk8=<k9>\n__prefix_line=pl\nk1=1\nk2=2\nk3=3\nk4=4\n\
                       \u{e9}=e\n[shared]\nzz=sp\n[lt_short]\n";

pub(super) struct Soup(u64);

impl Soup {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        let drawn = draw(&mut self.0);
        (drawn % bound as u64) as usize
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    /// A tree with one jail, whose filter is soup.
    pub(super) fn tree(&mut self, log: &str) -> Files {
        let mut files = Files::new();
        let mut put = |name: &str, text: String| files.insert(name.to_owned(), text);
        put("fail2ban.conf", "[Definition]\nloglevel = INFO\n".into());
        let jail = format!("[one]\nenabled = 1\nfilter = f\nlogpath = {log}\n");
        put("jail.conf", jail);
        put("filter.d/c.conf", BENEATH.to_owned() + &self.lines(false));
        let begin = "[INCLUDES]\nbefore = c.conf\n[Definition]\nfailregex = ^<HOST>\n";
        put("filter.d/f.conf", begin.to_owned() + &self.lines(true));
        if self.below(5) < 2 {
            put(
                "filter.d/f.local",
                "[Definition]\n".to_owned() + &self.lines(false),
            );
        }
        files
    }

    /// Lines; `taken`: the section has a failregex already.
    fn lines(&mut self, taken: bool) -> String {
        let ends = [Some("\n"), Some("\n"), Some("\r\n"), None][self.below(4)];
        let wild = self.below(4) == 0;
        let mut text = String::new();
        let mut sections = vec!["[Definition]", "[DEFAULT]"];
        let mut names = if taken { vec!["failregex"] } else { Vec::new() };
        let mut continues = taken;
        for _ in 0..2 + self.below(13) {
            let wrong = wild && self.below(8) == 0;
            match self.below(20) {
                0 | 1 => {
                    let section = self.pick(SECTIONS);
                    if wrong || !sections.contains(&section) {
                        text.push_str(section);
                        sections.push(section);
                        names.clear();
                        continues = wrong;
                    }
                }
                2..=4 => text.push_str(self.pick(COMMENTS)),
                5..=8 if continues || wrong => {
                    text.push_str(self.pick(INDENTS));
                    text.push_str(self.pick(VALUES));
                }
                _ => {
                    let name = self.pick(NAMES);
                    if wrong || !names.contains(&name) {
                        names.push(name);
                        continues = true;
                        let value = match wrong {
                            true => self.pick(WRONG),
                            false => self.pick(VALUES),
                        };
                        let more = ["", "", self.pick(VALUES)][self.below(3)];
                        let between = self.pick(BETWEEN);
                        write!(text, "{name}{between}{value}{more}").expect("a text");
                    }
                }
            }
            text.push_str(ends.unwrap_or(["\n", "\r\n", "\r"][self.below(3)]));
        }
        if self.below(10) == 0 {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    }
}
