//! fail2ban's lengths of time: `10m`, `1d12h`, `1year-6mo`, `60*60`, `-1`.
//!
//! fail2ban rewrites unit words to multiplications and hands the text to Python's `eval`. Here the
//! same rewriting gives tokens, and a small parser of Python's arithmetic (`+ - * / // % **`,
//! parentheses, whole and floating numbers) works them out; nothing is ever executed.

use std::fmt;

use crate::model::Span;

/// A number as Python has it: `1h` is the whole number 3600, `1mo` the floating 2629800.0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError {
    expected: &'static str,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a length of time such as 600, 10m, 1d12h or 1w ({})",
            self.expected
        )
    }
}

impl std::error::Error for DurationError {}

impl Number {
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(n) => n as f64,
            Self::Float(n) => n,
        }
    }

    /// Python's `int()`: towards zero.
    pub fn trunc(self) -> i64 {
        match self {
            Self::Int(n) => n,
            Self::Float(n) => n as i64,
        }
    }

    pub fn span(self) -> Span {
        match self {
            Self::Int(n) => Span::from_secs(n),
            Self::Float(n) => Span::from_secs_f64(n),
        }
    }
}

impl fmt::Display for Number {
    /// As Python prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => n.fmt(f),
            Self::Float(n) if n.abs() >= 1e16 || (*n != 0.0 && n.abs() < 1e-4) => {
                let text = format!("{n:e}");
                let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
                let (sign, power) = match power.strip_prefix('-') {
                    Some(power) => ('-', power),
                    None => ('+', power),
                };
                write!(f, "{digits}e{sign}{power:0>2}")
            }
            Self::Float(n) => write!(f, "{n:?}"),
        }
    }
}

/// Unit words and what they multiply by, in fail2ban's order. A month is the twelfth part of a
/// year of 365.25 days; Python's division makes both floating.
const UNITS: &[(&[&str], Number)] = &[
    (&["days", "day", "da", "dd", "d"], Number::Int(86_400)),
    (
        &["weeks", "week", "wee", "we", "ww", "w"],
        Number::Int(604_800),
    ),
    (
        &["months", "month", "mon", "mo"],
        Number::Float(2_629_800.0),
    ),
    (
        &["years", "year", "yea", "ye", "yy", "y"],
        Number::Float(31_557_600.0),
    ),
    (
        &["seconds", "second", "sec", "se", "ss", "s"],
        Number::Int(1),
    ),
    (
        &["minutes", "minute", "min", "mi", "mm", "m"],
        Number::Int(60),
    ),
    (
        &["hours", "hour", "hou", "ho", "hh", "h"],
        Number::Int(3600),
    ),
];

/// Works out a length of time in seconds (`fail2ban-client --str2sec`).
///
/// # Errors
/// When the text is not fail2ban's arithmetic of numbers and unit words.
pub fn seconds(text: &str) -> Result<Number, DurationError> {
    if let Some(plain) = plain_number(text) {
        return Ok(plain);
    }
    let tokens = tokens(&rewritten(text))?;
    let mut parser = Parser {
        tokens: &tokens,
        depth: 0,
    };
    let value = parser.sum()?;
    if parser.tokens.is_empty() {
        finite(value)
    } else {
        Err(wrong("something follows its end"))
    }
}

/// The usual case without any parsing: a few digits.
fn plain_number(text: &str) -> Option<Number> {
    let short = !text.is_empty() && text.len() < 18 && !text.starts_with('0');
    (short && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok().map(Number::Int))
        .flatten()
}

fn wrong(expected: &'static str) -> DurationError {
    DurationError { expected }
}

