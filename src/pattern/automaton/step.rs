//! One step of all ways at once: where the backtracker could be after one more symbol.
//!
//! The ways are followed in the backtracker's order up to the instruction that takes the symbol.
//! What they ask of the place (`$`, `\b`, the next character) is known there and then, as both
//! neighbours are. A literal that must, or must not, stand somewhere is checked off symbol by symbol
//! on the way.

use super::alphabet::{Alphabet, NOTHING};
use super::{Chain, MATCH, Op, WIDTH};
use crate::pattern::around::{Before, Behind};
use crate::pattern::program::{ClassId, ENDLESS, Inst, Loop, LoopKind, Place, Program, Start};

/// Most ways of a state; beyond, the backtracker is asked.
const MOST_WAYS: usize = 48;
/// Most instructions followed in one step.
const MOST_WORK: usize = 10_000;
/// A way's conditions are bits.
const MOST_BITS: usize = 16;

/// A state's description; equal states have equal keys.
pub(super) type Key = Box<[u32]>;

/// Where the search stands.
#[derive(Clone, Debug)]
pub(super) struct State {
    ways: Vec<Way>,
    /// What a look behind sees, where a way may look.
    behind: u8,
    /// Nothing is read yet: also patterns bound to the text's start begin.
    first: bool,
    /// The patterns before this one may still begin.
    open: u16,
}

/// One way, and its bank of registers.
#[derive(Clone, Debug, PartialEq)]
struct Way {
    spot: Spot,
    bank: u8,
}

#[derive(Clone, Debug, PartialEq)]
struct Spot {
    pattern: u16,
    pc: u32,
    /// Characters eaten by the loop, or bytes of the literal, at `pc`.
    count: u32,
    /// The tested groups that have matched.
    groups: u16,
    pending: Vec<Pending>,
}

/// A literal asked for earlier on the way, of which this much has come.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pending {
    at: u32,
    end: u32,
    negate: bool,
}

/// What a step leads to.
pub(super) struct Outcome {
    /// `None`: no way is left.
    pub(super) state: Option<State>,
    pub(super) ops: Vec<Op>,
    pub(super) matched: Option<u16>,
    pub(super) chain: Option<Chain>,
}

impl State {
    /// Before the text.
    pub(super) fn first(patterns: usize) -> Self {
        Self {
            ways: Vec::new(),
            behind: NOTHING,
            first: true,
            open: patterns as u16,
        }
    }

    pub(super) fn key(&self) -> Key {
        let mut key =
            vec![u32::from(self.behind) | u32::from(self.first) << 8 | u32::from(self.open) << 16];
        for Way { spot, bank } in &self.ways {
            key.push(u32::from(spot.pattern) << 16 | u32::from(spot.groups));
            key.push(spot.pc);
            key.push(spot.count);
            key.push(u32::from(*bank) << 24 | spot.pending.len() as u32);
            for pending in &spot.pending {
                key.push(pending.at << 1 | u32::from(pending.negate));
                key.push(pending.end);
            }
        }
        key.into()
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let pending: usize = self.ways.iter().map(|way| way.spot.pending.len()).sum();
        size_of::<Self>() + self.ways.len() * size_of::<Way>() + pending * size_of::<Pending>()
    }
}

/// Whether a program has only instructions that are known here.
pub(super) fn can_run(program: &Program) -> bool {
    let loops = program.slots - 2 * program.groups;
    let fits = |inst: &Inst| match inst {
        Inst::Look { .. }
        | Inst::Atomic { .. }
        | Inst::BackRef { .. }
        | Inst::Done
        | Inst::AtomicDone
        | Inst::Switch(_)
        | Inst::Run { .. }
        | Inst::Maybe(_) => false,
        Inst::Cond { group, .. } => program.tested.contains(group),
        Inst::Byte(_)
        | Inst::Literal { .. }
        | Inst::Class(_)
        | Inst::Loop(_)
        | Inst::Split { .. }
        | Inst::Jump(_)
        | Inst::Save(_)
        | Inst::Place(_)
        | Inst::Near { .. }
        | Inst::NearLiteral { .. }
        | Inst::Need { .. }
        | Inst::Progress { .. }
        | Inst::Match => true,
    };
    let possessive = |spec: &Loop| spec.kind == LoopKind::Possessive;
    loops <= MOST_BITS
        && !program.loops.iter().any(possessive)
        && program.tested.len() <= MOST_BITS
        && 2 * program.groups <= WIDTH
        && program.code.iter().all(|code| fits(&code.inst))
}

