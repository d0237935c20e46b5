//! What every match must contain, cheap to look for: how it starts, and texts of which one must
//! occur. Both may let through too much, never too little.

use super::ast::{At, Node, Set};

/// Bytes a lead looks at: one machine word.
const LEAD: usize = 8;

/// More ways to start than this are not told apart.
const MOST_LEADS: usize = 32;

/// More texts than this are as good as none.
const MOST_TEXTS: usize = 24;

/// One way a text can start: its first eight bytes, under `mask`, are `value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lead {
    pub(super) mask: u64,
    pub(super) value: u64,
}

impl Lead {
    /// The first bytes of a text, as leads see them: zeros after its end.
    #[inline]
    pub(super) fn word(text: &[u8]) -> u64 {
        match text.first_chunk::<LEAD>() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => {
                let mut bytes = [0; LEAD];
                bytes[..text.len()].copy_from_slice(text);
                u64::from_le_bytes(bytes)
            }
        }
    }

    #[inline]
    pub(super) fn fits(self, word: u64) -> bool {
        word & self.mask == self.value
    }
}

/// How texts can start that match at their very beginning only; empty if anything goes.
pub(super) fn leads(node: &Node) -> Vec<Lead> {
    if !starts_at_start(node) {
        return Vec::new();
    }
    let open = vec![Partial::default()];
    let mut leads: Vec<Lead> = extended(&open, node).iter().map(|part| part.lead).collect();
    leads.sort_unstable_by_key(|lead| (lead.value, lead.mask));
    leads.dedup();
    if leads.iter().any(|lead| lead.mask == 0) {
        leads.clear();
    }
    leads
}

/// Whether a match can be at the start of the text only.
fn starts_at_start(node: &Node) -> bool {
    match node {
        Node::At(at) => *at == At::Start,
        Node::Concat(nodes) => nodes.first().is_some_and(starts_at_start),
        Node::Alternate(nodes) => nodes.iter().all(starts_at_start),
        Node::Group { node, .. } | Node::Atomic(node) => starts_at_start(node),
        Node::Empty
        | Node::Literal(_)
        | Node::Set(_)
        | Node::Repeat { .. }
        | Node::Look { .. }
        | Node::Cond { .. }
        | Node::BackRef { .. }
        | Node::Need(_) => false,
    }
}

/// A lead under construction.
#[derive(Clone, Copy, Debug, Default)]
struct Partial {
    lead: Lead,
    length: usize,
    /// Nothing more is known of what follows.
    closed: bool,
}

impl Partial {
    fn push(&mut self, byte: u8, mask: u8) {
        if self.closed || self.length == LEAD {
            self.closed = true;
            return;
        }
        let shift = self.length * 8;
        self.lead.mask |= u64::from(mask) << shift;
        self.lead.value |= u64::from(byte & mask) << shift;
        self.length += 1;
    }

    fn closed(mut self) -> Self {
        self.closed = true;
        self
    }
}

fn closed(parts: &[Partial]) -> Vec<Partial> {
    parts.iter().map(|part| part.closed()).collect()
}

/// What the leads become when the node follows.
fn extended(parts: &[Partial], node: &Node) -> Vec<Partial> {
    if parts.iter().all(|part| part.closed) {
        return parts.to_vec();
    }
    let longer = match node {
        Node::Empty | Node::At(_) | Node::Look { .. } | Node::Need(_) => parts.to_vec(),
        Node::Literal(c) => with_text(parts, &[*c]),
        Node::Set(set) => with_set(parts, set),
        Node::Group { node, .. } | Node::Atomic(node) => extended(parts, node),
        Node::Concat(nodes) => nodes
            .iter()
            .fold(parts.to_vec(), |parts, node| extended(&parts, node)),
        Node::Alternate(nodes) => nodes
            .iter()
            .flat_map(|node| extended(parts, node))
            .collect(),
        Node::Repeat { max: Some(0), .. } => parts.to_vec(),
        Node::Repeat { node, min, max, .. } => {
            let mut once = extended(parts, node);
            if *max != Some(1) {
                once = closed(&once);
            }
            if *min == 0 {
                once.extend_from_slice(parts);
            }
            once
        }
        Node::Cond { .. } | Node::BackRef { .. } => closed(parts),
    };
    if longer.len() > MOST_LEADS {
        return closed(parts);
    }
    longer
}

fn with_text(parts: &[Partial], text: &[char]) -> Vec<Partial> {
    let mut parts = parts.to_vec();
    for c in text {
        let mut buffer = [0; 4];
        for byte in c.encode_utf8(&mut buffer).bytes() {
            parts.iter_mut().for_each(|part| part.push(byte, 0xff));
        }
    }
    parts
}

fn with_set(parts: &[Partial], set: &Set) -> Vec<Partial> {
    if set.beyond_ascii() != Some(false) {
        // Of which length the character is, nobody knows.
        return closed(parts);
    }
    let members: Vec<u8> = (0..0x80).filter(|&b| set.contains(char::from(b))).collect();
    let either_case = |a: u8, b: u8| a.is_ascii_uppercase() && b == a.to_ascii_lowercase();
    let choices: Vec<(u8, u8)> = match members[..] {
        [upper, lower] if either_case(upper, lower) => vec![(upper, !0x20)],
        ref few if few.len() <= 4 => few.iter().map(|&byte| (byte, 0xff)).collect(),
        _ => vec![(0, 0)],
    };
    let mut longer = Vec::new();
    for part in parts {
        if part.closed {
            longer.push(*part);
            continue;
        }
        for &(byte, mask) in &choices {
            let mut part = *part;
            part.push(byte, mask);
            longer.push(part);
        }
    }
    longer
}

