//! Python's `re` syntax (3.11 and later) → [`Node`]. What Python refuses is refused here.
//!
//! Only the deprecated flag `t` is not known. Flags are applied while reading: global ones can only
//! stand at the very start.

mod class;
mod escape;
mod group;
mod names;
mod tokens;

use super::ast::{At, Category, CategoryKind, Fold, Greed, Node, Set};
use super::error::{Cause, PatternError};
use tokens::{Token, Tokens};

/// Groups within groups. Python gives up at about twice that.
const DEEPEST: usize = 200;

/// Python's MAXREPEAT: no count may reach it.
const MAX_REPEAT: u64 = 0xffff_ffff;

/// The flags of Python's `re.compile` that make sense for text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub ignore_case: bool,
    pub multi_line: bool,
    pub dot_all: bool,
    pub verbose: bool,
    pub ascii: bool,
}

impl Flags {
    fn fold(self) -> Fold {
        match (self.ignore_case, self.ascii) {
            (false, _) => Fold::None,
            (true, true) => Fold::Ascii,
            (true, false) => Fold::Unicode,
        }
    }
}

/// A parsed pattern: its tree, and its groups.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: Node,
    /// Name and index of each named group, by index.
    pub(super) names: Vec<(Box<str>, usize)>,
    /// How many groups there are, the whole match counted as group 0.
    pub(super) groups: usize,
}

/// Parses `source` as `re.compile(source, flags)` would.
pub(super) fn parse(source: &str, flags: Flags) -> Result<Parsed, PatternError> {
    let tokens = Tokens::new(source)?;
    let mut parser = Parser {
        tokens,
        flags,
        names: Vec::new(),
        widths: vec![None],
        first_lookbehind_group: None,
        tested: Vec::new(),
        ascii_or_unicode: (flags.ascii, false),
        lookbehind_width: None,
        depth: 0,
    };
    let node = parser.alternatives(flags)?;
    if parser.tokens.peek().is_some() {
        return Err(parser.error(Cause::ClosingWithoutOpening, 0));
    }
    for (group, at) in &parser.tested {
        if *group >= parser.widths.len() {
            let cause = Cause::UnknownGroup(group.to_string().into());
            return Err(PatternError::new(cause, *at, source));
        }
    }
    if let Some(error) = parser.lookbehind_width {
        return Err(error);
    }
    Ok(Parsed {
        node,
        names: parser.names,
        groups: parser.widths.len(),
    })
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// The flags of the whole pattern, which `(?i)` at its start may still change.
    flags: Flags,
    names: Vec<(Box<str>, usize)>,
    /// The width of each group; `None` while it is open.
    widths: Vec<Option<(u64, u64)>>,
    /// Within a look-behind: the first group that opened inside.
    first_lookbehind_group: Option<usize>,
    /// Group numbers tested by conditionals, which may come later, and where.
    tested: Vec<(usize, usize)>,
    /// Whether `(?a)` and `(?u)` were seen; they exclude each other.
    ascii_or_unicode: (bool, bool),
    /// The first look-behind of no fixed width: Python notices after all that is wrong with the
    /// rest.
    lookbehind_width: Option<PatternError>,
    depth: usize,
}

type Outcome<T> = Result<T, PatternError>;

