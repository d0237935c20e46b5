//! What a program's shape tells before it runs: with which bytes each way goes on, which loops
//! have only one place to stop, where a match can start, and what the exact engine must remember.

use super::program::{
    ANY, Bytes, BytesId, END, ENDLESS, FORGET, Inst, LoopKind, Pc, Place, Program, Remembered,
    Shape, Start, Tables, WIDE, Wide,
};

/// More instructions than this are not worth (nor quickly) looked at.
const MOST_ANALYSED: usize = 4096;

/// Loops within loops, each of which may eat nothing in a round: held apart in the memo likewise.
const MOST_LOOPS_AROUND: usize = 5;

/// More groups that conditionals ask for than this are not held apart in the memo, whose size
/// doubles with each.
const MOST_TESTED: usize = 5;

pub(super) fn finish(program: &mut Program, optimised: bool) {
    let mut tables = Sets::default();
    for class in &program.classes {
        tables.add(class.bytes);
    }
    sure_members(program, &mut tables);
    if optimised {
        thread_jumps(program);
        if program.insts.len() <= MOST_ANALYSED {
            let first = first_bytes(program);
            guard(program, &first, &mut tables);
            program.start = start(program, &first, &mut tables);
        }
    }
    program.tables = tables.tables;
    remember(program);
}

/// Sets of bytes by number, with what was entered under each.
#[derive(Default)]
struct Sets {
    tables: Tables,
    sets: Vec<Bytes>,
}

impl Sets {
    fn add(&mut self, bytes: Bytes) -> BytesId {
        self.sets.push(bytes);
        self.tables.add(bytes)
    }

    /// The number of a set, an old one if there is.
    fn id(&mut self, bytes: Bytes) -> BytesId {
        if bytes == Bytes::ALL {
            return ANY;
        }
        match self.sets.iter().position(|&set| set == bytes) {
            Some(index) => BytesId::try_from(index).unwrap_or(ANY),
            // Far more sets than instructions that are analysed could have.
            None if self.sets.len() >= usize::from(ANY) => ANY,
            None => self.add(bytes),
        }
    }
}

/// Where characters beyond ASCII must be looked at one by one, the others need not be.
fn sure_members(program: &mut Program, tables: &mut Sets) {
    for spec in program.loops.iter_mut().filter(|spec| spec.mixed) {
        let members = program.classes[usize::from(spec.class)].bytes;
        spec.sure = tables.id(members.intersection(ascii()));
    }
}

/// A jump to a jump goes where that one goes.
fn thread_jumps(program: &mut Program) {
    let targets: Vec<Pc> = (0..program.insts.len())
        .map(|pc| {
            let mut target = pc;
            // Jumps backward (loops) always land on a split, so this ends.
            while let Inst::Jump(next) = program.insts[target] {
                target = next as usize;
            }
            target as Pc
        })
        .collect();
    let to = |pc: &mut Pc| *pc = targets.get(*pc as usize).copied().unwrap_or(*pc);
    for inst in &mut program.insts {
        match inst {
            Inst::Split { first, second, .. } => {
                to(first);
                to(second);
            }
            Inst::Jump(target) => to(target),
            Inst::Cond { no, .. } => to(no),
            Inst::Look { end, .. } | Inst::Atomic { end } | Inst::Progress { end, .. } => to(end),
            _ => {}
        }
    }
}

/// For each instruction: the bytes with which the text must go on there, or the match fails.
fn first_bytes(program: &Program) -> Vec<Bytes> {
    let count = program.insts.len();
    let mut first = vec![Bytes::NONE; count];
    loop {
        let mut changed = false;
        for pc in (0..count).rev() {
            let bytes = first_of(program, pc, &first);
            if bytes != first[pc] {
                first[pc] = bytes;
                changed = true;
            }
        }
        if !changed {
            return first;
        }
    }
}