/// What follows a state after a symbol; `None` if that is beyond this automaton.
pub(super) fn step<'a>(
    state: &State,
    symbol: usize,
    alphabet: &Alphabet,
    program: impl Fn(u16) -> &'a Program,
) -> Option<Outcome> {
    let byte = alphabet.byte(symbol);
    let mut walk = Walk {
        byte,
        last: symbol == alphabet.last_newline() || byte.is_none(),
        behind: alphabet.byte_behind(state.behind),
        begin: state.first,
        visited: Vec::new(),
        reached: Vec::new(),
        matched: None,
        work: 0,
    };
    let mut open = state.open;
    let mut ways = state.ways.iter().peekable();
    let mut pattern = 0;
    // Pattern by pattern; within one, the ways from earlier starts go before a new one.
    while walk.matched.is_none() && (pattern < open || ways.peek().is_some()) {
        let code = program(pattern);
        while let Some(way) = ways.next_if(|way| way.spot.pattern == pattern) {
            let mut spot = way.spot.clone();
            if spot.check_off(byte, code) {
                walk.follow(code, spot, Some(way.bank))?;
            }
            if walk.matched.is_some() {
                break;
            }
        }
        let begins = state.first || !matches!(code.start, Start::Text);
        if walk.matched.is_none() && pattern < open && begins {
            walk.begin_pattern(code, pattern)?;
        }
        // No two patterns have a spot in common.
        walk.visited.clear();
        if walk.reached.len() > MOST_WAYS {
            return None;
        }
        pattern += 1;
    }
    if let Some(found) = &walk.matched {
        open = open.min(found.spot.pattern);
    }
    // Patterns bound to the start begin no more.
    while open > 0 && matches!(program(open - 1).start, Start::Text) {
        open -= 1;
    }
    if byte.is_none() {
        open = 0;
        walk.reached.clear();
    }
    finish(walk, (open, symbol), alphabet, program)
}

/// A way that has come so far in a step.
struct Reached {
    spot: Spot,
    /// The bank it came with; `None` where the pattern has just begun.
    from: Option<u8>,
    /// Slots to set.
    saves: Vec<u8>,
    /// It stands where it stood.
    stayed: bool,
}

struct Walk {
    byte: Option<u8>,
    /// At the text's end, or before its final newline.
    last: bool,
    behind: Option<u8>,
    begin: bool,
    visited: Vec<(Spot, u16)>,
    reached: Vec<Reached>,
    matched: Option<Reached>,
    work: usize,
}

/// A place to go on from, within a step.
struct Branch {
    spot: Spot,
    /// Loops whose round began here.
    fresh: u16,
    saves: Vec<u8>,
    /// It has taken the symbol, and only waits for those before it.
    done: bool,
}

impl Walk {
    fn begin_pattern(&mut self, program: &Program, pattern: u16) -> Option<()> {
        let spot = Spot {
            pattern,
            pc: program.entry,
            count: 0,
            groups: 0,
            pending: Vec::new(),
        };
        let branch = Branch {
            spot,
            fresh: 0,
            saves: vec![0],
            done: false,
        };
        self.explore(program, branch, None, None)
    }

    fn follow(&mut self, program: &Program, spot: Spot, bank: Option<u8>) -> Option<()> {
        let pc = spot.pc;
        let branch = Branch {
            spot,
            fresh: 0,
            saves: Vec::new(),
            done: false,
        };
        self.explore(program, branch, bank, Some(pc))
    }

