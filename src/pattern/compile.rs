//! [`Node`] → [`Program`]: code first, then what is known about it ([`super::analyse`]).

use super::analyse;
use super::ast::{At, Fold, Greed, Node, Set};
use super::optimise::optimise;
use super::program::{
    ANY, Bytes, Class, ClassId, Code, ENDLESS, Inst, Look, Loop, LoopKind, Pc, Place, Program,
    Shape, WIDE, Wide,
};

/// The most instructions a pattern may have once its counts are written out. The largest stock
/// pattern has some hundreds.
const MOST_INSTRUCTIONS: usize = 1 << 15;

/// Too many instructions.
#[derive(Debug)]
pub(super) struct TooLarge;

type Outcome = Result<(), TooLarge>;

/// Compiles a pattern of `groups` groups. Not `optimised`, the program does step by step what
/// the tree says: the tests compare both.
pub(super) fn compile(node: &Node, groups: usize, optimised: bool) -> Result<Program, TooLarge> {
    let mut compiler = Compiler {
        program: Program {
            groups,
            slots: groups * 2,
            ..Program::default()
        },
        sets: Vec::new(),
        optimised,
    };
    match optimised {
        true => compiler.node(&optimise(node))?,
        false => compiler.node(node)?,
    }
    compiler.push(Inst::Match)?;
    let mut program = compiler.program;
    analyse::finish(&mut program, optimised);
    Ok(program)
}

struct Compiler {
    program: Program,
    /// The set behind each class, to find it again.
    sets: Vec<Set>,
    optimised: bool,
}

impl Compiler {
    fn push(&mut self, inst: Inst) -> Result<usize, TooLarge> {
        if self.program.code.len() >= MOST_INSTRUCTIONS {
            return Err(TooLarge);
        }
        let next = self.here() + 1;
        self.program.code.push(Code { inst, next });
        Ok(self.program.code.len() - 1)
    }

    fn here(&self) -> Pc {
        u32::try_from(self.program.code.len()).unwrap_or(Pc::MAX)
    }

    fn split(&mut self) -> Result<usize, TooLarge> {
        self.push(Inst::Split {
            first: 0,
            second: 0,
            first_bytes: ANY,
            second_bytes: ANY,
        })
    }

    /// Completes a split: `body` is tried first if `greedy`, `out` else.
    fn patch(&mut self, at: usize, greedy: bool, body: Pc, out: Pc) {
        let (a, b) = if greedy { (body, out) } else { (out, body) };
        if let Inst::Split { first, second, .. } = &mut self.program.code[at].inst {
            (*first, *second) = (a, b);
        }
    }

    fn node(&mut self, node: &Node) -> Outcome {
        match node {
            Node::Empty => {}
            Node::Literal(c) => self.literal(&c.to_string())?,
            Node::Set(set) => {
                let class = self.class(set)?;
                self.push(Inst::Class(class))?;
            }
            Node::At(at) => {
                self.push(Inst::Place(place(*at)))?;
            }
            Node::Concat(nodes) => self.concat(nodes)?,
            Node::Alternate(nodes) => self.alternate(nodes)?,
            Node::Repeat {
                node,
                min,
                max,
                greed,
            } => self.repeat(node, (*min, *max), *greed)?,
            Node::Group { index, node } => {
                let slot = u32::try_from(index * 2).map_err(|_| TooLarge)?;
                self.push(Inst::Save(slot))?;
                self.node(node)?;
                self.push(Inst::Save(slot + 1))?;
            }
            Node::Atomic(node) => self.atomic(|this| this.node(node))?,
            Node::Look {
                behind,
                negate,
                node,
            } => self.look(*behind, *negate, node)?,
            Node::Cond { group, yes, no } => {
                let group = u32::try_from(*group).map_err(|_| TooLarge)?;
                let cond = self.push(Inst::Cond { group, no: 0 })?;
                self.node(yes)?;
                let jump = self.push(Inst::Jump(0))?;
                let no_branch = self.here();
                self.node(no)?;
                self.program.code[cond].inst = Inst::Cond {
                    group,
                    no: no_branch,
                };
                self.program.code[jump].inst = Inst::Jump(self.here());
            }
            Node::BackRef { group, fold } => {
                let group = u32::try_from(*group).map_err(|_| TooLarge)?;
                self.push(Inst::BackRef { group, fold: *fold })?;
            }
            Node::Need(text) => {
                let (start, end) = self.store(text.as_bytes())?;
                let rarest = rarest(text.as_bytes());
                self.push(Inst::Need { start, end, rarest })?;
            }
        }
        Ok(())
    }

