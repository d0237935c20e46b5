//! What a pattern says, its flags already applied: the tree between parser and compiler.

use super::around::Around;
use super::unicode;

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Empty,
    /// One character that stands for itself alone.
    Literal(char),
    /// One character of a set: a class, a dot, a letter of either case.
    Set(Box<Set>),
    At(At),
    Concat(Vec<Node>),
    /// The first alternative that leads to a match wins.
    Alternate(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        /// `None`: without end.
        max: Option<u32>,
        greed: Greed,
    },
    Group {
        index: usize,
        node: Box<Node>,
    },
    Atomic(Box<Node>),
    Look {
        /// For a look-behind: its width in characters.
        behind: Option<u32>,
        negate: bool,
        node: Box<Node>,
    },
    /// `(?(group)yes|no)`.
    Cond {
        group: usize,
        yes: Box<Node>,
        no: Box<Node>,
    },
    BackRef {
        group: usize,
        fold: Fold,
    },
    /// The text must come somewhere from here on, or all is in vain. Only ever added to a
    /// pattern that needs the text anyway.
    Need(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

/// How case is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fold {
    None,
    Ascii,
    Unicode,
}

impl Fold {
    pub(super) fn lower(self, c: char) -> char {
        match self {
            Self::None => c,
            Self::Ascii => c.to_ascii_lowercase(),
            Self::Unicode => unicode::lower(c),
        }
    }

    fn is_cased(self, c: char) -> bool {
        match self {
            Self::None => false,
            Self::Ascii => c.is_ascii_alphabetic(),
            Self::Unicode => unicode::is_cased(c),
        }
    }
}

/// A place between characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// `\A`, and `^` outside multi-line mode.
    Start,
    LineStart,
    /// `$` outside multi-line mode: the end, or before a final newline.
    End,
    LineEnd,
    /// `\Z`.
    TextEnd,
    Word {
        negate: bool,
        ascii: bool,
    },
    /// One that the characters on both sides tell. Only ever made of a look ahead.
    Around(Around),
}

/// `\d`, `\s`, `\w` and their opposites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Category {
    pub(super) kind: CategoryKind,
    pub(super) negate: bool,
    pub(super) ascii: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CategoryKind {
    Digit,
    Space,
    Word,
}

impl Category {
    fn contains(self, c: char) -> bool {
        let inside = match (self.kind, self.ascii) {
            (CategoryKind::Digit, true) => c.is_ascii_digit(),
            (CategoryKind::Digit, false) => unicode::is_digit(c),
            (CategoryKind::Space, true) => unicode::is_ascii_space(c),
            (CategoryKind::Space, false) => unicode::is_space(c),
            (CategoryKind::Word, true) => c.is_ascii_alphanumeric() || c == '_',
            (CategoryKind::Word, false) => unicode::is_word(c),
        };
        inside != self.negate
    }
}

/// A set of characters. Under a fold, `ranges` hold lower-case letters and what is tested is
/// lowered first, as Python does it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Set {
    negate: bool,
    ranges: Vec<(u32, u32)>,
    categories: Vec<Category>,
    fold: Fold,
}

impl Set {
    pub(super) fn new(
        negate: bool,
        mut ranges: Vec<(u32, u32)>,
        categories: Vec<Category>,
        fold: Fold,
    ) -> Self {
        let cased = |&(low, high): &(u32, u32)| characters(low, high).any(|c| fold.is_cased(c));
        let fold = if fold != Fold::None && ranges.iter().any(cased) {
            ranges = folded(&ranges, fold);
            fold
        } else {
            Fold::None
        };
        Self {
            negate,
            ranges: merged(ranges),
            categories,
            fold,
        }
    }

    /// `.`: any character, or any but a newline.
    pub(super) fn dot(newline_too: bool) -> Self {
        let ranges = if newline_too {
            Vec::new()
        } else {
            vec![(u32::from('\n'), u32::from('\n'))]
        };
        Self::new(true, ranges, Vec::new(), Fold::None)
    }

    pub(super) fn contains(&self, c: char) -> bool {
        let c = self.fold.lower(c);
        let code = u32::from(c);
        let after = self.ranges.partition_point(|&(low, _)| low <= code);
        let inside = (after > 0 && code <= self.ranges[after - 1].1)
            || self.categories.iter().any(|category| category.contains(c));
        inside != self.negate
    }

    /// Whether this is `\w`.
    pub(super) fn is_word(&self) -> bool {
        self.is_category(CategoryKind::Word, false)
    }

    /// Whether this is `\W`.
    pub(super) fn is_no_word(&self) -> bool {
        self.is_category(CategoryKind::Word, true)
    }

    fn is_category(&self, kind: CategoryKind, negated: bool) -> bool {
        let [category] = self.categories[..] else {
            return false;
        };
        self.ranges.is_empty()
            && category.kind == kind
            && !category.ascii
            && (category.negate != self.negate) == negated
    }

    /// The characters, if they are at most so many and none is a letter.
    pub(super) fn few_signs(&self, most: usize) -> Option<Vec<char>> {
        let count: u32 = self.ranges.iter().map(|(low, high)| high - low + 1).sum();
        let few = !self.negate
            && self.categories.is_empty()
            && self.fold == Fold::None
            && count as usize <= most;
        let signs = || characters_of(&self.ranges);
        let plain = |c: char| c.is_ascii() && !c.is_ascii_alphabetic();
        (few && signs().all(plain)).then(|| signs().collect())
    }