/// Texts of which at least one occurs in every match; empty if there are none worth the name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) texts: Vec<String>,
    /// They occur in lower or upper case.
    pub(super) any_case: bool,
}

impl Texts {
    /// Longer is rarer; many are more often met.
    fn worth(&self) -> usize {
        let shortest = self.texts.iter().map(String::len).min().unwrap_or(0);
        (shortest * 4).saturating_sub(self.texts.len() + usize::from(self.any_case))
    }

    fn better(self, other: Self) -> Self {
        if other.worth() > self.worth() {
            other
        } else {
            self
        }
    }
}

/// The best texts to look for.
pub(super) fn required(node: &Node) -> Texts {
    match node {
        Node::Literal(_) | Node::Set(_) => run(std::slice::from_ref(node)),
        Node::Concat(nodes) => {
            let mut best = Texts::default();
            let mut rest = &nodes[..];
            while let Some((first, after)) = rest.split_first() {
                let length = rest
                    .iter()
                    .take_while(|node| letter(node).is_some())
                    .count();
                if length > 0 {
                    best = best.better(run(&rest[..length]));
                    rest = &rest[length..];
                } else {
                    best = best.better(required(first));
                    rest = after;
                }
            }
            best
        }
        Node::Alternate(nodes) => {
            let mut all = Texts::default();
            for node in nodes {
                let texts = required(node);
                all.any_case |= texts.any_case;
                if texts.texts.is_empty() || all.texts.len() + texts.texts.len() > MOST_TEXTS {
                    return Texts::default();
                }
                all.texts.extend(texts.texts);
            }
            all
        }
        Node::Group { node, .. } | Node::Atomic(node) => required(node),
        Node::Repeat { node, min, .. } if *min > 0 => required(node),
        Node::Empty
        | Node::At(_)
        | Node::Repeat { .. }
        | Node::Look { .. }
        | Node::Cond { .. }
        | Node::BackRef { .. }
        | Node::Need(_) => Texts::default(),
    }
}

/// A node that is one letter, in lower case, and whether in both cases.
fn letter(node: &Node) -> Option<(char, bool)> {
    match node {
        Node::Literal(c) => Some((*c, false)),
        Node::Set(set) if set.beyond_ascii() == Some(false) => {
            let mut members = (0..0x80u8).filter(|&b| set.contains(char::from(b)));
            let (upper, lower) = (members.next()?, members.next()?);
            let both = upper.is_ascii_uppercase() && upper.to_ascii_lowercase() == lower;
            (both && members.next().is_none()).then_some((char::from(lower), true))
        }
        _ => None,
    }
}

fn run(nodes: &[Node]) -> Texts {
    let letters: Option<Vec<_>> = nodes.iter().map(letter).collect();
    let Some(letters) = letters else {
        return Texts::default();
    };
    Texts {
        texts: vec![letters.iter().map(|(c, _)| c).collect()],
        any_case: letters.iter().any(|(_, any_case)| *any_case),
    }
}

#[cfg(test)]
mod tests {
    use super::{Lead, leads, required};
    use crate::pattern::parse::{Flags, parse};

    fn fits(pattern: &str, text: &str) -> bool {
        let node = parse(pattern, Flags::default()).unwrap().node;
        let leads = leads(&node);
        assert!(!leads.is_empty(), "{pattern} has leads");
        leads
            .iter()
            .any(|lead| lead.fits(Lead::word(text.as_bytes())))
    }

    #[test]
    fn leads_tell_how_a_text_starts() {
        for (pattern, yes, no) in [
            ("^Failed .*", "Failed password", "Faulty password"),
            (
                "^[iI](?:llegal|nvalid) user",
                "illegal user",
                "ilvalid user",
            ),
            ("^(?:error|fatal): x", "fatal: x", "fatel: x"),
            ("^(?i:ab)c", "aBc", "aBC"),
            ("^a?b", "b", "c"),
            ("^a{2}", "a", "b"),
            ("^é", "éa", "èa"),
            ("^(?P<x>a|b)c", "bc", "cc"),
            ("^ab", "ab", "a"),
            ("^[a-f]x", "cx", "cy"),
        ] {
            assert!(fits(pattern, yes), "{pattern}, {yes}");
            assert!(!fits(pattern, no), "{pattern}, {no}");
        }
    }

    #[test]
    fn where_anything_goes_there_are_no_leads() {
        for pattern in [
            "a", "^.a", "(?m)^a", "^(a|)", "^a*", "^a|b", r"^\sx", "^(?i:k)",
        ] {
            let node = parse(pattern, Flags::default()).unwrap().node;
            assert_eq!(leads(&node), [], "{pattern}");
        }
    }

    #[test]
    fn required_texts_are_the_longest_there_are() {
        for (pattern, texts, any_case) in [
            (r"^\S+ failed (?:for|from) \w+", vec![" failed "], false),
            ("a(?:bcd|efgh)*", vec!["a"], false),
            ("(?:bcd|efgh)+i?", vec!["bcd", "efgh"], false),
            ("(?i)x: (?:error)", vec!["error"], true),
            ("a|", vec![], false),
            ("(?=abc).", vec![], false),
            ("a{0}b", vec!["b"], false),
            ("(a)?(?(1)bcd|efg)", vec![], false),
        ] {
            let node = parse(pattern, Flags::default()).unwrap().node;
            let found = required(&node);
            assert_eq!(
                (found.texts, found.any_case),
                (texts.iter().map(|t| (*t).to_owned()).collect(), any_case),
                "{pattern}"
            );
        }
    }
}
