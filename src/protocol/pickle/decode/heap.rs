//! The objects of a pickle while it is read: they refer to each other, as in Python, so that one
//! that is remembered and filled later is still one. At the end they become a tree of values.

use std::collections::HashMap;

use crate::protocol::pickle::PickleError;
use crate::protocol::{Exception, Value};

/// Deeper than any command; a stack of Rust frames is needed for each level elsewhere.
const DEPTH: usize = 64;
/// More values than a stream of thousands of jails.
pub(super) const VALUES: usize = 1_000_000;
/// Values a byte may stand for: what is remembered is named again by two or three, and a text that
/// is counted as several is shared by the jails of a stream. A few bytes cannot ask for a million.
const SHARED: usize = 16;
/// And what the shortest message may hold.
const LEAST: usize = 1_000;
/// References from one to another, and what is copied: twice that.
const REFERENCES: usize = 2 * VALUES;
/// A text of so many bytes weighs as much as a value.
const WEIGHT: usize = 64;

/// Where an object lies.
pub(super) type Id = usize;

#[derive(Clone, Debug)]
pub(super) enum Object {
    /// A number, text, bytes, truth or None.
    Plain(Value),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// Keys and values in turn.
    Dict(Vec<Id>),
    Set(Vec<Id>),
    Exception {
        module: String,
        class: String,
        args: Vec<Id>,
    },
    /// A class, which only a call may use.
    Class(String, String),
}

/// All objects of one pickle.
#[derive(Debug)]
pub(super) struct Heap {
    objects: Vec<Object>,
    spent: usize,
    /// How many values there may be.
    values: usize,
}

impl Heap {
    /// For a message of `length` bytes and at most `values` values.
    pub(super) fn new(length: usize, values: usize) -> Self {
        Self {
            objects: Vec::new(),
            spent: 0,
            values: values.min(LEAST + length.saturating_mul(SHARED)),
        }
    }

    pub(super) fn add(&mut self, object: Object) -> Result<Id, PickleError> {
        if self.objects.len() >= self.values {
            return Err(PickleError::TooMany);
        }
        self.objects.push(object);
        Ok(self.objects.len() - 1)
    }

    /// Counts references and copies, so that a few bytes cannot ask for endless ones.
    pub(super) fn spend(&mut self, amount: usize) -> Result<(), PickleError> {
        self.spent = self.spent.saturating_add(amount);
        if self.spent > REFERENCES {
            return Err(PickleError::TooMany);
        }
        Ok(())
    }

    pub(super) fn object(&self, id: Id) -> &Object {
        &self.objects[id]
    }

    pub(super) fn object_mut(&mut self, id: Id) -> &mut Object {
        &mut self.objects[id]
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.object(id) {
            Object::Plain(Value::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// The members of a list, tuple or set.
    pub(super) fn members(&self, id: Id) -> Option<&[Id]> {
        match self.object(id) {
            Object::List(members) | Object::Tuple(members) | Object::Set(members) => Some(members),
            _ => None,
        }
    }

    /// An object with everything it refers to, as a value.
    pub(super) fn value(&self, id: Id) -> Result<Value, PickleError> {
        Tree {
            heap: self,
            weight: 0,
        }
        .value(id, 0)
    }
}

/// A tree being made; what is referred to twice is there twice, and counted twice.
struct Tree<'h> {
    heap: &'h Heap,
    weight: usize,
}

impl Tree<'_> {
    fn value(&mut self, id: Id, depth: usize) -> Result<Value, PickleError> {
        if depth > DEPTH {
            return Err(PickleError::TooDeep);
        }
        let object = self.heap.object(id);
        self.weight += match object {
            Object::Plain(Value::Str(text)) => 1 + text.len() / WEIGHT,
            Object::Plain(Value::Bytes(bytes)) => 1 + bytes.len() / WEIGHT,
            _ => 1,
        };
        if self.weight > self.heap.values {
            return Err(PickleError::TooMany);
        }
        Ok(match object {
            Object::Plain(value) => value.clone(),
            Object::List(members) => Value::List(self.values(members, depth)?),
            Object::Tuple(members) => Value::Tuple(self.values(members, depth)?),
            Object::Set(members) => Value::Set(distinct(self.values(members, depth)?)?),
            Object::Dict(entries) => Value::Dict(dictionary(self.values(entries, depth)?)?),
            Object::Exception {
                module,
                class,
                args,
            } => Value::Exception(Exception {
                module: module.clone(),
                class: class.clone(),
                args: self.values(args, depth)?,
            }),
            Object::Class(module, name) => {
                return Err(PickleError::Class(format!("{module}.{name}")));
            }
        })
    }

    fn values(&mut self, ids: &[Id], depth: usize) -> Result<Vec<Value>, PickleError> {
        ids.iter().map(|id| self.value(*id, depth + 1)).collect()
    }
}

/// A set's members; of equal ones the first.
fn distinct(values: Vec<Value>) -> Result<Vec<Value>, PickleError> {
    let mut seen = HashMap::new();
    let mut members = Vec::with_capacity(values.len());
    for value in values {
        if seen.insert(hashed(&value)?, ()).is_none() {
            members.push(value);
        }
    }
    Ok(members)
}

/// A dictionary's entries: the first of equal keys, with the last one's value.
fn dictionary(values: Vec<Value>) -> Result<Vec<(Value, Value)>, PickleError> {
    let mut places = HashMap::new();
    let mut entries: Vec<(Value, Value)> = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        let place = *places.entry(hashed(&key)?).or_insert(entries.len());
        match entries.get_mut(place) {
            Some(entry) => entry.1 = value,
            None => entries.push((key, value)),
        }
    }
    Ok(entries)
}

/// A text that is the same for values Python takes for equal (`1`, `1.0` and `True`).
fn hashed(value: &Value) -> Result<String, PickleError> {
    Ok(match value {
        Value::Bool(truth) => i64::from(*truth).to_string(),
        // A whole number that a float holds exactly.
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            (*number as i64).to_string()
        }
        Value::Tuple(items) => {
            let items: Result<Vec<String>, _> = items.iter().map(hashed).collect();
            format!("({})", items?.join(","))
        }
        Value::Set(items) => {
            let items: Result<Vec<String>, _> = items.iter().map(hashed).collect();
            let mut items = items?;
            items.sort_unstable();
            format!("{{{}}}", items.join(","))
        }
        // They can change, so Python takes them neither for keys nor for members.
        Value::List(_) | Value::Dict(_) => return Err(PickleError::Malformed),
        Value::None
        | Value::Int(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::Exception(_) => value.repr(),
    })
}
