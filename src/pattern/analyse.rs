//! What a program's shape tells before it runs: with which bytes each way goes on, which loops
//! have only one place to stop, where a match can start, and what the exact engine must remember.

use super::program::{
    ANY, BOTH, Bytes, BytesId, Code, DEAD, END, ENDLESS, FORGET, Inst, LoopKind, Pc, Place,
    Program, Remembered, Shape, Start, Tables, Target, WIDE, Wide,
};

/// More instructions than this are not worth (nor quickly) looked at.
const MOST_ANALYSED: usize = 4096;

/// Loops within loops, each of which may eat nothing in a round: held apart in the memo likewise.
const MOST_LOOPS_AROUND: usize = 5;

/// More groups that conditionals ask for than this are not held apart in the memo, whose size
/// doubles with each.
const MOST_TESTED: usize = 5;

pub(super) fn finish(program: &mut Program, optimised: bool) {
    // Literals are read eight bytes at a time.
    program.literals.extend([0; 8]);
    let mut tables = Sets::default();
    for class in &program.classes {
        tables.add(class.bytes);
    }
    sure_members(program, &mut tables);
    if optimised {
        thread_jumps(program);
        if program.code.len() <= MOST_ANALYSED {
            let first = first_bytes(program);
            guard(program, &first, &mut tables);
            program.start = start(program, &first, &mut tables);
        }
    }
    program.tables = tables.tables;
    remember(program);
    enter(program);
    program.quick = program.code.clone();
    if optimised {
        shorten_loops(program);
        switch(program, &tables.sets);
    }
}

/// The loops that are met most become instructions of their own.
fn shorten_loops(program: &mut Program) {
    for Code { inst, .. } in &mut program.quick {
        let Inst::Loop(id) = *inst else {
            continue;
        };
        let spec = program.loops[id as usize];
        match spec.shape {
            Shape::Run if spec.until.is_none() => {
                *inst = Inst::Run {
                    class: spec.class,
                    sure: spec.sure,
                    least: u8::from(spec.min > 0),
                    mixed: spec.mixed,
                };
            }
            Shape::Maybe => *inst = Inst::Maybe(spec.class),
            Shape::Run | Shape::Counted | Shape::Greedy | Shape::Other => {}
        }
    }
}

/// What the choice of starts has checked is not checked again.
fn enter(program: &mut Program) {
    if let Inst::Place(Place::Start) = program.code[0].inst
        && program.start == Start::Text
    {
        program.entry = program.code[0].next;
    }
}

/// Makes switches of splits: for each byte it is worked out in advance which alternatives,
/// optional parts and loops can be passed over.
fn switch(program: &mut Program, sets: &[Bytes]) {
    // Bytes that are in the same sets, and start the same literals, share a column.
    let mut apart = sets.to_vec();
    for code in &program.code {
        let byte = match code.inst {
            Inst::Byte(byte) => byte,
            Inst::Literal { start, .. } => program.literals[start as usize],
            _ => continue,
        };
        apart.push(Bytes::one(usize::from(byte)));
    }
    let mut kinds: Vec<Vec<bool>> = Vec::new();
    for byte in 0..=END {
        let kind: Vec<bool> = apart.iter().map(|set| set.contains(byte)).collect();
        let column = kinds.iter().position(|other| *other == kind);
        let column = column.unwrap_or_else(|| {
            kinds.push(kind);
            kinds.len() - 1
        });
        let Ok(column) = u8::try_from(column) else {
            program.columns.clear();
            return;
        };
        program.columns.push(column);
    }
    if program.code.len() >= usize::from(BOTH) {
        return;
    }
    program.width = kinds.len();
    let mut rows: Vec<Vec<Target>> = Vec::new();
    for pc in 0..program.code.len() {
        if !matches!(program.code[pc].inst, Inst::Split { .. }) {
            continue;
        }
        let row: Vec<Target> = (0..program.width)
            .map(|column| {
                let byte = (0..=END).find(|&byte| usize::from(program.columns[byte]) == column);
                target(program, pc, byte.unwrap_or(END))
            })
            .collect();
        let index = rows
            .iter()
            .position(|other| *other == row)
            .unwrap_or_else(|| {
                rows.push(row);
                rows.len() - 1
            });
        program.quick[pc].inst = Inst::Switch((index * program.width) as u32);
    }
    program.switches = rows.concat();
}