    /// Neighbouring literals become one.
    fn concat(&mut self, nodes: &[Node]) -> Outcome {
        let mut text = String::new();
        for node in nodes {
            match node {
                Node::Literal(c) if self.optimised => text.push(*c),
                _ => {
                    self.literal(&text)?;
                    text.clear();
                    self.node(node)?;
                }
            }
        }
        self.literal(&text)
    }

    fn literal(&mut self, text: &str) -> Outcome {
        match text.as_bytes() {
            [] => {}
            [byte] => {
                self.push(Inst::Byte(*byte))?;
            }
            bytes => {
                let (start, end) = self.store(bytes)?;
                self.push(Inst::Literal { start, end })?;
            }
        }
        Ok(())
    }

    fn store(&mut self, bytes: &[u8]) -> Result<(u32, u32), TooLarge> {
        let start = self.program.literals.len();
        self.program.literals.extend_from_slice(bytes);
        let end = self.program.literals.len();
        Ok((
            u32::try_from(start).map_err(|_| TooLarge)?,
            u32::try_from(end).map_err(|_| TooLarge)?,
        ))
    }

    fn class(&mut self, set: &Set) -> Result<ClassId, TooLarge> {
        let index = match self.sets.iter().position(|other| other == set) {
            Some(index) => index,
            None => {
                self.sets.push(set.clone());
                self.program.classes.push(class(set));
                self.sets.len() - 1
            }
        };
        match ClassId::try_from(index) {
            Ok(id) if id < ClassId::MAX / 2 => Ok(id),
            _ => Err(TooLarge),
        }
    }

