//! What a call in a pickle comes to: the few classes that stand for plain data, and exceptions.

use super::heap::{Heap, Id, Object};
use crate::protocol::pickle::PickleError;
use crate::protocol::value::Value;

/// "Calls" a class with arguments: the object that is meant.
///
/// # Errors
/// For every class that is not data.
pub(super) fn call(heap: &mut Heap, class: Id, args: Id) -> Result<Id, PickleError> {
    let (Object::Class(module, name), Object::Tuple(args)) =
        (heap.object(class).clone(), heap.object(args).clone())
    else {
        return Err(PickleError::Malformed);
    };
    let object = match (module.as_str(), name.as_str()) {
        // An address is pickled as the text it is.
        ("builtins" | "__builtin__", "str" | "unicode" | "int" | "float") => {
            return scalar(heap, &name, &args);
        }
        ("builtins" | "__builtin__", "list") => Object::List(members(heap, &args)?),
        ("builtins" | "__builtin__", "set" | "frozenset") => Object::Set(members(heap, &args)?),
        ("builtins" | "__builtin__", "bytes" | "bytearray") => {
            Object::Plain(Value::Bytes(bytes(heap, &args)?))
        }
        ("builtins" | "__builtin__", "dict") | ("collections", "OrderedDict") => {
            Object::Dict(entries(heap, &args)?)
        }
        ("_codecs", "encode") => Object::Plain(Value::Bytes(bytes(heap, &args)?)),
        (_, class) if is_exception(class) => Object::Exception {
            module,
            class: name,
            args,
        },
        _ => return Err(PickleError::Class(format!("{module}.{name}"))),
    };
    heap.spend(match &object {
        Object::List(copied) | Object::Set(copied) | Object::Dict(copied) => copied.len(),
        Object::Plain(Value::Bytes(copied)) => copied.len() / size_of::<Id>(),
        _ => 0,
    })?;
    heap.add(object)
}

/// Exceptions travel in answers, from any module; their names are data to us.
fn is_exception(class: &str) -> bool {
    ["Error", "Exception", "error"]
        .iter()
        .any(|ending| class.ends_with(ending))
}

/// A text or number made of itself.
fn scalar(heap: &Heap, class: &str, args: &[Id]) -> Result<Id, PickleError> {
    let [only] = args else {
        return Err(PickleError::Malformed);
    };
    let same = matches!(
        (class, heap.object(*only)),
        ("str" | "unicode", Object::Plain(Value::Str(_)))
            | ("int", Object::Plain(Value::Int(_)))
            | ("float", Object::Plain(Value::Float(_)))
    );
    same.then_some(*only).ok_or(PickleError::Malformed)
}

/// The members a collection is made of: none, or another's.
fn members(heap: &Heap, args: &[Id]) -> Result<Vec<Id>, PickleError> {
    match args {
        [] => Ok(Vec::new()),
        [other] => heap
            .members(*other)
            .map(<[Id]>::to_vec)
            .ok_or(PickleError::Malformed),
        _ => Err(PickleError::Malformed),
    }
}

/// The keys and values a dictionary is made of: none, another's, or pairs.
fn entries(heap: &Heap, args: &[Id]) -> Result<Vec<Id>, PickleError> {
    if let [other] = args
        && let Object::Dict(entries) = heap.object(*other)
    {
        return Ok(entries.clone());
    }
    let mut entries = Vec::new();
    for pair in members(heap, args)? {
        match heap.members(pair) {
            Some(pair @ [_, _]) => entries.extend(pair),
            _ => return Err(PickleError::Malformed),
        }
    }
    Ok(entries)
}

/// Bytes: none, others, or a text of Latin-1 characters with that encoding's name.
fn bytes(heap: &Heap, args: &[Id]) -> Result<Vec<u8>, PickleError> {
    match args {
        [] => Ok(Vec::new()),
        [other] => match heap.object(*other) {
            Object::Plain(Value::Bytes(bytes)) => Ok(bytes.clone()),
            _ => Err(PickleError::Malformed),
        },
        [text, encoding] if matches!(heap.text(*encoding), Some("latin1" | "latin-1")) => {
            let text = heap.text(*text).ok_or(PickleError::Malformed)?;
            let bytes: Option<Vec<u8>> = text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).ok())
                .collect();
            bytes.ok_or(PickleError::Malformed)
        }
        _ => Err(PickleError::Malformed),
    }
}