fn first_of(program: &Program, pc: usize, first: &[Bytes]) -> Bytes {
    let at = |pc: Pc| first[pc as usize];
    let next = || first[pc + 1];
    match program.insts[pc] {
        Inst::Byte(byte) => starting(byte),
        Inst::Literal { start, .. } => starting(program.literals[start as usize]),
        Inst::Class(class) => program.classes[usize::from(class)].bytes,
        Inst::Loop(id) => {
            let spec = &program.loops[id as usize];
            let bytes = match spec.max {
                0 => Bytes::NONE,
                _ => program.classes[usize::from(spec.class)].bytes,
            };
            if spec.min == 0 {
                bytes.union(next())
            } else {
                bytes
            }
        }
        Inst::Split { first, second, .. } => at(first).union(at(second)),
        Inst::Jump(target) => at(target),
        Inst::Save(_) | Inst::Need { .. } => next(),
        Inst::Place(place) => next().intersection(match place {
            Place::End | Place::LineEnd => Bytes::one(usize::from(b'\n')).union(Bytes::one(END)),
            Place::TextEnd => Bytes::one(END),
            Place::Start
            | Place::LineStart
            | Place::Word
            | Place::NotWord
            | Place::AsciiWord
            | Place::NotAsciiWord => Bytes::ALL,
        }),
        Inst::Near { behind: true, .. } => next(),
        Inst::Near { class, negate, .. } => {
            let class = &program.classes[usize::from(class)];
            if !negate {
                next().intersection(class.bytes)
            } else if let Wide::Some(_) = class.wide {
                next().without(class.bytes.intersection(ascii()))
            } else {
                next().without(class.bytes)
            }
        }
        Inst::NearLiteral { start, negate, .. } => {
            let byte = program.literals[start as usize];
            match negate {
                true => next(),
                false => next().intersection(starting(byte)),
            }
        }
        Inst::Look { look, end } => {
            let look = program.looks[look as usize];
            match (look.back, look.negate) {
                (None, false) => at(end).intersection(next()),
                _ => at(end),
            }
        }
        Inst::Atomic { .. } => next(),
        Inst::Cond { no, .. } => next().union(at(no)),
        Inst::Progress { end, .. } => next().union(at(end)),
        // An atomic group must not choose its end by what follows.
        Inst::Done | Inst::AtomicDone | Inst::BackRef { .. } | Inst::Match => Bytes::ALL,
    }
}

/// The characters that start with this byte.
fn starting(byte: u8) -> Bytes {
    let mut bytes = Bytes::one(usize::from(byte));
    if byte >= 0x80 {
        WIDE.for_each(|kind| bytes.insert(kind));
    }
    bytes
}

fn ascii() -> Bytes {
    let mut bytes = Bytes::NONE;
    (0..0x80).for_each(|byte| bytes.insert(byte));
    bytes
}

/// Gives splits their guards and finds the loops with only one place to stop.
fn guard(program: &mut Program, first: &[Bytes], tables: &mut Sets) {
    for (pc, inst) in program.insts.iter_mut().enumerate() {
        match inst {
            Inst::Split {
                first: a,
                second: b,
                first_bytes,
                second_bytes,
            } => {
                *first_bytes = tables.id(first[*a as usize]);
                *second_bytes = tables.id(first[*b as usize]);
            }
            Inst::Loop(id) => {
                let follow = first[pc + 1];
                let spec = &mut program.loops[*id as usize];
                let members = program.classes[usize::from(spec.class)].bytes;
                spec.follow = tables.id(follow);
                if spec.kind != LoopKind::Possessive && spec.stop.is_none() && members.apart(follow)
                {
                    spec.kind = LoopKind::Certain;
                }
                spec.shape = match (spec.kind, spec.min, spec.max, spec.stop) {
                    (LoopKind::Lazy, ..) | (.., Some(_)) => Shape::Other,
                    (LoopKind::Greedy, 0 | 1, ENDLESS, None) => Shape::Greedy,
                    (LoopKind::Greedy, ..) => Shape::Other,
                    (_, 0 | 1, ENDLESS, None) => Shape::Run,
                    (_, 0, 1, None) => Shape::Maybe,
                    (_, _, ENDLESS, None) => Shape::Other,
                    (_, _, _, None) => Shape::Counted,
                };
            }
            _ => {}
        }
    }
}

/// Where a match can start, from the first instructions.
fn start(program: &Program, first: &[Bytes], tables: &mut Sets) -> Start {
    let inst = program
        .insts
        .iter()
        .find(|inst| !matches!(inst, Inst::Save(_)));
    match inst {
        Some(Inst::Place(Place::Start)) => Start::Text,
        Some(Inst::Place(Place::LineStart)) => Start::Line,
        Some(&Inst::Literal { start, end }) => Start::Literal(start, end),
        _ if first[0] == Bytes::ALL => Start::Anywhere,
        _ => Start::Bytes(tables.id(first[0])),
    }
}