    fn alternate(&mut self, nodes: &[Node]) -> Outcome {
        let mut jumps = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if index + 1 == nodes.len() {
                self.node(node)?;
                break;
            }
            let split = self.split()?;
            let body = self.here();
            self.node(node)?;
            jumps.push(self.push(Inst::Jump(0))?);
            let next = self.here();
            self.patch(split, true, body, next);
        }
        let end = self.here();
        for jump in jumps {
            self.program.code[jump].inst = Inst::Jump(end);
        }
        Ok(())
    }

    fn atomic(&mut self, inside: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        let atomic = self.push(Inst::Atomic { end: 0 })?;
        inside(self)?;
        self.push(Inst::AtomicDone)?;
        self.program.code[atomic].inst = Inst::Atomic { end: self.here() };
        Ok(())
    }

    fn look(&mut self, behind: Option<u32>, negate: bool, node: &Node) -> Outcome {
        if self.optimised {
            let set = match node {
                Node::Literal(c) => Some(single(*c)),
                Node::Set(set) => Some((**set).clone()),
                _ => None,
            };
            if let Some(set) = set {
                let class = self.class(&set)?;
                self.push(Inst::Near {
                    class,
                    behind: behind.is_some(),
                    negate,
                })?;
                return Ok(());
            }
            if behind.is_none()
                && let Some(text) = plain_text(node)
            {
                let (start, end) = self.store(text.as_bytes())?;
                self.push(Inst::NearLiteral { start, end, negate })?;
                return Ok(());
            }
            // None of several is not the one and not the other, and texts are easier alone.
            if negate
                && !captures(node)
                && let Node::Alternate(branches) = node
            {
                return branches
                    .iter()
                    .try_for_each(|branch| self.look(behind, true, branch));
            }
        }
        let look = u32::try_from(self.program.looks.len()).map_err(|_| TooLarge)?;
        self.program.looks.push(Look {
            back: behind,
            negate,
            pure: negate || !captures(node),
        });
        let at = self.push(Inst::Look { look, end: 0 })?;
        self.node(node)?;
        self.push(Inst::Done)?;
        let end = self.here();
        self.program.code[at].inst = Inst::Look { look, end };
        Ok(())
    }

    fn repeat(&mut self, node: &Node, (min, max): (u32, Option<u32>), greed: Greed) -> Outcome {
        if let Some((set, stop)) = self.repeatable(node) {
            return self.character_loop(&set, stop, (min, max), greed);
        }
        if greed == Greed::Possessive {
            // Python lets no round change its mind either, not even for the next one's sake.
            let round = Node::Atomic(Box::new(node.clone()));
            return self.atomic(|this| this.group_loop(&round, (min, max), true));
        }
        self.group_loop(node, (min, max), greed == Greed::Greedy)
    }

    /// The set of a node that is one character, and the literal that must not stand there.
    fn repeatable(&self, node: &Node) -> Option<(Set, Option<String>)> {
        match node {
            Node::Literal(c) => Some((single(*c), None)),
            Node::Set(set) => Some(((**set).clone(), None)),
            Node::Concat(nodes) if self.optimised => match &nodes[..] {
                [
                    Node::Look {
                        behind: None,
                        negate: true,
                        node,
                    },
                    last @ (Node::Literal(_) | Node::Set(_)),
                ] => {
                    let stop = plain_text(node)?;
                    let (set, _) = self.repeatable(last)?;
                    Some((set, Some(stop)))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn character_loop(
        &mut self,
        set: &Set,
        stop: Option<String>,
        (min, max): (u32, Option<u32>),
        greed: Greed,
    ) -> Outcome {
        let class = self.class(set)?;
        let stop = match stop {
            Some(stop) => Some(self.store(stop.as_bytes())?),
            None => None,
        };
        let until = match &self.program.classes[usize::from(class)] {
            Class {
                wide: Wide::All,
                bytes,
            } => {
                let mut missing = (0..0x80).filter(|&b| !bytes.contains(b));
                match (missing.next(), missing.next()) {
                    (Some(byte), None) => u8::try_from(byte).ok(),
                    _ => None,
                }
            }
            _ => None,
        };
        let id = u32::try_from(self.program.loops.len()).map_err(|_| TooLarge)?;
        self.program.loops.push(Loop {
            class,
            min,
            max: max.unwrap_or(ENDLESS),
            kind: match greed {
                Greed::Greedy => LoopKind::Greedy,
                Greed::Lazy => LoopKind::Lazy,
                Greed::Possessive => LoopKind::Possessive,
            },
            stop,
            follow: ANY,
            then: None,
            until,
            sure: class,
            mixed: matches!(self.program.classes[usize::from(class)].wide, Wide::Some(_)),
            shape: Shape::Other,
        });
        self.push(Inst::Loop(id))?;
        Ok(())
    }

    /// A loop written out: `min` copies, then optional ones or an endless loop.
    fn group_loop(&mut self, node: &Node, (min, max): (u32, Option<u32>), greedy: bool) -> Outcome {
        let may_be_empty = node.width(&[]).0 == 0;
        let Some(max) = max else {
            if min > 0 && !may_be_empty && self.optimised {
                self.copies(node, min - 1)?;
                let body = self.here();
                self.node(node)?;
                let split = self.split()?;
                let out = self.here();
                self.patch(split, greedy, body, out);
                return Ok(());
            }
            self.copies(node, min)?;
            let split = self.split()?;
            let body = self.here();
            let progress = self.body(node, may_be_empty)?;
            self.push(Inst::Jump(u32::try_from(split).unwrap_or(Pc::MAX)))?;
            let out = self.here();
            self.patch(split, greedy, body, out);
            self.end_body(progress, out);
            return Ok(());
        };
        self.copies(node, min)?;
        let mut splits = Vec::new();
        for _ in min..max {
            let split = self.split()?;
            let body = self.here();
            let progress = self.body(node, may_be_empty)?;
            splits.push((split, body, progress));
        }
        let out = self.here();
        for (split, body, progress) in splits {
            self.patch(split, greedy, body, out);
            self.end_body(progress, out);
        }
        Ok(())
    }

    fn copies(&mut self, node: &Node, count: u32) -> Outcome {
        for _ in 0..count {
            let before = self.here();
            self.node(node)?;
            if self.here() == before {
                break;
            }
        }
        Ok(())
    }

    /// One round of a loop. If it may eat nothing, a round that does ends the loop.
    fn body(&mut self, node: &Node, may_be_empty: bool) -> Result<Option<usize>, TooLarge> {
        if !may_be_empty {
            self.node(node)?;
            return Ok(None);
        }
        let slot = u32::try_from(self.program.slots).map_err(|_| TooLarge)?;
        self.program.slots += 1;
        self.push(Inst::Save(slot))?;
        self.node(node)?;
        self.push(Inst::Progress { slot, end: 0 }).map(Some)
    }

    fn end_body(&mut self, progress: Option<usize>, out: Pc) {
        if let Some(at) = progress
            && let Inst::Progress { end, .. } = &mut self.program.code[at].inst
        {
            *end = out;
        }
    }
}

fn place(at: At) -> Place {
    match at {
        At::Start => Place::Start,
        At::LineStart => Place::LineStart,
        At::End => Place::End,
        At::LineEnd => Place::LineEnd,
        At::TextEnd => Place::TextEnd,
        At::Around(around) => Place::Around(around),
        At::Word {
            negate: false,
            ascii: false,
        } => Place::Word,
        At::Word {
            negate: true,
            ascii: false,
        } => Place::NotWord,
        At::Word {
            negate: false,
            ascii: true,
        } => Place::AsciiWord,
        At::Word {
            negate: true,
            ascii: true,
        } => Place::NotAsciiWord,
    }
}

fn single(c: char) -> Set {
    let code = u32::from(c);
    Set::new(false, vec![(code, code)], Vec::new(), Fold::None)
}

/// The text of a node that is nothing but text.
fn plain_text(node: &Node) -> Option<String> {
    match node {
        Node::Literal(c) => Some(c.to_string()),
        Node::Concat(nodes) => nodes
            .iter()
            .map(|node| match node {
                Node::Literal(c) => Some(*c),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// The place of the byte that is probably met least in logs.
fn rarest(text: &[u8]) -> u8 {
    let rarity = |byte: u8| match byte {
        b' ' => 0,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 1,
        b'a'..=b'z' | b'=' => 2,
        b'0'..=b'9' | b'.' | b':' => 3,
        b'A'..=b'Z' => 4,
        _ => 5,
    };
    let first = &text[..text.len().min(usize::from(u8::MAX))];
    let best = (0..first.len()).max_by_key(|&at| rarity(first[at]));
    best.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

fn captures(node: &Node) -> bool {
    matches!(node, Node::Group { .. }) || node.children().any(captures)
}

fn class(set: &Set) -> Class {
    let wide = match set.beyond_ascii() {
        Some(true) => Wide::All,
        Some(false) => Wide::None,
        None => Wide::Some(Box::new(set.clone())),
    };
    let mut bytes = Bytes::NONE;
    for byte in 0..0x80u8 {
        if set.contains(char::from(byte)) {
            bytes.insert(usize::from(byte));
        }
    }
    if wide != Wide::None {
        (0x80..=0xff).for_each(|byte| bytes.insert(byte));
    }
    let kinds = match wide {
        Wide::None => [false; 4],
        Wide::All => [true; 4],
        Wide::Some(_) => set.kinds_beyond_ascii(),
    };
    for (index, _) in WIDE.zip(kinds).filter(|(_, inside)| *inside) {
        bytes.insert(index);
    }
    Class { wide, bytes }
}
