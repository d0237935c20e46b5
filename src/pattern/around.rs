//! Places told by their two neighbours: what `(?=\b|\W|$)` and its like ask, as one question.
//!
//! Of the character before a place it only matters whether there is one and whether it is a word's;
//! of the one behind also whether it is the newline that ends the text. That makes twelve kinds of
//! places, and a question a set of them.

use super::ast::{At, Node};

/// A set of kinds of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Around(u16);

/// What stands before a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    Word,
    Other,
}

/// What stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    End,
    /// A newline, and then the end.
    LastNewline,
    Word,
    Other,
}

const BEFORE: [Before; 3] = [Before::Nothing, Before::Word, Before::Other];
const BEHIND: [Behind; 4] = [
    Behind::End,
    Behind::LastNewline,
    Behind::Word,
    Behind::Other,
];
const ALL: u16 = (1 << (BEFORE.len() * BEHIND.len())) - 1;

impl Around {
    /// What a look ahead asks; `None` if that is more than can be told by the neighbours.
    pub(super) fn look(node: &Node, negate: bool) -> Option<Self> {
        let asked = Self::asked(node)?;
        Some(Self(if negate { !asked.0 & ALL } else { asked.0 }))
    }

    fn asked(node: &Node) -> Option<Self> {
        match node {
            Node::At(At::Start) => Some(Self::of(|before, _| before == Before::Nothing)),
            Node::At(At::End) => Some(Self::of(|_, behind| {
                matches!(behind, Behind::End | Behind::LastNewline)
            })),
            Node::At(At::TextEnd) => Some(Self::of(|_, behind| behind == Behind::End)),
            Node::At(At::Word {
                negate,
                ascii: false,
            }) => Some(Self::of(|before, behind| {
                let edge = (before == Before::Word) != (behind == Behind::Word);
                // Python finds no place at all in an empty text.
                let empty = before == Before::Nothing && behind == Behind::End;
                edge != *negate && !(*negate && empty)
            })),
            Node::Set(set) if set.is_word() => Some(Self::of(|_, behind| behind == Behind::Word)),
            Node::Set(set) if set.is_no_word() => Some(Self::of(|_, behind| {
                matches!(behind, Behind::LastNewline | Behind::Other)
            })),
            Node::Alternate(ways) => ways.iter().try_fold(Self(0), |known, way| {
                Some(Self(known.0 | Self::asked(way)?.0))
            }),
            _ => None,
        }
    }

    fn of(holds: impl Fn(Before, Behind) -> bool) -> Self {
        let mut kinds = Self(0);
        for before in BEFORE {
            for behind in BEHIND {
                kinds.0 |= u16::from(holds(before, behind)) << kind(before, behind);
            }
        }
        kinds
    }

    pub(super) const fn holds(self, before: Before, behind: Behind) -> bool {
        self.0 >> kind(before, behind) & 1 == 1
    }
}

const fn kind(before: Before, behind: Behind) -> u32 {
    before as u32 * BEHIND.len() as u32 + behind as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::parse::{Flags, parse};

    fn look(pattern: &str) -> Option<Around> {
        match parse(pattern, Flags::default()).unwrap().node {
            Node::Look { negate, node, .. } => Around::look(&node, negate),
            Node::Concat(nodes) => match &nodes[..] {
                [Node::Look { negate, node, .. }] => Around::look(node, *negate),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_date_ends_where_no_word_goes_on() {
        let end = look(r"(?=\b|\W|$)").unwrap();
        for before in BEFORE {
            for behind in BEHIND {
                let inside = before == Before::Word && behind == Behind::Word;
                let starts = before != Before::Word && behind == Behind::Word;
                assert_eq!(end.holds(before, behind), !inside, "{before:?} {behind:?}");
                assert_eq!(
                    look(r"(?!\W|$)").unwrap().holds(before, behind),
                    inside || starts
                );
            }
        }
    }

    #[test]
    fn what_asks_for_more_than_the_neighbours_is_left_alone() {
        for pattern in [r"(?=\b\W)", r"(?=\b|,)", r"(?=\b|(\W))", r"(?a)(?=\b|\W)"] {
            assert_eq!(look(pattern), None, "{pattern}");
        }
    }
}