fn finite(value: Number) -> Result<Number, DurationError> {
    match value {
        Number::Float(n) if !n.is_finite() => Err(wrong("it is too large")),
        value => Ok(value),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Number(Number),
    Plus,
    Minus,
    Times,
    Power,
    Over,
    FloorOver,
    Modulo,
    Open,
    Close,
}

/// fail2ban's rewriting: `1d12h` → `1d 12h` → `1*86400 12*3600` → `1*86400+12*3600`.
fn rewritten(text: &str) -> String {
    let mut found = String::with_capacity(text.len() * 2);
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        if c.is_ascii_digit() && before.is_some_and(|c: char| c.is_ascii_alphabetic()) {
            found.push(' ');
        }
        let may_be_unit = found.ends_with(|c: char| c.is_numeric() || c.is_whitespace());
        match may_be_unit.then(|| unit_at(rest)).flatten() {
            Some((factor, unit_length)) => {
                length = unit_length;
                found.push_str(&format!("*{factor}"));
            }
            None => found.push(c),
        }
        before = rest[..length].chars().next_back();
        rest = &rest[length..];
    }
    joined(&found)
}

/// Puts a `+` for the white space between two digits; a digit is joined to one side only.
fn joined(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(gap) = rest.find(char::is_whitespace) {
        let after = rest[gap..].trim_start();
        let left = rest[..gap].ends_with(|c: char| c.is_ascii_digit());
        match after.chars().next() {
            Some(digit) if left && digit.is_ascii_digit() => {
                found.push_str(&rest[..gap]);
                found.push('+');
                found.push(digit);
                rest = &after[1..];
            }
            _ => {
                let end = rest.len() - after.len();
                found.push_str(&rest[..end]);
                rest = after;
            }
        }
    }
    found.push_str(rest);
    found
}

/// The numbers and operators of a rewritten text.
fn tokens(text: &str) -> Result<Vec<Token>, DurationError> {
    let mut found: Vec<Token> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let (token, length) = match c {
            '0'..='9' | '.' => {
                let (number, length) = number(rest)?;
                (Token::Number(number), length)
            }
            c if c.is_alphabetic() => return Err(wrong("an unknown unit is in it")),
            _ => operator(rest)?,
        };
        if let (Some(Token::Number(_)), Token::Number(_)) = (found.last(), token) {
            return Err(wrong("two numbers have nothing between them"));
        }
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

fn operator(text: &str) -> Result<(Token, usize), DurationError> {
    const OPERATORS: &[(&str, Token)] = &[
        ("**", Token::Power),
        ("//", Token::FloorOver),
        ("+", Token::Plus),
        ("-", Token::Minus),
        ("*", Token::Times),
        ("/", Token::Over),
        ("%", Token::Modulo),
        ("(", Token::Open),
        (")", Token::Close),
    ];
    OPERATORS
        .iter()
        .find(|(sign, _)| text.starts_with(sign))
        .map(|(sign, token)| (*token, sign.len()))
        .ok_or(wrong("an unknown character is in it"))
}

/// Digits with at most one point; whole numbers have no leading zero, as in Python.
fn number(text: &str) -> Result<(Number, usize), DurationError> {
    let length = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_'))
        .unwrap_or(text.len());
    let written = &text[..length];
    let digit = |c: char| c.is_ascii_digit();
    let between_digits =
        |at| written[..at].ends_with(digit) && written[at + 1..].starts_with(digit);
    if !memchr::memchr_iter(b'_', written.as_bytes()).all(between_digits) {
        return Err(wrong("an underscore stands beside no digit"));
    }
    let digits = &written.replace('_', "");
    if digits.contains('.') {
        if digits == "." {
            return Err(wrong("a number is missing"));
        }
        let value = digits
            .parse()
            .map_err(|_| wrong("a number has two points"))?;
        return Ok((Number::Float(value), length));
    }
    if digits.starts_with('0') && digits.bytes().any(|b| b != b'0') {
        return Err(wrong("a number begins with 0"));
    }
    let value = digits.parse().map_err(|_| wrong("it is too large"))?;
    Ok((Number::Int(value), length))
}

/// The unit word at the text's start: what it multiplies by, and its length.
fn unit_at(text: &str) -> Option<(Number, usize)> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let end = |c: char| !word(c) || c.is_ascii_digit();
    let length = text.find(end).unwrap_or(text.len());
    // `1d12h`: a digit behind a letter stands apart.
    let unit = &text[..length];
    let (_, factor) = UNITS
        .iter()
        .find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(unit)))?;
    Some((*factor, length))
}

