//! Patterns and texts made by a grammar: small alphabets, so that they often meet; every construct
//! of Python's `re`; some patterns broken on purpose. The same seed gives the same cases.

/// Characters that fall differently into `\w`, `\d`, `\s`, lines and cases.
const CHARACTERS: &[char] = &[
    'a', 'a', 'a', 'b', 'b', 'c', 'A', 'B', 'k', 's', 'i', '1', '2', '_', ' ', '-', '\n', 'é', 'É',
    'ß', 'İ', 'ı', 'ſ', '\u{212a}', '٣', '\u{85}', '\x1c', 'σ', 'ς', '²', '\u{301}', '☃', '🜁',
];

pub(crate) struct Generator {
    state: u64,
    groups: usize,
    named: usize,
    open: Vec<usize>,
    /// Groups that began before the look-behind being written, if there is one.
    behind: Option<usize>,
    plain: bool,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            groups: 0,
            named: 0,
            open: Vec::new(),
            behind: None,
            plain: false,
        }
    }

    fn next(&mut self) -> u64 {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A whole pattern.
    pub(crate) fn pattern(&mut self) -> String {
        (self.groups, self.named, self.behind) = (0, 0, None);
        self.open.clear();
        // Half of the patterns are of a plainer kind, which matches more often.
        self.plain = self.below(2) == 0;
        let mut pattern = String::new();
        if self.below(5) == 0 {
            pattern.push_str(self.pick(&[
                "(?i)", "(?m)", "(?s)", "(?x)", "(?a)", "(?im)", "(?ia)", "(?u)",
            ]));
        }
        pattern.push_str(&self.alternatives(0));
        if self.below(12) == 0 {
            pattern = self.broken(&pattern);
        }
        pattern
    }

    /// A text to search, mostly short.
    pub(crate) fn text(&mut self) -> String {
        let length = self.pick(&[0, 1, 2, 3, 4, 5, 6, 8, 10, 14]);
        let kinds = self.pick(&[3, 6, 17, CHARACTERS.len()]);
        (0..length).map(|_| CHARACTERS[self.below(kinds)]).collect()
    }

    fn broken(&mut self, pattern: &str) -> String {
        let mut chars: Vec<char> = pattern.chars().collect();
        let at = self.below(chars.len() + 1);
        let odd = self.pick(&[
            '(', ')', '[', ']', '{', '}', '?', '*', '+', '\\', '|', '^', '$', '-', ',', '0', '9',
            'x', 'u', 'N', 'P', '<', '=', '!', '>', ':', '#', 'i', 'L', ' ',
        ]);
        match self.below(3) {
            0 if at < chars.len() => {
                chars.remove(at);
            }
            1 if at < chars.len() => chars[at] = odd,
            _ => chars.insert(at, odd),
        }
        chars.into_iter().collect()
    }

    fn alternatives(&mut self, depth: usize) -> String {
        let count = self.pick(&[1, 1, 1, 2, 2, 3]);
        let parts: Vec<String> = (0..count).map(|_| self.sequence(depth)).collect();
        parts.join("|")
    }

    fn sequence(&mut self, depth: usize) -> String {
        let count = self.pick(&[0, 1, 1, 2, 2, 3, 4]);
        (0..count).map(|_| self.item(depth)).collect()
    }

    fn item(&mut self, depth: usize) -> String {
        let mut item = self.atom(depth);
        if self.below(5) < 2 {
            item.push_str(self.pick(&[
                "*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "{,2}", "{,}", "{0}", "*", "+", "?",
            ]));
            if self.below(3) == 0 {
                item.push('?');
            } else if !self.plain && self.below(8) == 0 && !captures(&item) {
                item.push('+');
            }
        }
        item
    }

    fn atom(&mut self, depth: usize) -> String {
        let kinds = match (depth, self.plain) {
            (0..3, true) => 15,
            (0..3, false) => 28,
            _ => 11,
        };
        match self.below(kinds) {
            0..6 => self.literal(),
            6 => ".".into(),
            7 | 8 => self.class(),
            9 => self
                .pick(&[r"\w", r"\W", r"\d", r"\D", r"\s", r"\S"])
                .into(),
            10 => self
                .pick(&["^", "$", r"\b", r"\B", r"\A", r"\Z", "(?m:^)", "(?m:$)"])
                .into(),
            11 | 12 => self.group(depth),
            13 | 14 => format!("(?:{})", self.alternatives(depth + 1)),
            15 | 16 => {
                let kind = self.pick(&["?=", "?!"]);
                format!("({kind}{})", self.alternatives(depth + 1))
            }
            17 => self.look_behind(),
            18 | 19 => self.conditional(depth),
            20 => self.reference(),
            21 => format!("(?>{})", self.alternatives(depth + 1)),
            24 => self.named_reference(),
            26 => self
                .pick(&[
                    r"(?=\b|\W|$)",
                    r"(?=^|\b|\W)",
                    r"(?!\b|\W)",
                    r"(?=\B|\Z)",
                    r"(?!^|\w)",
                    r"(?=a|\b)",
                ])
                .into(),
            27 => self.sign_again(depth),
            25 => self
                .pick(&[
                    r"\N{NOPE}",
                    r"\N{LATIN SMALL LETTER A}",
                    r"\N{latin capital letter b}?",
                    r"[\N{DIGIT ONE}-\N{DIGIT TWO}\N{SNOWMAN}]",
                    r"\N{LF}",
                    r"\N{LATIN_SMALL_LETTER_A}",
                    r"\N{}",
                    r"\N{",
                    r"\N",
                    r"\U0001f701",
                    r"\U00110000",
                    r"\x4",
                    r"\u12",
                    r"\q",
                    r"\8",
                    r"\9",
                    r"\377",
                    r"\400",
                    "(?i)",
                    "(?P<1>a)",
                    "(?P=no)",
                    "(?(9)a)",
                    "(?(no)a)",
                    "(?(1)a|b|c)",
                    "(?<a>b)",
                    "(?y)",
                    "(?-)",
                    "(?i-i:a)",
                    "(?-ua:x)",
                    "(?i-L:x)",
                    "(?L:a)",
                    "(?au:a)",
                    "**",
                    "a**",
                    "(?#",
                    "a{2,1}",
                    "a{2}{3}",
                    "a++",
                    "a?+",
                    "a{1,2}+",
                    "(?:a|b)*+",
                    "x{99999999999}",
                    "(?>a|ab)c",
                    "(?P<n1>)",
                    "[z-a]",
                    "[\\d-z]",
                    "[[:alpha:]]",
                    r"\p{L}",
                    "(?<=a*)",
                    "(?<=a|bc)",
                    "(?<!^)",
                    "(?s-m:.)",
                    "(?i:K)",
                    "(?a:\\w)",
                    "(?x: a b )",
                    "(?-i:A)",
                ])
                .into(),
            22 => {
                let flags = self.pick(&["i", "s", "m", "x", "a", "-i", "i-s", "im", "u", "s-i"]);
                format!("(?{flags}:{})", self.alternatives(depth + 1))
            }
            _ => self
                .pick(&["(?#note)", " ", "#", "{", "{,", "{}", "]", r"\{", "(?:)"])
                .into(),
        }
    }

    /// One of a few signs, and the same again further on.
    fn sign_again(&mut self, depth: usize) -> String {
        self.groups += 1;
        let index = self.groups;
        let between = self.alternatives(depth + 1);
        let signs = self.pick(&["[- ]", "[_12]", "[-a]", "-"]);
        format!(r"({signs})(?:{between})(?:\{index})?")
    }

    fn literal(&mut self) -> String {
        let most = self.pick(&[3, 6, 12, CHARACTERS.len()]);
        let c = CHARACTERS[self.below(most)];
        match self.below(12) {
            0 => format!("\\x{:02x}", u32::from(c) & 0xff),
            1 => format!("\\u{:04x}", u32::from(c) & 0xffff),
            2 if u32::from(c) < 0x100 => format!("\\{:03o}", u32::from(c)),
            3 => self
                .pick(&[
                    r"\n", r"\t", r"\-", r"\.", r"\<", r"\ ", r"\0", r"\07", r"\>", r"\012",
                    r"\0101", r"\a", r"\v", r"\#",
                ])
                .into(),
            _ => c.to_string(),
        }
    }

    fn class(&mut self) -> String {
        let mut class = String::from("[");
        if self.below(3) == 0 {
            class.push('^');
        }
        if self.below(10) == 0 {
            class.push(']');
        }
        for _ in 0..=self.below(3) {
            let member: String = match self.below(8) {
                0 => self
                    .pick(&[r"\w", r"\W", r"\d", r"\s", r"\S", r"\D"])
                    .into(),
                1 => self
                    .pick(&[
                        "a-c",
                        "b-k",
                        "A-Z",
                        "0-2",
                        "a-é",
                        "\u{0}-\u{ffff}",
                        "-",
                        "[",
                        "&&",
                        "--",
                        "~~",
                        "||",
                        "{2}",
                        "(?:",
                    ])
                    .into(),
                2 => self
                    .pick(&[r"\n", r"\b", r"\]", r"\-", r"\\", r"\x61", "^", "|"])
                    .into(),
                _ => {
                    let most = self.pick(&[6, 14, CHARACTERS.len()]);
                    CHARACTERS[self.below(most)].to_string()
                }
            };
            class.push_str(&member);
        }
        class.push(']');
        class
    }

    fn group(&mut self, depth: usize) -> String {
        self.groups += 1;
        let index = self.groups;
        let start = if self.below(3) == 0 {
            self.named += 1;
            format!("(?P<n{}>", self.named)
        } else {
            "(".into()
        };
        self.open.push(index);
        let inside = self.alternatives(depth + 1);
        self.open.pop();
        format!("{start}{inside})")
    }

    /// A look-behind of one width.
    fn look_behind(&mut self) -> String {
        let kind = self.pick(&["?<=", "?<!"]);
        let width = self.below(3);
        let parts: Vec<String> = (0..=self.below(2))
            .map(|_| {
                let mut part: String = (0..width)
                    .map(|_| match self.below(4) {
                        0 => self.class(),
                        1 => ".".into(),
                        _ => CHARACTERS[self.below(14)].to_string(),
                    })
                    .collect();
                if self.below(6) == 0 {
                    part.push_str(self.pick(&["^", "$", r"\b", "(?=a)", "?"]));
                }
                part
            })
            .collect();
        format!("({kind}{})", parts.join("|"))
    }

    fn conditional(&mut self, depth: usize) -> String {
        if self.groups == 0 {
            return self.literal();
        }
        let group = 1 + self.below(self.groups);
        let yes = self.sequence(depth + 1);
        match self.below(3) {
            0 => format!("(?({group}){yes})"),
            _ => format!("(?({group}){yes}|{})", self.sequence(depth + 1)),
        }
    }

    /// A reference to a named group, or a condition on one.
    fn named_reference(&mut self) -> String {
        if self.named == 0 {
            return self.literal();
        }
        let name = 1 + self.below(self.named);
        match self.below(3) {
            0 => format!("(?(n{name}){}|{})", self.literal(), self.literal()),
            _ => format!("(?P=n{name})"),
        }
    }

    fn reference(&mut self) -> String {
        let closed: Vec<usize> = (1..=self.groups)
            .filter(|g| !self.open.contains(g))
            .collect();
        if closed.is_empty() {
            return self.literal();
        }
        format!("\\{}", self.pick(&closed))
    }
}

/// Python (3.11 at least) leaves behind what groups captured in the round of a possessive loop
/// that failed; we do not, so such patterns are not made.
fn captures(item: &str) -> bool {
    item.contains("(?P<")
        || item
            .match_indices('(')
            .any(|(at, _)| !item[at + 1..].starts_with('?'))
}