/// Chooses what the exact engine remembers: a failure at an instruction that can be reached in
/// several ways (the others are reached no more often than those before them). What comes after
/// may depend on captured text only through a back-reference, or through a conditional on a
/// group that is still open; nothing before one of those is remembered, which leaves the pattern
/// to its budget.
fn remember(program: &mut Program) {
    let count = program.insts.len();
    let mut reached = vec![0u32; count];
    let mut before = vec![Vec::new(); count];
    for pc in 0..count {
        for next in ways_on(program, pc) {
            reached[next] += 1;
            before[next].push(pc);
        }
    }
    for inst in &program.insts {
        if let Inst::Cond { group, .. } = *inst
            && !program.tested.contains(&group)
        {
            program.tested.push(group);
        }
    }
    if program.tested.len() > MOST_TESTED {
        program.tested.clear();
    }
    let around = loops_around(program);
    let mut depends = vec![false; count];
    let mut todo: Vec<usize> = (0..count)
        .filter(|&pc| match program.insts[pc] {
            Inst::BackRef { .. } => true,
            Inst::Progress { .. } => around[pc].len() > MOST_LOOPS_AROUND,
            Inst::Cond { group, .. } => {
                !program.tested.contains(&group) || is_open(program, pc, group)
            }
            _ => false,
        })
        .collect();
    while let Some(pc) = todo.pop() {
        if !std::mem::replace(&mut depends[pc], true) {
            todo.extend(&before[pc]);
        }
    }
    program.memo = vec![FORGET; count];
    let mut possessive = false;
    for pc in 0..count {
        if let Inst::Loop(id) = program.insts[pc]
            && program.loops[id as usize].kind == LoopKind::Possessive
        {
            possessive = true;
        }
        let joins = reached[pc] > 1 || matches!(program.insts[pc], Inst::Loop(_));
        if joins && !depends[pc] {
            program.memo[pc] = program.remembered.len() as u32;
            let loops = around[pc].clone();
            let row = program.rows;
            program.rows += 1 << (program.tested.len() + loops.len());
            program.remembered.push(Remembered { row, loops });
        }
    }
    let atomic = program
        .insts
        .iter()
        .any(|inst| matches!(inst, Inst::Atomic { .. }));
    let impure = program.looks.iter().any(|look| !look.pure);
    program.linear = !depends.contains(&true) && !atomic && !possessive && !impure;
}

/// For each instruction, the slots of the loops around it whose body may be empty. What comes
/// next there depends on whether the round has eaten something, too.
fn loops_around(program: &Program) -> Vec<Box<[u32]>> {
    let mut around = vec![Vec::new(); program.insts.len()];
    for (end, inst) in program.insts.iter().enumerate() {
        if let Inst::Progress { slot, .. } = *inst {
            let start = (0..end)
                .rev()
                .find(|&pc| matches!(program.insts[pc], Inst::Save(other) if other == slot));
            for slots in &mut around[start.map_or(end, |start| start + 1)..=end] {
                slots.push(slot);
            }
        }
    }
    around.into_iter().map(Vec::into_boxed_slice).collect()
}

fn ways_on(program: &Program, pc: usize) -> Vec<usize> {
    let next = pc + 1;
    match program.insts[pc] {
        Inst::Split { first, second, .. } => vec![first as usize, second as usize],
        Inst::Jump(target) => vec![target as usize],
        Inst::Look { end, .. } | Inst::Atomic { end } => vec![next, end as usize],
        Inst::Cond { no: other, .. } | Inst::Progress { end: other, .. } => {
            vec![next, other as usize]
        }
        Inst::Done | Inst::AtomicDone | Inst::Match => Vec::new(),
        Inst::Byte(_)
        | Inst::Literal { .. }
        | Inst::Class(_)
        | Inst::Loop(_)
        | Inst::Save(_)
        | Inst::Place(_)
        | Inst::Near { .. }
        | Inst::NearLiteral { .. }
        | Inst::Need { .. }
        | Inst::BackRef { .. } => vec![next],
    }
}

/// Whether `pc` lies within the group: more of its starts than ends stand before.
fn is_open(program: &Program, pc: usize, group: u32) -> bool {
    let saves = |slot: u32| {
        program.insts[..pc]
            .iter()
            .filter(|inst| matches!(inst, Inst::Save(s) if *s == slot))
            .count()
    };
    saves(group * 2) > saves(group * 2 + 1)
}