/// Python's precedence: sum < product < sign < power.
struct Parser<'t> {
    tokens: &'t [Token],
    depth: u8,
}

impl Parser<'_> {
    fn next_if(&mut self, wanted: &[Token]) -> Option<Token> {
        let (&token, rest) = self.tokens.split_first()?;
        wanted.contains(&token).then(|| {
            self.tokens = rest;
            token
        })
    }

    fn sum(&mut self) -> Result<Number, DurationError> {
        let mut value = self.product()?;
        while let Some(sign) = self.next_if(&[Token::Plus, Token::Minus]) {
            value = apply(sign, value, self.product()?)?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<Number, DurationError> {
        const SIGNS: &[Token] = &[Token::Times, Token::Over, Token::FloorOver, Token::Modulo];
        let mut value = self.signed()?;
        while let Some(sign) = self.next_if(SIGNS) {
            value = apply(sign, value, self.signed()?)?;
        }
        Ok(value)
    }

    fn signed(&mut self) -> Result<Number, DurationError> {
        /// Deep enough for any time an operator writes.
        const DEEPEST: u8 = 50;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(wrong("it is nested too deep"));
        }
        let value = match self.next_if(&[Token::Plus, Token::Minus]) {
            Some(Token::Minus) => apply(Token::Minus, Number::Int(0), self.signed()?),
            Some(_) => self.signed(),
            None => self.power(),
        };
        self.depth -= 1;
        value
    }

    fn power(&mut self) -> Result<Number, DurationError> {
        let base = self.atom()?;
        match self.next_if(&[Token::Power]) {
            Some(sign) => apply(sign, base, self.signed()?),
            None => Ok(base),
        }
    }

    fn atom(&mut self) -> Result<Number, DurationError> {
        match self.tokens.split_first() {
            Some((Token::Number(value), rest)) => {
                self.tokens = rest;
                Ok(*value)
            }
            Some((Token::Open, rest)) => {
                self.tokens = rest;
                let value = self.sum()?;
                self.next_if(&[Token::Close])
                    .map(|_| value)
                    .ok_or(wrong("a parenthesis is not closed"))
            }
            Some(_) => Err(wrong("a number is missing")),
            None => Err(wrong("it ends too early")),
        }
    }
}

/// One operation as Python does it: whole numbers stay whole, save under `/` and negative powers.
fn apply(sign: Token, left: Number, right: Number) -> Result<Number, DurationError> {
    let (a, b) = (left.as_f64(), right.as_f64());
    if b == 0.0 && matches!(sign, Token::Over | Token::FloorOver | Token::Modulo) {
        return Err(wrong("it divides by zero"));
    }
    if let (Number::Int(x), Number::Int(y)) = (left, right) {
        let whole = match sign {
            Token::Plus => Some(x.checked_add(y)),
            Token::Minus => Some(x.checked_sub(y)),
            Token::Times => Some(x.checked_mul(y)),
            Token::FloorOver => Some(floor_div(x, y)),
            Token::Modulo => Some(floor_div(x, y).and_then(|q| x.checked_sub(q.checked_mul(y)?))),
            Token::Power if y >= 0 => Some(u32::try_from(y).ok().and_then(|y| x.checked_pow(y))),
            _ => None,
        };
        if let Some(whole) = whole {
            return whole.map(Number::Int).ok_or(wrong("it is too large"));
        }
    }
    let value = match sign {
        Token::Plus => a + b,
        Token::Minus => a - b,
        Token::Times => a * b,
        Token::Over => a / b,
        Token::FloorOver => (a / b).floor(),
        Token::Modulo => a - (a / b).floor() * b,
        Token::Power => a.powf(b),
        Token::Number(_) | Token::Open | Token::Close => {
            return Err(wrong("an operator is missing"));
        }
    };
    finite(Number::Float(value))
}

fn floor_div(x: i64, y: i64) -> Option<i64> {
    let quotient = x.checked_div(y)?;
    let inexact = x.checked_rem(y)? != 0;
    Some(if inexact && (x < 0) != (y < 0) {
        quotient - 1
    } else {
        quotient
    })
}

#[cfg(test)]
mod tests;