    /// Follows a way and its branches, the first tried first, until they take the symbol.
    fn explore(
        &mut self,
        program: &Program,
        branch: Branch,
        from: Option<u8>,
        stood: Option<u32>,
    ) -> Option<()> {
        let mut todo = vec![branch];
        while let Some(Branch {
            mut spot,
            mut fresh,
            mut saves,
            done,
        }) = todo.pop()
        {
            if done {
                self.reach(spot, from, saves, stood);
                continue;
            }
            loop {
                self.work += 1;
                if self.work > MOST_WORK {
                    return None;
                }
                let pc = spot.pc as usize;
                let code = program.code[pc];
                // Whatever goes round comes through one of these.
                if matches!(code.inst, Inst::Split { .. } | Inst::Loop(_)) {
                    let mark = (spot.clone(), fresh);
                    if self.visited.contains(&mark) {
                        break;
                    }
                    self.visited.push(mark);
                }
                let mut jump = code.next;
                match code.inst {
                    Inst::Byte(literal) => {
                        if self.byte == Some(literal) {
                            spot.move_to(code.next);
                            self.reach(spot, from, saves, stood);
                        }
                        break;
                    }
                    Inst::Literal { start, end } => {
                        let at = start + spot.count;
                        if self.byte == Some(program.literals[at as usize]) {
                            match at + 1 == end {
                                true => spot.move_to(code.next),
                                false => spot.count += 1,
                            }
                            self.reach(spot, from, saves, stood);
                        }
                        break;
                    }
                    Inst::Class(class) => {
                        if self.is_in(program, class, self.byte) {
                            spot.move_to(code.next);
                            self.reach(spot, from, saves, stood);
                        }
                        break;
                    }
                    Inst::Loop(id) => {
                        let spec = &program.loops[id as usize];
                        let may_stop = spot.count >= spec.min;
                        if let Some(more) = self.eaten(&spot, spec, program) {
                            if spec.kind == LoopKind::Lazy && may_stop {
                                todo.push(Branch {
                                    spot: more,
                                    fresh,
                                    saves: saves.clone(),
                                    done: true,
                                });
                            } else {
                                self.reach(more, from, saves.clone(), stood);
                            }
                        }
                        if !may_stop {
                            break;
                        }
                    }
                    Inst::Split { first, second, .. } => {
                        let mut other = spot.clone();
                        other.move_to(second);
                        todo.push(Branch {
                            spot: other,
                            fresh,
                            saves: saves.clone(),
                            done: false,
                        });
                        jump = first;
                    }
                    Inst::Jump(target) => jump = target,
                    Inst::Save(slot) => {
                        let captures = 2 * program.groups as u32;
                        if slot >= captures {
                            fresh |= 1 << (slot - captures);
                        } else {
                            if !spot.note(slot, program) {
                                return None;
                            }
                            saves.push(slot as u8);
                        }
                    }
                    Inst::Place(place) => {
                        if !self.is_at(place) {
                            break;
                        }
                    }
                    Inst::Near {
                        class,
                        behind,
                        negate,
                    } => {
                        let byte = if behind { self.behind } else { self.byte };
                        if self.is_in(program, class, byte) == negate {
                            break;
                        }
                    }
                    Inst::NearLiteral { start, end, negate } => {
                        if !spot.ask(self.byte, (start, end, negate), program) {
                            break;
                        }
                    }
                    Inst::Need { .. } => {}
                    Inst::Cond { group, no } => {
                        let bit = program.tested.iter().position(|&tested| tested == group)?;
                        if spot.groups >> bit & 1 == 0 {
                            jump = no;
                        }
                    }
                    Inst::Progress { slot, end } => {
                        if fresh >> (slot - 2 * program.groups as u32) & 1 == 1 {
                            jump = end;
                        }
                    }
                    Inst::Match => {
                        // What the match depends on may be still to come.
                        if !spot.pending.is_empty() {
                            return None;
                        }
                        saves.push(1);
                        self.matched = Some(Reached {
                            spot,
                            from,
                            saves,
                            stayed: false,
                        });
                        return Some(());
                    }
                    Inst::Look { .. }
                    | Inst::Atomic { .. }
                    | Inst::BackRef { .. }
                    | Inst::Done
                    | Inst::AtomicDone
                    | Inst::Switch(_)
                    | Inst::Run { .. }
                    | Inst::Maybe(_) => return None,
                }
                spot.move_to(jump);
            }
        }
        Some(())
    }

    /// A loop's spot after one more character, if it takes the symbol.
    fn eaten(&self, spot: &Spot, spec: &Loop, program: &Program) -> Option<Spot> {
        if spot.count >= spec.max || !self.is_in(program, spec.class, self.byte) {
            return None;
        }
        let mut more = spot.clone();
        // Beyond the least count all are the same in an endless loop.
        more.count = match spec.max {
            ENDLESS => (spot.count + 1).min(spec.min),
            _ => spot.count + 1,
        };
        let free = spec
            .stop
            .is_none_or(|(start, end)| more.ask(self.byte, (start, end, true), program));
        free.then_some(more)
    }

    fn reach(&mut self, spot: Spot, from: Option<u8>, saves: Vec<u8>, stood: Option<u32>) {
        if self.reached.iter().any(|known| known.spot == spot) {
            return;
        }
        self.reached.push(Reached {
            stayed: stood == Some(spot.pc),
            spot,
            from,
            saves,
        });
    }

    fn is_in(&self, program: &Program, class: ClassId, byte: Option<u8>) -> bool {
        let bytes = &program.classes[usize::from(class)].bytes;
        byte.is_some_and(|byte| bytes.contains(usize::from(byte)))
    }

