//! Reading protocols 0 to 5: a stack, a memo, and no classes.

use super::PickleError;
use crate::protocol::value::{Exception, Value};

/// Deeper than any command; a stack of Rust frames is needed for each level elsewhere.
const DEPTH: usize = 64;
/// More values than a stream of thousands of jails.
const VALUES: usize = 2_000_000;

/// Reads one value; what follows its end is ignored, as Python does.
///
/// # Errors
/// When the bytes are no pickle, or one of more than data.
pub fn decode(bytes: &[u8]) -> Result<Value, PickleError> {
    let mut machine = Machine {
        input: bytes,
        ..Machine::default()
    };
    loop {
        if let Some(value) = machine.step()? {
            return Ok(value);
        }
    }
}

/// What may lie on the stack: a value, a mark, or a class that only `REDUCE` may use.
#[derive(Clone, Debug)]
enum Item {
    Value(Value, usize),
    Class(String, String),
    Mark,
}

#[derive(Default)]
struct Machine<'b> {
    input: &'b [u8],
    stack: Vec<Item>,
    memo: Vec<Option<Item>>,
    values: usize,
}

impl<'b> Machine<'b> {
    /// One operation; the value, when it was the last.
    fn step(&mut self) -> Result<Option<Value>, PickleError> {
        let code = self.byte()?;
        match code {
            0x80 => {
                self.byte()?;
            }
            0x95 => {
                self.take(8)?;
            }
            b'.' => return self.value().map(|(value, _)| Some(value)),
            b'(' => self.stack.push(Item::Mark),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.above_mark()?;
            }
            b'2' => {
                let top = self.stack.last().cloned().ok_or(PickleError::Malformed)?;
                self.count(&top)?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' | b'M' | b'J' | b'I' | b'L' | 0x8a | 0x8b | b'F' | b'G' => self.number(code)?,
            b'X' | 0x8c | 0x8d | b'V' | b'S' | b'T' | b'U' => self.text(code)?,
            b'B' | b'C' | 0x8e | 0x96 => self.bytes(code)?,
            b']' => self.push(Value::List(Vec::new()))?,
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            0x8f => self.push(Value::Set(Vec::new()))?,
            b'l' | b't' | b'd' | 0x91 => self.collect(code)?,
            0x85..=0x87 => self.small_tuple(usize::from(code - 0x84))?,
            b'a' | b'e' | b's' | b'u' | 0x90 => self.extend(code)?,
            b'p' | b'q' | b'r' | 0x94 => self.remember(code)?,
            b'g' | b'h' | b'j' => self.recall(code)?,
            b'c' => {
                let module = self.line()?.to_owned();
                let name = self.line()?.to_owned();
                self.stack.push(Item::Class(module, name));
            }
            0x93 => {
                let (name, module) = (self.value()?.0, self.value()?.0);
                let (Value::Str(module), Value::Str(name)) = (module, name) else {
                    return Err(PickleError::Malformed);
                };
                self.stack.push(Item::Class(module, name));
            }
            b'R' => self.reduce()?,
            other => return Err(PickleError::Opcode(other)),
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], PickleError> {
        if self.input.len() < length {
            return Err(PickleError::Truncated);
        }
        let (taken, rest) = self.input.split_at(length);
        self.input = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian length of `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize, PickleError> {
        let bytes = self.take(width)?;
        let length = bytes
            .iter()
            .rev()
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        usize::try_from(length).map_err(|_| PickleError::Truncated)
    }

    fn raw_line(&mut self) -> Result<&'b [u8], PickleError> {
        let end = memchr::memchr(b'\n', self.input).ok_or(PickleError::Truncated)?;
        Ok(&self.take(end + 1)?[..end])
    }

    fn line(&mut self) -> Result<&'b str, PickleError> {
        std::str::from_utf8(self.raw_line()?).map_err(|_| PickleError::Malformed)
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        self.push_deep(value, 0)
    }

    fn push_deep(&mut self, value: Value, depth: usize) -> Result<(), PickleError> {
        if depth > DEPTH {
            return Err(PickleError::TooDeep);
        }
        self.values += 1;
        if self.values > VALUES {
            return Err(PickleError::TooMany);
        }
        self.stack.push(Item::Value(value, depth));
        Ok(())
    }

    /// Copies count for what they hold, so that a memo cannot multiply a list without end.
    fn count(&mut self, item: &Item) -> Result<(), PickleError> {
        if let Item::Value(value, _) = item {
            self.values += weight(value);
        }
        if self.values > VALUES {
            Err(PickleError::TooMany)
        } else {
            Ok(())
        }
    }

    fn pop(&mut self) -> Result<Item, PickleError> {
        self.stack.pop().ok_or(PickleError::Malformed)
    }

    fn value(&mut self) -> Result<(Value, usize), PickleError> {
        match self.pop()? {
            Item::Value(value, depth) => Ok((value, depth)),
            Item::Class(module, name) => Err(PickleError::Class(format!("{module}.{name}"))),
            Item::Mark => Err(PickleError::Malformed),
        }
    }

    /// Everything above the last mark, and how deep it goes.
    fn above_mark(&mut self) -> Result<(Vec<Value>, usize), PickleError> {
        let mark = self
            .stack
            .iter()
            .rposition(|item| matches!(item, Item::Mark));
        let above = self
            .stack
            .split_off(mark.ok_or(PickleError::Malformed)? + 1);
        self.stack.pop();
        let mut deepest = 0;
        let mut values = Vec::with_capacity(above.len());
        for item in above {
            let Item::Value(value, depth) = item else {
                return Err(PickleError::Malformed);
            };
            deepest = deepest.max(depth);
            values.push(value);
        }
        Ok((values, deepest))
    }

    fn number(&mut self, code: u8) -> Result<(), PickleError> {
        let value = match code {
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(self.length(2)? as i64),
            b'J' => Value::Int(i64::from(self.length(4)? as u32 as i32)),
            b'I' => match self.line()? {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                text => integer(text)?,
            },
            b'L' => integer(self.line()?.trim_end_matches('L'))?,
            0x8a | 0x8b => {
                let length = self.length(if code == 0x8a { 1 } else { 4 })?;
                long(self.take(length)?)
            }
            b'F' => Value::Float(self.line()?.parse().map_err(|_| PickleError::Malformed)?),
            _ => {
                let bytes = self
                    .take(8)?
                    .try_into()
                    .map_err(|_| PickleError::Truncated)?;
                Value::Float(f64::from_be_bytes(bytes))
            }
        };
        self.push(value)
    }

    fn text(&mut self, code: u8) -> Result<(), PickleError> {
        let text = match code {
            b'V' => raw_unicode(self.raw_line()?)?,
            b'S' => quoted(self.line()?)?,
            _ => {
                let width = match code {
                    0x8c | b'U' => 1,
                    0x8d => 8,
                    _ => 4,
                };
                let length = self.length(width)?;
                // Lone surrogates (Python's surrogatepass) are no text here.
                String::from_utf8_lossy(self.take(length)?).into_owned()
            }
        };
        self.push(Value::Str(text))
    }

    fn bytes(&mut self, code: u8) -> Result<(), PickleError> {
        let width = match code {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        };
        let length = self.length(width)?;
        let bytes = self.take(length)?.to_vec();
        self.push(Value::Bytes(bytes))
    }

    fn collect(&mut self, code: u8) -> Result<(), PickleError> {
        let (values, depth) = self.above_mark()?;
        let value = match code {
            b'l' => Value::List(values),
            b't' => Value::Tuple(values),
            b'd' => Value::Dict(pairs(values)?),
            _ => Value::Set(distinct(values)),
        };
        self.push_deep(value, depth + 1)
    }

    fn small_tuple(&mut self, length: usize) -> Result<(), PickleError> {
        let mut values = Vec::with_capacity(length);
        let mut deepest = 0;
        for _ in 0..length {
            let (value, depth) = self.value()?;
            deepest = deepest.max(depth);
            values.push(value);
        }
        values.reverse();
        self.push_deep(Value::Tuple(values), deepest + 1)
    }

    /// Adds to the list, dict or set below.
    fn extend(&mut self, code: u8) -> Result<(), PickleError> {
        let (values, added) = match code {
            b'a' => {
                let (value, depth) = self.value()?;
                (vec![value], depth)
            }
            b's' => {
                let (value, depth) = self.value()?;
                let (key, deep) = self.value()?;
                (vec![key, value], depth.max(deep))
            }
            _ => self.above_mark()?,
        };
        let Some(Item::Value(target, depth)) = self.stack.last_mut() else {
            return Err(PickleError::Malformed);
        };
        *depth = (*depth).max(added + 1);
        if *depth > DEPTH {
            return Err(PickleError::TooDeep);
        }
        match (target, code) {
            (Value::List(items), b'a' | b'e') => items.extend(values),
            (Value::Dict(entries), b's' | b'u') => entries.extend(pairs(values)?),
            (Value::Set(items), 0x90) => {
                items.extend(values);
                *items = distinct(std::mem::take(items));
            }
            _ => return Err(PickleError::Malformed),
        }
        Ok(())
    }

    fn memo_place(&mut self, code: u8) -> Result<usize, PickleError> {
        match code {
            b'p' | b'g' => self.line()?.parse().map_err(|_| PickleError::Malformed),
            b'q' | b'h' => self.length(1),
            b'r' | b'j' => self.length(4),
            _ => Ok(self.memo.len()),
        }
    }

    fn remember(&mut self, code: u8) -> Result<(), PickleError> {
        let place = self.memo_place(code)?;
        if place > VALUES {
            return Err(PickleError::TooMany);
        }
        let top = self.stack.last().cloned().ok_or(PickleError::Malformed)?;
        self.count(&top)?;
        if self.memo.len() <= place {
            self.memo.resize(place + 1, None);
        }
        self.memo[place] = Some(top);
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Result<(), PickleError> {
        let place = self.memo_place(code)?;
        let item = self
            .memo
            .get(place)
            .cloned()
            .flatten()
            .ok_or(PickleError::Malformed)?;
        // Python remembers a collection while it is still empty and means what became of it; a copy
        // of the empty one would be a lie.
        if matches!(&item, Item::Value(Value::List(v) | Value::Set(v), _) if v.is_empty())
            || matches!(&item, Item::Value(Value::Dict(entries), _) if entries.is_empty())
        {
            return Err(PickleError::Malformed);
        }
        self.count(&item)?;
        self.stack.push(item);
        Ok(())
    }

    /// "Calls" a class: only those that stand for plain data.
    fn reduce(&mut self) -> Result<(), PickleError> {
        let (args, depth) = self.value()?;
        let (Value::Tuple(mut args), Item::Class(module, name)) = (args, self.pop()?) else {
            return Err(PickleError::Malformed);
        };
        let known = matches!(module.as_str(), "builtins" | "__builtin__");
        let value = match (name.as_str(), args.as_mut_slice()) {
            ("str", [text @ Value::Str(_)]) if known => text.clone(),
            ("int", [number @ Value::Int(_)]) if known => number.clone(),
            ("float", [number @ Value::Float(_)]) if known => number.clone(),
            ("list", []) if known => Value::List(Vec::new()),
            ("list", [Value::List(items)]) if known => Value::List(std::mem::take(items)),
            ("set" | "frozenset", []) if known => Value::Set(Vec::new()),
            ("set" | "frozenset", [Value::List(items) | Value::Tuple(items)]) if known => {
                Value::Set(distinct(std::mem::take(items)))
            }
            ("bytes" | "bytearray", []) if known => Value::Bytes(Vec::new()),
            ("encode", [Value::Str(text), Value::Str(_)]) if module == "_codecs" => {
                let bytes: Option<Vec<u8>> = text
                    .chars()
                    .map(|c| u8::try_from(u32::from(c)).ok())
                    .collect();
                Value::Bytes(bytes.ok_or(PickleError::Malformed)?)
            }
            ("OrderedDict", []) if module == "collections" => Value::Dict(Vec::new()),
            _ if is_exception(&module, &name) => Value::Exception(Exception {
                module,
                class: name,
                args,
            }),
            _ => return Err(PickleError::Class(format!("{module}.{name}"))),
        };
        self.push_deep(value, depth + 1)
    }
}

/// Exceptions travel in answers; their names are data to us.
fn is_exception(module: &str, name: &str) -> bool {
    let ending = name.ends_with("Error") || name.ends_with("Exception");
    matches!(
        module,
        "builtins" | "exceptions" | "__builtin__" | "fail2ban.exceptions"
    ) && ending
        || module == "fail2ban.server.failregex" && name == "RegexException"
}

fn pairs(values: Vec<Value>) -> Result<Vec<(Value, Value)>, PickleError> {
    let mut values = values.into_iter();
    let mut entries = Vec::with_capacity(values.len() / 2);
    while let Some(key) = values.next() {
        entries.push((key, values.next().ok_or(PickleError::Malformed)?));
    }
    Ok(entries)
}

fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    values
        .into_iter()
        .filter(|value| seen.insert(value.repr()))
        .collect()
}

fn weight(value: &Value) -> usize {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
            1 + items.iter().map(weight).sum::<usize>()
        }
        Value::Dict(entries) => {
            1 + entries
                .iter()
                .map(|(key, value)| weight(key) + weight(value))
                .sum::<usize>()
        }
        Value::Exception(exception) => 1 + exception.args.iter().map(weight).sum::<usize>(),
        Value::Str(text) => 1 + text.len() / 64,
        Value::Bytes(bytes) => 1 + bytes.len() / 64,
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 1,
    }
}

fn integer(text: &str) -> Result<Value, PickleError> {
    if let Ok(number) = text.parse() {
        return Ok(Value::Int(number));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PickleError::Malformed);
    }
    text.parse()
        .map(Value::Float)
        .map_err(|_| PickleError::Malformed)
}

/// A little-endian two's complement number of any length; beyond 64 bits it becomes a float.
fn long(bytes: &[u8]) -> Value {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    if bytes.len() <= 8 {
        let fill = if negative { -1i64 } else { 0 };
        let number = bytes
            .iter()
            .rev()
            .fold(fill, |sum, byte| sum << 8 | i64::from(*byte));
        return Value::Int(number);
    }
    let magnitude = bytes
        .iter()
        .rev()
        .fold(0f64, |sum, byte| sum * 256.0 + f64::from(*byte));
    let wrap = if negative {
        256f64.powi(bytes.len() as i32)
    } else {
        0.0
    };
    Value::Float(magnitude - wrap)
}

/// Protocol 0's text: Latin-1 with `\uXXXX` escapes.
fn raw_unicode(line: &[u8]) -> Result<String, PickleError> {
    let line: String = line.iter().copied().map(char::from).collect();
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let width = match rest.as_bytes().get(at + 1) {
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => {
                out.push('\\');
                rest = &rest[at + 1..];
                continue;
            }
        };
        let digits = rest
            .get(at + 2..at + 2 + width)
            .ok_or(PickleError::Malformed)?;
        let code = u32::from_str_radix(digits, 16).map_err(|_| PickleError::Malformed)?;
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[at + 2 + width..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Protocol 0's byte string as `repr` wrote it.
fn quoted(line: &str) -> Result<String, PickleError> {
    let quote = line.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let quote = quote.ok_or(PickleError::Malformed)?;
    let inside = line.strip_prefix(quote).and_then(|l| l.strip_suffix(quote));
    let inside = inside.ok_or(PickleError::Malformed)?;
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next().ok_or(PickleError::Malformed)? {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'x' => {
                let digits: String = chars.by_ref().take(2).collect();
                let code = u8::from_str_radix(&digits, 16).map_err(|_| PickleError::Malformed)?;
                out.push(char::from(code));
            }
            other => out.push(other),
        }
    }
    Ok(out)
}
