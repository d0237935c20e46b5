//! Writing: protocol 2, which every Python 3 reads.

use crate::protocol::{Exception, Value};

/// A value as a pickle.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = vec![0x80, 2];
    write(&mut out, value);
    out.push(b'.');
    out
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::None => out.push(b'N'),
        Value::Bool(true) => out.push(0x88),
        Value::Bool(false) => out.push(0x89),
        Value::Int(number) => write_int(out, *number),
        Value::Float(number) => {
            out.push(b'G');
            out.extend(number.to_be_bytes());
        }
        Value::Str(text) => write_text(out, text),
        Value::Bytes(bytes) => {
            // What Python writes for bytes below protocol 3.
            class(out, "_codecs", "encode");
            let text: String = bytes.iter().copied().map(char::from).collect();
            write_text(out, &text);
            write_text(out, "latin1");
            out.extend(*b"\x86R");
        }
        Value::List(items) => {
            out.push(b']');
            write_many(out, items, b'e');
        }
        Value::Tuple(items) => {
            out.push(b'(');
            for item in items {
                write(out, item);
            }
            out.push(b't');
        }
        Value::Dict(entries) => {
            out.push(b'}');
            out.push(b'(');
            for (key, value) in entries {
                write(out, key);
                write(out, value);
            }
            out.push(b'u');
        }
        Value::Set(items) => {
            class(out, "builtins", "set");
            out.push(b']');
            write_many(out, items, b'e');
            out.extend(*b"\x85R");
        }
        Value::Exception(exception) => write_exception(out, exception),
    }
}

fn write_many(out: &mut Vec<u8>, items: &[Value], end: u8) {
    out.push(b'(');
    for item in items {
        write(out, item);
    }
    out.push(end);
}

fn write_int(out: &mut Vec<u8>, number: i64) {
    if let Ok(small) = i32::try_from(number) {
        out.push(b'J');
        out.extend(small.to_le_bytes());
    } else {
        out.extend([0x8a, 8]);
        out.extend(number.to_le_bytes());
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    // A text of 4 GiB is longer than any message may be.
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(text.as_bytes());
}

fn class(out: &mut Vec<u8>, module: &str, name: &str) {
    out.push(b'c');
    out.extend(module.as_bytes());
    out.push(b'\n');
    out.extend(name.as_bytes());
    out.push(b'\n');
}

fn write_exception(out: &mut Vec<u8>, exception: &Exception) {
    class(out, &exception.module, &exception.class);
    write(out, &Value::Tuple(exception.args.clone()));
    out.push(b'R');
}
