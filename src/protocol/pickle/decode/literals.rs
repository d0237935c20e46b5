//! Numbers and texts as a pickle writes them out.

use crate::protocol::pickle::PickleError;
use crate::protocol::value::Value;

/// Protocol 0's decimal digits; beyond 64 bits they become a float.
pub(super) fn integer(text: &str) -> Result<Value, PickleError> {
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
pub(super) fn long(bytes: &[u8]) -> Value {
    // Of a longer one the most significant 16 bytes are far more than a float can hold.
    let (rest, top) = bytes.split_at(bytes.len().saturating_sub(16));
    let negative = top.last().is_some_and(|byte| byte & 0x80 != 0);
    let fill = if negative { -1i128 } else { 0 };
    let number = top
        .iter()
        .rev()
        .fold(fill, |sum, byte| sum << 8 | i128::from(*byte));
    match i64::try_from(number) {
        Ok(number) if rest.is_empty() => Value::Int(number),
        _ => {
            let scale = i32::try_from(rest.len()).unwrap_or(i32::MAX);
            Value::Float(number as f64 * 256f64.powi(scale))
        }
    }
}

/// Protocol 0's text: Latin-1 with `\uXXXX` escapes.
pub(super) fn raw_unicode(line: &[u8]) -> Result<String, PickleError> {
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
pub(super) fn quoted(line: &str) -> Result<String, PickleError> {
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
