//! The words of a command, read as Python would, and the exceptions for those that are wrong.

use crate::protocol::exception::Exception;
use crate::protocol::request::{Change, Query, Request};
use crate::protocol::value::Value;

/// The words behind a command, taken in turn.
#[derive(Debug)]
pub(super) struct Words<'w> {
    pub(super) rest: &'w [Value],
    pub(super) jail: &'w str,
}

impl Words<'_> {
    /// The next word as a value.
    pub(super) fn value(&mut self) -> Result<Value, Exception> {
        let (first, rest) = self.rest.split_first().ok_or_else(index_error)?;
        self.rest = rest;
        Ok(first.clone())
    }

    /// The next word as text; numbers and truths as Python's `str` shows them.
    pub(super) fn text(&mut self) -> Result<String, Exception> {
        self.value().map(|value| value.to_string())
    }

    /// All that are left.
    pub(super) fn values(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.rest).to_vec()
    }

    /// All that are left, as text.
    pub(super) fn texts(&mut self) -> Vec<String> {
        let rest = std::mem::take(&mut self.rest);
        rest.iter().map(ToString::to_string).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next word where there is one.
    pub(super) fn optional(&mut self) -> Option<String> {
        self.text().ok()
    }

    /// The next word as Python's `int()` reads it.
    pub(super) fn int(&mut self) -> Result<i64, Exception> {
        match self.value()? {
            Value::Int(number) => Ok(number),
            Value::Bool(truth) => Ok(i64::from(truth)),
            Value::Float(number) => Ok(number as i64),
            other => {
                let text = other.to_string();
                let digits = text.trim();
                // `1_000` is a number, `_1` and `1__0` are none.
                let odd = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
                let number = digits.replace('_', "").parse();
                number.ok().filter(|_| !odd).ok_or_else(|| {
                    let shown = other.repr();
                    value_error(format!("invalid literal for int() with base 10: {shown}"))
                })
            }
        }
    }

    pub(super) fn change(&self, change: Change) -> Request {
        Request::Set(self.jail.to_owned(), change)
    }

    pub(super) fn query(&self, query: Query) -> Request {
        Request::Get(self.jail.to_owned(), query)
    }
}

/// Python's error for a word that is not there.
pub fn index_error() -> Exception {
    Exception::builtin("IndexError", vec!["list index out of range".into()])
}

pub(super) fn plain(message: impl Into<String>) -> Exception {
    Exception::builtin("Exception", vec![Value::Str(message.into())])
}

pub(super) fn value_error(message: impl Into<String>) -> Exception {
    Exception::builtin("ValueError", vec![Value::Str(message.into())])
}
