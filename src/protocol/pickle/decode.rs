//! Reading protocols 0 to 5: a stack, a memo, and no classes but those that are data.

mod call;
mod heap;
mod literals;

use super::PickleError;
use crate::protocol::value::Value;
use heap::{Heap, Id, Object, VALUES};
use literals::{integer, long, quoted, raw_unicode};

/// The newest protocol there is.
const NEWEST: u8 = 5;

/// Reads one value; what follows its end is ignored, as Python does.
///
/// # Errors
/// When the bytes are no pickle, or one of more than data.
pub fn decode(bytes: &[u8]) -> Result<Value, PickleError> {
    decode_at_most(bytes, VALUES)
}

/// The same for a message of at most so many values.
///
/// # Errors
/// As [`decode`], and when there are more.
pub fn decode_at_most(bytes: &[u8], values: usize) -> Result<Value, PickleError> {
    let mut machine = Machine {
        input: bytes,
        length: bytes.len(),
        heap: Heap::new(bytes.len(), values.min(VALUES)),
        stack: Vec::new(),
        memo: Vec::new(),
    };
    while !machine.step()? {}
    let last = machine.pop()?;
    machine.heap.value(last)
}

struct Machine<'b> {
    input: &'b [u8],
    /// Of the whole message.
    length: usize,
    heap: Heap,
    /// Objects, and marks between them.
    stack: Vec<Option<Id>>,
    memo: Vec<Option<Id>>,
}

impl<'b> Machine<'b> {
    /// One operation; whether it was the last.
    fn step(&mut self) -> Result<bool, PickleError> {
        let code = self.byte()?;
        match code {
            0x80 if self.byte()? > NEWEST => return Err(PickleError::Malformed),
            0x80 => {}
            0x95 => {
                // A frame's length only helps those who read from a file.
                self.take(8)?;
            }
            b'.' => return Ok(true),
            b'(' => self.stack_up(None)?,
            b'0' => {
                self.stack.pop().ok_or(PickleError::Malformed)?;
            }
            b'1' => {
                self.down_above_mark()?;
            }
            b'2' => self.stack_up(Some(self.top()?))?,
            b'N' => self.push(Object::Plain(Value::None))?,
            0x88 => self.push(Object::Plain(Value::Bool(true)))?,
            0x89 => self.push(Object::Plain(Value::Bool(false)))?,
            b'K' | b'M' | b'J' | b'I' | b'L' | 0x8a | 0x8b | b'F' | b'G' => self.number(code)?,
            b'X' | 0x8c | 0x8d | b'V' | b'S' | b'T' | b'U' => self.text(code)?,
            b'B' | b'C' | 0x8e | 0x96 => self.bytes(code)?,
            b']' => self.push(Object::List(Vec::new()))?,
            b')' => self.push(Object::Tuple(Vec::new()))?,
            b'}' => self.push(Object::Dict(Vec::new()))?,
            0x8f => self.push(Object::Set(Vec::new()))?,
            b'l' | b't' | b'd' | 0x91 => self.collect(code)?,
            0x85..=0x87 => self.small_tuple(usize::from(code - 0x84))?,
            b'a' | b'e' | b's' | b'u' | 0x90 => self.extend(code)?,
            b'p' | b'q' | b'r' | 0x94 => self.remember(code)?,
            b'g' | b'h' | b'j' => self.recall(code)?,
            b'c' | 0x93 => self.class(code)?,
            b'R' => {
                let (args, class) = (self.pop()?, self.pop()?);
                let made = call::call(&mut self.heap, class, args)?;
                self.stack_up(Some(made))?;
            }
            b'b' => self.build()?,
            other => return Err(PickleError::Opcode(other)),
        }
        Ok(false)
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

    fn push(&mut self, object: Object) -> Result<(), PickleError> {
        let id = self.heap.add(object)?;
        self.stack_up(Some(id))
    }

    fn stack_up(&mut self, id: Option<Id>) -> Result<(), PickleError> {
        self.heap.spend(1)?;
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Result<Id, PickleError> {
        self.stack
            .last()
            .copied()
            .flatten()
            .ok_or(PickleError::Malformed)
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        self.stack.pop().flatten().ok_or(PickleError::Malformed)
    }

    /// Everything above the last mark.
    fn down_above_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.stack.iter().rposition(Option::is_none);
        let mark = mark.ok_or(PickleError::Malformed)?;
        let above = self.stack.drain(mark..).flatten().collect();
        Ok(above)
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
                let bytes = self.take(8)?.try_into();
                Value::Float(f64::from_be_bytes(
                    bytes.map_err(|_| PickleError::Truncated)?,
                ))
            }
        };
        self.push(Object::Plain(value))
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
        self.push(Object::Plain(Value::Str(text)))
    }

    fn bytes(&mut self, code: u8) -> Result<(), PickleError> {
        let width = match code {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        };
        let length = self.length(width)?;
        let bytes = self.take(length)?.to_vec();
        self.push(Object::Plain(Value::Bytes(bytes)))
    }

    fn collect(&mut self, code: u8) -> Result<(), PickleError> {
        let members = self.down_above_mark()?;
        self.push(match code {
            b'l' => Object::List(members),
            b't' => Object::Tuple(members),
            b'd' if members.len() % 2 != 0 => return Err(PickleError::Malformed),
            b'd' => Object::Dict(members),
            _ => Object::Set(members),
        })
    }

    fn small_tuple(&mut self, length: usize) -> Result<(), PickleError> {
        let mut members = Vec::with_capacity(length);
        for _ in 0..length {
            members.push(self.pop()?);
        }
        members.reverse();
        self.push(Object::Tuple(members))
    }

    /// Adds to the list, dict or set below.
    fn extend(&mut self, code: u8) -> Result<(), PickleError> {
        let added = match code {
            b'a' => vec![self.pop()?],
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                vec![key, value]
            }
            _ => self.down_above_mark()?,
        };
        let below = self.top()?;
        match (self.heap.object_mut(below), code) {
            (Object::List(members), b'a' | b'e') | (Object::Set(members), 0x90) => {
                members.extend(added);
            }
            (Object::Dict(entries), b's' | b'u') if added.len() % 2 == 0 => entries.extend(added),
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
        // Each place takes a byte to fill; only a pickle made by hand could name a higher one.
        if place > self.length {
            return Err(PickleError::TooMany);
        }
        let top = self.top()?;
        if self.memo.len() <= place {
            self.memo.resize(place + 1, None);
        }
        self.memo[place] = Some(top);
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Result<(), PickleError> {
        let place = self.memo_place(code)?;
        let id = self.memo.get(place).copied().flatten();
        self.stack_up(Some(id.ok_or(PickleError::Malformed)?))
    }

    fn class(&mut self, code: u8) -> Result<(), PickleError> {
        let (module, name) = if code == b'c' {
            (self.line()?.to_owned(), self.line()?.to_owned())
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.heap.text(module), self.heap.text(name)) {
                (Some(module), Some(name)) => (module.to_owned(), name.to_owned()),
                _ => return Err(PickleError::Malformed),
            }
        };
        self.push(Object::Class(module, name))
    }

    /// Attributes for an object: an exception's say nothing its arguments do not.
    fn build(&mut self) -> Result<(), PickleError> {
        self.pop()?;
        match self.heap.object(self.top()?) {
            Object::Exception { .. } => Ok(()),
            _ => Err(PickleError::Opcode(b'b')),
        }
    }
}