    fn is_at(&self, place: Place) -> bool {
        let is_word =
            |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let edge = is_word(self.behind) != is_word(self.byte);
        match place {
            Place::Start => self.begin,
            Place::LineStart => self.begin || self.behind == Some(b'\n'),
            Place::End => self.last,
            Place::LineEnd => matches!(self.byte, None | Some(b'\n')),
            Place::TextEnd => self.byte.is_none(),
            Place::Word | Place::AsciiWord => edge,
            // Python finds no place at all in an empty text.
            Place::NotWord | Place::NotAsciiWord => !(edge || self.begin && self.byte.is_none()),
            Place::Around(around) => {
                let before = match self.behind {
                    _ if self.begin => Before::Nothing,
                    before if is_word(before) => Before::Word,
                    _ => Before::Other,
                };
                let behind = match self.byte {
                    None => Behind::End,
                    Some(_) if self.last => Behind::LastNewline,
                    byte if is_word(byte) => Behind::Word,
                    Some(_) => Behind::Other,
                };
                around.holds(before, behind)
            }
        }
    }
}

impl Spot {
    fn move_to(&mut self, pc: u32) {
        self.pc = pc;
        self.count = 0;
    }

    /// Notes what a capture means for conditionals; `false` if that cannot be told here.
    fn note(&mut self, slot: u32, program: &Program) -> bool {
        let group = slot / 2;
        let Some(bit) = program.tested.iter().position(|&tested| tested == group) else {
            return true;
        };
        let known = self.groups >> bit & 1 == 1;
        self.groups |= ((slot & 1) as u16) << bit;
        // A group begun anew has matched only if it is as empty as it was.
        slot & 1 == 1 || !known
    }

    /// Asks for a literal from here on, of which the next symbol is known; `false` if that decides
    /// against the way.
    fn ask(
        &mut self,
        byte: Option<u8>,
        (start, end, negate): (u32, u32, bool),
        program: &Program,
    ) -> bool {
        if byte != Some(program.literals[start as usize]) {
            return negate;
        }
        if start + 1 == end {
            return !negate;
        }
        let pending = Pending {
            at: start + 1,
            end,
            negate,
        };
        if !self.pending.contains(&pending) {
            self.pending.push(pending);
        }
        true
    }

    /// One more symbol of the literals asked for; `false` if it decides against the way.
    fn check_off(&mut self, byte: Option<u8>, program: &Program) -> bool {
        let mut holds = true;
        self.pending.retain_mut(|pending| {
            let comes = byte == Some(program.literals[pending.at as usize]);
            pending.at += 1;
            let decided = !comes || pending.at == pending.end;
            if decided && comes == pending.negate {
                holds = false;
            }
            !decided
        });
        holds
    }
}

/// Gives the ways their banks, and says what is to be done on the way.
fn finish<'a>(
    walk: Walk,
    (open, symbol): (u16, usize),
    alphabet: &Alphabet,
    program: impl Fn(u16) -> &'a Program,
) -> Option<Outcome> {
    let Walk {
        reached, matched, ..
    } = walk;
    let mut ops = Vec::new();
    if let Some(found) = &matched {
        ops.extend(filled(MATCH, found.from));
        ops.extend(
            found
                .saves
                .iter()
                .map(|&slot| Op::Set { bank: MATCH, slot }),
        );
    }
    let banks = banks(&reached, &mut ops);
    let ways = reached.into_iter().zip(banks);
    let ways = ways.map(|(way, bank)| Way {
        spot: way.spot,
        bank,
    });
    let mut next = State {
        ways: ways.collect(),
        behind: alphabet.behind(symbol),
        first: false,
        open,
    };
    let chain = next.chain(&program);
    if let Some(chain) = chain {
        let literals = &program(chain.pattern).literals;
        let last = literals[chain.end as usize - 1];
        next.behind = alphabet.behind(alphabet.symbol(last));
    }
    if !next.looks_behind(&program) {
        next.behind = NOTHING;
    }
    let ends = next.ways.is_empty() && next.open == 0;
    Some(Outcome {
        state: (!ends).then_some(next),
        ops,
        matched: matched.map(|found| found.spot.pattern),
        chain,
    })
}