    /// Whether this is `c` and nothing else.
    pub(super) fn is_only(&self, c: char) -> bool {
        let code = u32::from(c);
        !self.negate
            && self.fold == Fold::None
            && self.categories.is_empty()
            && self.ranges == [(code, code)]
    }

    /// Which kinds of characters beyond ASCII may be in: digits, other word characters, white
    /// space, others.
    pub(super) fn kinds_beyond_ascii(&self) -> [bool; 4] {
        if self.ranges.iter().any(|&(_, high)| high > 0x7f) || self.fold != Fold::None {
            return [true; 4];
        }
        // One of each kind stands for all, as categories hold all of a kind or none.
        ['\u{663}', '\u{e9}', '\u{a0}', '\u{2603}'].map(|c| self.contains(c))
    }

    /// Whether all characters beyond ASCII are judged alike, and how.
    pub(super) fn beyond_ascii(&self) -> Option<bool> {
        // Characters beyond ASCII whose lower case is ASCII: İ and the Kelvin sign.
        let folds_down = |&(low, high): &(u32, u32)| {
            ['i', 'k']
                .iter()
                .any(|&c| (low..=high).contains(&u32::from(c)))
        };
        let mixed = self.ranges.iter().any(|&(_, high)| high > 0x7f)
            || self.categories.iter().any(|category| !category.ascii)
            || (self.fold == Fold::Unicode && self.ranges.iter().any(folds_down));
        if mixed {
            return None;
        }
        let inside = self.categories.iter().any(|category| category.negate);
        Some(inside != self.negate)
    }
}

fn characters(low: u32, high: u32) -> impl Iterator<Item = char> {
    (low..=high).filter_map(char::from_u32)
}

fn characters_of(ranges: &[(u32, u32)]) -> impl Iterator<Item = char> {
    ranges.iter().flat_map(|&(low, high)| characters(low, high))
}

fn folded(ranges: &[(u32, u32)], fold: Fold) -> Vec<(u32, u32)> {
    let mut out = Vec::new();
    let mut add = |c: char| {
        let code = u32::from(c);
        match out.last_mut() {
            Some((_, high)) if *high + 1 == code => *high = code,
            _ => out.push((code, code)),
        }
    };
    for &(low, high) in ranges {
        for c in characters(low, high) {
            let c = fold.lower(c);
            add(c);
            if fold == Fold::Unicode {
                unicode::same_upper(c).for_each(&mut add);
            }
        }
    }
    out
}

fn merged(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match out.last_mut() {
            Some((_, last)) if low <= last.saturating_add(1) => *last = high.max(*last),
            _ => out.push((low, high)),
        }
    }
    out
}

impl Node {
    /// The least and most characters this can match; `u64::MAX` stands for no limit. `groups`
    /// are the widths of the groups that are closed by now.
    pub(super) fn width(&self, groups: &[Option<(u64, u64)>]) -> (u64, u64) {
        match self {
            Self::Empty | Self::At(_) | Self::Look { .. } | Self::Need(_) => (0, 0),
            Self::Literal(_) | Self::Set(_) => (1, 1),
            Self::Concat(nodes) => nodes.iter().fold((0, 0), |(low, high), node| {
                let (l, h) = node.width(groups);
                (low.saturating_add(l), high.saturating_add(h))
            }),
            Self::Alternate(nodes) => nodes
                .iter()
                .map(|node| node.width(groups))
                .reduce(|(low, high), (l, h)| (low.min(l), high.max(h)))
                .unwrap_or((0, 0)),
            Self::Repeat { node, min, max, .. } => {
                let (low, high) = node.width(groups);
                let most = match max {
                    Some(max) => high.saturating_mul(u64::from(*max)),
                    None if high == 0 => 0,
                    None => u64::MAX,
                };
                (low.saturating_mul(u64::from(*min)), most)
            }
            Self::Group { node, .. } | Self::Atomic(node) => node.width(groups),
            Self::Cond { yes, no, .. } => {
                let ((low, high), (l, h)) = (yes.width(groups), no.width(groups));
                (low.min(l), high.max(h))
            }
            Self::BackRef { group, .. } => groups
                .get(*group)
                .copied()
                .flatten()
                .unwrap_or((0, u64::MAX)),
        }
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        let (list, pair): (&[Self], [Option<&Self>; 2]) = match self {
            Self::Concat(nodes) | Self::Alternate(nodes) => (nodes, [None, None]),
            Self::Repeat { node, .. }
            | Self::Group { node, .. }
            | Self::Atomic(node)
            | Self::Look { node, .. } => (&[], [Some(node), None]),
            Self::Cond { yes, no, .. } => (&[], [Some(yes), Some(no)]),
            _ => (&[], [None, None]),
        };
        list.iter().chain(pair.into_iter().flatten())
    }

    pub(super) fn children_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        let (list, pair): (&mut [Self], [Option<&mut Self>; 2]) = match self {
            Self::Concat(nodes) | Self::Alternate(nodes) => (nodes, [None, None]),
            Self::Repeat { node, .. }
            | Self::Group { node, .. }
            | Self::Atomic(node)
            | Self::Look { node, .. } => (&mut [], [Some(node), None]),
            Self::Cond { yes, no, .. } => (&mut [], [Some(yes), Some(no)]),
            _ => (&mut [], [None, None]),
        };
        list.iter_mut().chain(pair.into_iter().flatten())
    }
}