/// Where to go from `pc` when the next byte is this.
fn target(program: &Program, mut pc: usize, byte: usize) -> Target {
    let holds = |id: BytesId| id == ANY || program.tables.holds(id, byte);
    // A round without eating can only lead through each instruction once.
    for _ in 0..program.code.len() {
        let Code { inst, next } = program.code[pc];
        pc = match inst {
            Inst::Split {
                first,
                second,
                first_bytes,
                second_bytes,
            } => match (holds(first_bytes), holds(second_bytes)) {
                (true, true) => return pc as Target | BOTH,
                (true, false) => first as usize,
                (false, true) => second as usize,
                (false, false) => return DEAD,
            },
            Inst::Jump(target) => target as usize,
            Inst::Loop(id) => {
                let spec = &program.loops[id as usize];
                if spec.max > 0 && holds(spec.class) {
                    return pc as Target;
                }
                match spec.min {
                    0 => next as usize,
                    _ => return DEAD,
                }
            }
            Inst::Class(class) if !holds(class) => return DEAD,
            Inst::Byte(literal) if usize::from(literal) != byte => return DEAD,
            Inst::Literal { start, .. }
                if usize::from(program.literals[start as usize]) != byte =>
            {
                return DEAD;
            }
            _ => return pc as Target,
        };
    }
    pc as Target
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
    let targets: Vec<Pc> = (0..program.code.len())
        .map(|pc| {
            let mut target = pc;
            // Jumps backward (loops) always land on a split, so this ends.
            while let Inst::Jump(next) = program.code[target].inst {
                target = next as usize;
            }
            target as Pc
        })
        .collect();
    let to = |pc: &mut Pc| *pc = targets.get(*pc as usize).copied().unwrap_or(*pc);
    for Code { inst, next } in &mut program.code {
        to(next);
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
    let count = program.code.len();
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
    let next = || at(program.code[pc].next);
    match program.code[pc].inst {
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
        // Only ever in the quick program.
        Inst::Switch(_) | Inst::Run { .. } | Inst::Maybe(_) => Bytes::ALL,
        Inst::Save(_) | Inst::Need { .. } => next(),
        Inst::Place(place) => next().intersection(match place {
            Place::End | Place::LineEnd => Bytes::one(usize::from(b'\n')).union(Bytes::one(END)),
            Place::TextEnd => Bytes::one(END),
            Place::Start
            | Place::LineStart
            | Place::Word
            | Place::NotWord
            | Place::AsciiWord
            | Place::NotAsciiWord
            | Place::Around(_) => Bytes::ALL,
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
    for pc in 0..program.code.len() {
        if let Inst::Loop(id) = program.code[pc].inst {
            program.loops[id as usize].then = literal_after(program, pc);
        }
    }
    for Code { inst, next } in &mut program.code {
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
                let follow = first[*next as usize];
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

/// The literal that must come right after an instruction.
fn literal_after(program: &Program, pc: usize) -> Option<(u32, u32)> {
    let mut next = program.code[pc].next;
    loop {
        match program.code[next as usize].inst {
            Inst::Save(_) => next = program.code[next as usize].next,
            Inst::Literal { start, end } => return Some((start, end)),
            _ => return None,
        }
    }
}

/// Where a match can start, from the first instructions.
fn start(program: &Program, first: &[Bytes], tables: &mut Sets) -> Start {
    match program
        .code
        .iter()
        .map(|code| code.inst)
        .find(|inst| !matches!(inst, Inst::Save(_)))
    {
        Some(Inst::Place(Place::Start)) => Start::Text,
        Some(Inst::Place(Place::LineStart)) => Start::Line,
        Some(Inst::Literal { start, end }) => Start::Literal(start, end),
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
    let count = program.code.len();
    let mut reached = vec![0u32; count];
    let mut before = vec![Vec::new(); count];
    for pc in 0..count {
        for next in ways_on(program, pc) {
            reached[next] += 1;
            before[next].push(pc);
        }
    }
    for code in &program.code {
        if let Inst::Cond { group, .. } = code.inst
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
        .filter(|&pc| match program.code[pc].inst {
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
        if let Inst::Loop(id) = program.code[pc].inst
            && program.loops[id as usize].kind == LoopKind::Possessive
        {
            possessive = true;
        }
        let joins = reached[pc] > 1 || matches!(program.code[pc].inst, Inst::Loop(_));
        if joins && !depends[pc] {
            program.memo[pc] = program.remembered.len() as u32;
            let loops = around[pc].clone();
            let row = program.rows;
            program.rows += 1 << (program.tested.len() + loops.len());
            program.remembered.push(Remembered { row, loops });
        }
    }
    let atomic = program
        .code
        .iter()
        .any(|code| matches!(code.inst, Inst::Atomic { .. }));
    let impure = program.looks.iter().any(|look| !look.pure);
    program.linear = !depends.contains(&true) && !atomic && !possessive && !impure;
}

/// For each instruction, the slots of the loops around it whose body may be empty. What comes
/// next there depends on whether the round has eaten something, too.
fn loops_around(program: &Program) -> Vec<Box<[u32]>> {
    let mut around = vec![Vec::new(); program.code.len()];
    for (end, code) in program.code.iter().enumerate() {
        if let Inst::Progress { slot, .. } = code.inst {
            let start = (0..end)
                .rev()
                .find(|&pc| matches!(program.code[pc].inst, Inst::Save(other) if other == slot));
            for slots in &mut around[start.map_or(end, |start| start + 1)..=end] {
                slots.push(slot);
            }
        }
    }
    around.into_iter().map(Vec::into_boxed_slice).collect()
}

fn ways_on(program: &Program, pc: usize) -> Vec<usize> {
    let next = program.code[pc].next as usize;
    match program.code[pc].inst {
        Inst::Split { first, second, .. } => vec![first as usize, second as usize],
        Inst::Jump(target) => vec![target as usize],
        Inst::Look { end, .. } | Inst::Atomic { end } => vec![next, end as usize],
        Inst::Cond { no: other, .. } | Inst::Progress { end: other, .. } => {
            vec![next, other as usize]
        }
        Inst::Done | Inst::AtomicDone | Inst::Match | Inst::Switch(_) => Vec::new(),
        Inst::Byte(_)
        | Inst::Literal { .. }
        | Inst::Class(_)
        | Inst::Loop(_)
        | Inst::Save(_)
        | Inst::Place(_)
        | Inst::Near { .. }
        | Inst::NearLiteral { .. }
        | Inst::Need { .. }
        | Inst::Run { .. }
        | Inst::Maybe(_)
        | Inst::BackRef { .. } => vec![next],
    }
}

/// Whether `pc` lies within the group: more of its starts than ends stand before.
fn is_open(program: &Program, pc: usize, group: u32) -> bool {
    let saves = |slot: u32| {
        let before = program.code[..pc].iter();
        before
            .filter(|code| matches!(code.inst, Inst::Save(s) if s == slot))
            .count()
    };
    saves(group * 2) > saves(group * 2 + 1)
}