impl State {
    /// If all that is left is one way through a literal: goes to behind it.
    fn chain<'a>(&mut self, program: &impl Fn(u16) -> &'a Program) -> Option<Chain> {
        let [Way { spot, .. }] = &mut self.ways[..] else {
            return None;
        };
        let program = program(spot.pattern);
        let code = program.code[spot.pc as usize];
        let Inst::Literal { start, end } = code.inst else {
            return None;
        };
        let rest = start + spot.count..end;
        let is_ascii = program.literals[rest.start as usize..rest.end as usize].is_ascii();
        if self.open > 0 || !spot.pending.is_empty() || !is_ascii {
            return None;
        }
        spot.move_to(code.next);
        Some(Chain {
            pattern: spot.pattern,
            start: rest.start,
            end: rest.end,
        })
    }

    /// Whether a way, or a pattern that may yet begin, asks what stands behind.
    fn looks_behind<'a>(&self, program: &impl Fn(u16) -> &'a Program) -> bool {
        let ways = self.ways.iter();
        ways.map(|way| (way.spot.pattern, way.spot.pc))
            .chain((0..self.open).map(|pattern| (pattern, program(pattern).entry)))
            .any(|(pattern, pc)| looks_behind(program(pattern), pc))
    }
}

/// Whether the place can matter that an instruction is come to at, before a character is taken.
fn looks_behind(program: &Program, pc: u32) -> bool {
    let mut todo = vec![pc];
    let mut seen = Vec::new();
    while let Some(pc) = todo.pop() {
        if seen.contains(&pc) {
            continue;
        }
        seen.push(pc);
        let code = program.code[pc as usize];
        match code.inst {
            Inst::Byte(_) | Inst::Literal { .. } | Inst::Class(_) | Inst::Match => {}
            Inst::Near { behind: true, .. } => return true,
            Inst::Place(
                Place::LineStart
                | Place::Word
                | Place::NotWord
                | Place::AsciiWord
                | Place::NotAsciiWord
                | Place::Around(_),
            ) => return true,
            Inst::Split { first, second, .. } => todo.extend([first, second]),
            Inst::Jump(target) => todo.push(target),
            Inst::Cond { no: other, .. } | Inst::Progress { end: other, .. } => {
                todo.extend([code.next, other]);
            }
            _ => todo.push(code.next),
        }
    }
    false
}

/// What fills a bank from another, or makes it empty.
fn filled(to: u8, from: Option<u8>) -> Option<Op> {
    match from {
        Some(from) if from == to => None,
        Some(from) => Some(Op::Copy { from, to }),
        None => Some(Op::Clear(to)),
    }
}

/// The bank of each way, and what is to be done for it. Ways that captured the same share one, until
/// one of them captures more: then it moves out, unless it is alone.
fn banks(reached: &[Reached], ops: &mut Vec<Op>) -> Vec<u8> {
    // Ways of one kind came with the same bank and capture the same now.
    let mut kinds: Vec<&Reached> = Vec::new();
    for way in reached {
        let known = kinds.iter_mut().find(|kind| kind.is_like(way));
        match known {
            Some(kind) if way.stayed => *kind = way,
            Some(_) => {}
            None => kinds.push(way),
        }
    }
    // Whose registers stay as they are keeps the bank; else one that goes round, so that it comes
    // back to the same state; else the first.
    let keeps = |kind: &Reached| {
        let rivals = || kinds.iter().filter(|other| other.from == kind.from);
        let keeper = rivals()
            .find(|other| other.saves.is_empty())
            .or(rivals().find(|other| other.stayed))
            .or(rivals().next());
        kind.from
            .filter(|_| keeper.is_some_and(|keeper| keeper.is_like(kind)))
    };
    let mut taken: Vec<u8> = kinds.iter().filter_map(|kind| keeps(kind)).collect();
    let mut given = Vec::with_capacity(kinds.len());
    for kind in &kinds {
        let bank = keeps(kind).unwrap_or_else(|| {
            let free = (MATCH + 1..u8::MAX).find(|bank| !taken.contains(bank));
            let bank = free.unwrap_or(u8::MAX);
            taken.push(bank);
            bank
        });
        given.push(bank);
        ops.extend(filled(bank, kind.from));
    }
    // Only when all copies are made, the registers change.
    for (kind, &bank) in kinds.iter().zip(&given) {
        ops.extend(kind.saves.iter().map(|&slot| Op::Set { bank, slot }));
    }
    let of = |way: &Reached| kinds.iter().position(|kind| kind.is_like(way));
    reached
        .iter()
        .map(|way| of(way).map_or(MATCH, |kind| given[kind]))
        .collect()
}

impl Reached {
    /// The same registers before and after.
    fn is_like(&self, other: &Self) -> bool {
        self.from == other.from && self.saves == other.saves
    }
}