impl Parser<'_> {
    /// An error `back` characters before the next token.
    fn error(&self, cause: Cause, back: usize) -> PatternError {
        PatternError::new(
            cause,
            self.tokens.position().saturating_sub(back),
            self.tokens.source(),
        )
    }

    fn error_at(&self, cause: Cause, at: usize) -> PatternError {
        PatternError::new(cause, at, self.tokens.source())
    }

    /// `a|b|c`, up to a closing parenthesis or the end.
    fn alternatives(&mut self, mut flags: Flags) -> Outcome<Node> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(Cause::TooDeep, 0));
        }
        let mut nodes = Vec::new();
        loop {
            let whole = self.depth == 1;
            nodes.push(self.sequence(flags, whole && nodes.is_empty())?);
            if !self.tokens.eat('|') {
                break;
            }
            if whole {
                flags = self.flags;
            }
        }
        self.depth -= 1;
        Ok(match nodes.len() {
            1 => nodes.swap_remove(0),
            _ => Node::Alternate(nodes),
        })
    }

    /// One alternative. `first`: global flags may still come.
    fn sequence(&mut self, mut flags: Flags, first: bool) -> Outcome<Node> {
        let mut nodes: Vec<Item> = Vec::new();
        while let Some(token) = self.tokens.peek() {
            if matches!(token, Token::Char('|' | ')')) {
                break;
            }
            let at = self.tokens.position();
            self.tokens.next();
            if flags.verbose && self.is_blank(token) {
                continue;
            }
            let item = match token {
                Token::Escape(c) => self.escape(c, flags)?,
                Token::Char('[') => Item::plain(self.class(at, flags)?),
                Token::Char(c @ ('*' | '+' | '?' | '{')) => {
                    match self.repetition(c, at)? {
                        Some(repetition) => {
                            let last = nodes.pop();
                            nodes.push(self.repeated(last, repetition, at)?);
                            continue;
                        }
                        // A brace that opens no count stands for itself.
                        None => Item::plain(literal(c, flags)),
                    }
                }
                Token::Char('.') => Item::plain(Node::Set(Box::new(Set::dot(flags.dot_all)))),
                Token::Char('^') => Item::at(if flags.multi_line {
                    At::LineStart
                } else {
                    At::Start
                }),
                Token::Char('$') => Item::at(if flags.multi_line {
                    At::LineEnd
                } else {
                    At::End
                }),
                Token::Char('(') => {
                    let may_set_flags = first && nodes.is_empty();
                    match self.group(at, flags, may_set_flags)? {
                        group::Read::Item(node) => Item::plain(node),
                        group::Read::Nothing => continue,
                        group::Read::GlobalFlags => {
                            flags = self.flags;
                            continue;
                        }
                    }
                }
                Token::Char(c) => Item::plain(literal(c, flags)),
            };
            nodes.push(item);
        }
        let mut nodes: Vec<Node> = nodes.into_iter().map(|item| item.node).collect();
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.swap_remove(0),
            _ => Node::Concat(nodes),
        })
    }

    /// White space and comments of verbose patterns.
    fn is_blank(&mut self, token: Token) -> bool {
        match token {
            Token::Char(' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c') => true,
            Token::Char('#') => {
                // An escaped newline does not end a comment: Python reads both as one token.
                while let Some(token) = self.tokens.next() {
                    if token == Token::Char('\n') {
                        break;
                    }
                }
                true
            }
            _ => false,
        }
    }

    /// The counts after an item; `None` for a brace that is just a brace.
    fn repetition(&mut self, c: char, at: usize) -> Outcome<Option<(u32, Option<u32>)>> {
        match c {
            '?' => return Ok(Some((0, Some(1)))),
            '*' => return Ok(Some((0, None))),
            '+' => return Ok(Some((1, None))),
            _ => {}
        }
        if self.tokens.peek() == Some(Token::Char('}')) {
            return Ok(None);
        }
        let after_brace = self.tokens.mark();
        let low = self.tokens.digits(10, usize::MAX);
        let high = if self.tokens.eat(',') {
            self.tokens.digits(10, usize::MAX)
        } else {
            low.clone()
        };
        if !self.tokens.eat('}') {
            self.tokens.reset(after_brace);
            return Ok(None);
        }
        let count = |digits: &str| match digits.parse::<u64>() {
            Ok(count) if count < MAX_REPEAT => Ok(u32::try_from(count).ok()),
            Err(_) if digits.is_empty() => Ok(None),
            _ => Err(self.error_at(Cause::RepeatTooBig, at)),
        };
        let min = count(&low)?.unwrap_or(0);
        let max = count(&high)?;
        if max.is_some_and(|max| max < min) {
            return Err(self.error_at(Cause::RepeatBackwards, after_brace));
        }
        Ok(Some((min, max)))
    }

    fn repeated(
        &mut self,
        last: Option<Item>,
        (min, max): (u32, Option<u32>),
        at: usize,
    ) -> Outcome<Item> {
        let node = match last {
            None
            | Some(Item {
                kind: ItemKind::At, ..
            }) => return Err(self.error_at(Cause::NothingToRepeat, at)),
            Some(Item {
                kind: ItemKind::Repeat,
                ..
            }) => return Err(self.error_at(Cause::RepeatTwice, at)),
            Some(Item {
                kind: ItemKind::Plain,
                node,
            }) => Box::new(node),
        };
        let greed = if self.tokens.eat('?') {
            Greed::Lazy
        } else if self.tokens.eat('+') {
            Greed::Possessive
        } else {
            Greed::Greedy
        };
        Ok(Item {
            node: Node::Repeat {
                node,
                min,
                max,
                greed,
            },
            kind: ItemKind::Repeat,
        })
    }
}

/// A node, and what Python would say if a repetition followed it.
struct Item {
    node: Node,
    kind: ItemKind,
}

enum ItemKind {
    Plain,
    At,
    Repeat,
}

impl Item {
    fn plain(node: Node) -> Self {
        Self {
            node,
            kind: ItemKind::Plain,
        }
    }

    fn at(at: At) -> Self {
        Self {
            node: Node::At(at),
            kind: ItemKind::At,
        }
    }
}

/// One character as written, of either case where case is ignored.
fn literal(c: char, flags: Flags) -> Node {
    code_point(u32::from(c), flags)
}

/// A code point; a lone surrogate is legal in Python and matches nothing that is text.
fn code_point(code: u32, flags: Flags) -> Node {
    let set = Set::new(false, vec![(code, code)], Vec::new(), flags.fold());
    match char::from_u32(code) {
        Some(c) if set.is_only(c) => Node::Literal(c),
        _ => Node::Set(Box::new(set)),
    }
}

fn category(c: char, flags: Flags) -> Option<Category> {
    let kind = match c {
        'd' | 'D' => CategoryKind::Digit,
        's' | 'S' => CategoryKind::Space,
        'w' | 'W' => CategoryKind::Word,
        _ => return None,
    };
    Some(Category {
        kind,
        negate: c.is_ascii_uppercase(),
        ascii: flags.ascii,
    })
}
