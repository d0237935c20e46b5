//! The arithmetic of `bantime.formula` and `bantime.factor`: the part of Python's expressions that
//! such settings use, parsed once and evaluated without Python.
//!
//! Names: `ban.Time`, `ban.Count`, `banFactor`, `math.*`, `random.random()`. Whole numbers stay
//! whole as in Python and become floating point where they no longer fit; beyond 1e308 they have no
//! value.

use std::fmt;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Node);

/// Why a text is not an expression: what was found at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    pub offset: usize,
    problem: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.problem, self.offset)
    }
}

impl std::error::Error for ExpressionError {}

/// Why an expression has no value: a division by zero, the logarithm of a negative number, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoValue;

/// What the names in an expression stand for.
pub(super) struct Names<'a> {
    /// `ban.Time`: the jail's bantime, in seconds.
    pub time: i64,
    /// `ban.Count`: bans before this one.
    pub count: u32,
    /// `banFactor`.
    pub factor: Number,
    /// `random.random()`: at least 0, below 1.
    pub random: &'a mut dyn FnMut() -> f64,
}

/// A Python number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

use Number::{Float, Int};

impl Number {
    fn float(self) -> f64 {
        match self {
            Int(int) => int as f64,
            Float(float) => float,
        }
    }

    fn truth(self) -> bool {
        self.float() != 0.0
    }

    /// Whole seconds, towards zero.
    pub(super) fn secs(self) -> i64 {
        match self {
            Int(int) => int,
            Float(float) => float as i64,
        }
    }

    pub(super) fn times(self, other: Self) -> Self {
        whole(self, other, i64::checked_mul).unwrap_or_else(|| Float(self.float() * other.float()))
    }

    pub(super) fn plus(self, other: Self) -> Self {
        whole(self, other, i64::checked_add).unwrap_or_else(|| Float(self.float() + other.float()))
    }

    /// Python's `max`: the first of equals.
    pub(super) fn max(self, other: Self) -> Self {
        if other.float() > self.float() {
            other
        } else {
            self
        }
    }

    /// Python's `min`: the first of equals.
    pub(super) fn min(self, other: Self) -> Self {
        if other.float() < self.float() {
            other
        } else {
            self
        }
    }
}

fn whole(a: Number, b: Number, f: fn(i64, i64) -> Option<i64>) -> Option<Number> {
    match (a, b) {
        (Int(a), Int(b)) => f(a, b).map(Int),
        _ => None,
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Number(Number),
    Time,
    Count,
    Factor,
    Unary(&'static str, Box<Node>),
    Binary(&'static str, Box<Node>, Box<Node>),
    /// `a < b <= c`: each with its neighbour.
    Chain(Box<Node>, Vec<(&'static str, Node)>),
    /// `then if test else other`
    Choice(Box<[Node; 3]>),
    Call(&'static str, Vec<Node>),
}

/// Functions by their Python name, with how many arguments they take.
const FUNCTIONS: &[(&str, std::ops::RangeInclusive<usize>)] = &[
    ("abs", 1..=1),
    ("float", 1..=1),
    ("int", 1..=1),
    ("max", 1..=9),
    ("min", 1..=9),
    ("pow", 2..=2),
    ("round", 1..=2),
    ("math.ceil", 1..=1),
    ("math.exp", 1..=1),
    ("math.fabs", 1..=1),
    ("math.floor", 1..=1),
    ("math.log", 1..=2),
    ("math.log10", 1..=1),
    ("math.log2", 1..=1),
    ("math.pow", 2..=2),
    ("math.sqrt", 1..=1),
    ("math.trunc", 1..=1),
    ("random.random", 0..=0),
    ("random.uniform", 2..=2),
    ("random.randint", 2..=2),
];

/// Binary operators, loosest first; operators of one row bind alike and to the left.
const OPERATORS: &[&[&str]] = &[
    &["or"],
    &["and"],
    COMPARISONS,
    &["|"],
    &["^"],
    &["&"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "//", "/", "%"],
];

const COMPARISONS: &[&str] = &["<=", ">=", "==", "!=", "<", ">"];

/// Parentheses, signs and powers may nest this deep; no formula in use comes near.
const DEPTH: usize = 64;

impl Expression {
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
        };
        let node = parser.choice()?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.error("unexpected text"));
        }
        Ok(Self(node))
    }

    pub(super) fn value(&self, names: &mut Names<'_>) -> Result<Number, NoValue> {
        value(&self.0, names)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn error(&self, problem: &str) -> ExpressionError {
        ExpressionError {
            offset: self.at,
            problem: problem.to_owned(),
        }
    }

    /// Takes a symbol, or a word that ends where the text does.
    fn take(&mut self, token: &str) -> bool {
        self.space();
        let Some(after) = self.rest().strip_prefix(token) else {
            return false;
        };
        let is_word = token.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_word && after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.at += token.len();
        true
    }

    fn expect(&mut self, token: &str) -> Result<(), ExpressionError> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.error(&format!("expected `{token}`")))
        }
    }

    fn choice(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error("nested too deep"));
        }
        let then = self.binary(0)?;
        let node = if self.take("if") {
            let test = self.binary(0)?;
            self.expect("else")?;
            Node::Choice(Box::new([then, test, self.choice()?]))
        } else {
            then
        };
        self.depth -= 1;
        Ok(node)
    }

    fn binary(&mut self, row: usize) -> Result<Node, ExpressionError> {
        let Some(operators) = OPERATORS.get(row) else {
            return self.unary();
        };
        if *operators == COMPARISONS {
            return self.comparison(row);
        }
        let mut left = self.binary(row + 1)?;
        while let Some(operator) = self.operator(operators) {
            let right = self.binary(row + 1)?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    /// `not` binds looser than comparisons, and comparisons chain.
    fn comparison(&mut self, row: usize) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error("nested too deep"));
        }
        let node = if self.take("not") {
            Node::Unary("not", Box::new(self.comparison(row)?))
        } else {
            let first = self.binary(row + 1)?;
            let mut others = Vec::new();
            while let Some(operator) = self.operator(COMPARISONS) {
                others.push((operator, self.binary(row + 1)?));
            }
            if others.is_empty() {
                first
            } else {
                Node::Chain(Box::new(first), others)
            }
        };
        self.depth -= 1;
        Ok(node)
    }

    /// Takes one of these operators, unless a longer one stands there.
    fn operator(&mut self, operators: &'static [&'static str]) -> Option<&'static str> {
        operators.iter().copied().find(|operator| {
            let shifts = matches!(*operator, "<" | ">") && self.doubled(operator);
            let power = *operator == "*" && self.doubled("*");
            !shifts && !power && self.take(operator)
        })
    }

    /// Whether the operator stands here twice: `<<`, `**`.
    fn doubled(&mut self, operator: &str) -> bool {
        self.space();
        self.rest()
            .strip_prefix(operator)
            .is_some_and(|rest| rest.starts_with(operator))
    }

    fn unary(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error("nested too deep"));
        }
        for sign in ["-", "+", "~"] {
            if self.take(sign) {
                let node = Node::Unary(sign, Box::new(self.unary()?));
                self.depth -= 1;
                return Ok(node);
            }
        }
        let base = self.atom()?;
        let node = if self.take("**") {
            // Binds to the right, and tighter than a sign on its left only.
            Node::Binary("**", Box::new(base), Box::new(self.unary()?))
        } else {
            base
        };
        self.depth -= 1;
        Ok(node)
    }

    fn atom(&mut self) -> Result<Node, ExpressionError> {
        if self.take("(") {
            let node = self.choice()?;
            self.expect(")")?;
            return Ok(node);
        }
        self.space();
        if self
            .rest()
            .starts_with(|c: char| c.is_ascii_digit() || c == '.')
        {
            return self.number();
        }
        let name_length = self
            .rest()
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(self.rest().len());
        let name = self.rest()[..name_length].to_owned();
        let node = match &*name {
            "ban.Time" => Node::Time,
            "ban.Count" => Node::Count,
            "banFactor" => Node::Factor,
            "math.e" => Node::Number(Float(std::f64::consts::E)),
            "math.pi" => Node::Number(Float(std::f64::consts::PI)),
            "True" => Node::Number(Int(1)),
            "False" => Node::Number(Int(0)),
            "" => return Err(self.error("expected a number or a name")),
            _ => return self.call(&name),
        };
        self.at += name_length;
        Ok(node)
    }

    fn call(&mut self, name: &str) -> Result<Node, ExpressionError> {
        let Some((name, counts)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
            return Err(self.error(&format!("unknown name `{name}`")));
        };
        let start = self.at;
        self.at += name.len();
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.take(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.choice()?);
        }
        if counts.contains(&arguments.len()) {
            return Ok(Node::Call(name, arguments));
        }
        self.at = start;
        Err(self.error(&format!("wrong number of arguments to `{name}`")))
    }

    fn number(&mut self) -> Result<Node, ExpressionError> {
        let bytes = self.rest().as_bytes();
        let mut end = 0;
        while end < bytes.len() {
            let exponent_sign = matches!(bytes[end], b'+' | b'-')
                && end > 0
                && matches!(bytes[end - 1], b'e' | b'E');
            let inside = matches!(bytes[end], b'0'..=b'9' | b'.' | b'e' | b'E' | b'_');
            if !inside && !exponent_sign {
                break;
            }
            end += 1;
        }
        let text = self.rest()[..end].replace('_', "");
        let number = match text.parse() {
            Ok(int) => Int(int),
            Err(_) => Float(
                text.parse()
                    .map_err(|_| self.error("expected a number here"))?,
            ),
        };
        self.at += end;
        Ok(Node::Number(number))
    }
}

fn value(node: &Node, names: &mut Names<'_>) -> Result<Number, NoValue> {
    Ok(match node {
        Node::Number(number) => *number,
        Node::Time => Int(names.time),
        Node::Count => Int(names.count.into()),
        Node::Factor => names.factor,
        Node::Unary(sign, node) => {
            let number = value(node, names)?;
            match (*sign, number) {
                ("-", Int(int)) => Int(int.checked_neg().ok_or(NoValue)?),
                ("-", Float(float)) => Float(-float),
                ("~", Int(int)) => Int(!int),
                ("~", Float(_)) => return Err(NoValue),
                ("not", number) => Int((!number.truth()).into()),
                (_, number) => number,
            }
        }
        Node::Binary("and", a, b) => {
            let first = value(a, names)?;
            if first.truth() {
                value(b, names)?
            } else {
                first
            }
        }
        Node::Binary("or", a, b) => {
            let first = value(a, names)?;
            if first.truth() {
                first
            } else {
                value(b, names)?
            }
        }
        Node::Binary(operator, a, b) => binary(operator, value(a, names)?, value(b, names)?)?,
        Node::Chain(first, others) => {
            let mut left = value(first, names)?;
            for (operator, right) in others {
                let right = value(right, names)?;
                if !binary(operator, left, right)?.truth() {
                    return Ok(Int(0));
                }
                left = right;
            }
            Int(1)
        }
        Node::Choice(parts) => {
            let [then, test, other] = &**parts;
            if value(test, names)?.truth() {
                value(then, names)?
            } else {
                value(other, names)?
            }
        }
        Node::Call(name, arguments) => {
            let arguments: Vec<Number> = arguments
                .iter()
                .map(|argument| value(argument, names))
                .collect::<Result<_, _>>()?;
            call(name, &arguments, names)?
        }
    })
}

fn binary(operator: &str, a: Number, b: Number) -> Result<Number, NoValue> {
    let (x, y) = (a.float(), b.float());
    Ok(match operator {
        "+" => a.plus(b),
        "-" => whole(a, b, i64::checked_sub).unwrap_or(Float(x - y)),
        "*" => a.times(b),
        "/" if y != 0.0 => Float(x / y),
        "//" if y != 0.0 => whole(a, b, floor_div).unwrap_or(Float((x / y).floor())),
        "%" if y != 0.0 => whole(a, b, floor_mod).unwrap_or(Float(x - y * (x / y).floor())),
        "**" => power(a, b)?,
        "<<" => shift_left(a, b)?,
        ">>" => whole(a, b, |a, b| (b >= 0).then(|| a >> b.min(63))).ok_or(NoValue)?,
        "&" => whole(a, b, |a, b| Some(a & b)).ok_or(NoValue)?,
        "|" => whole(a, b, |a, b| Some(a | b)).ok_or(NoValue)?,
        "^" => whole(a, b, |a, b| Some(a ^ b)).ok_or(NoValue)?,
        "<" => Int((x < y).into()),
        ">" => Int((x > y).into()),
        "<=" => Int((x <= y).into()),
        ">=" => Int((x >= y).into()),
        "==" => Int((x == y).into()),
        "!=" => Int((x != y).into()),
        _ => return Err(NoValue),
    })
}

/// Python divides towards minus infinity.
fn floor_div(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(quotient - i64::from(a % b != 0 && (a < 0) != (b < 0)))
}

fn floor_mod(a: i64, b: i64) -> Option<i64> {
    a.checked_sub(floor_div(a, b)?.checked_mul(b)?)
}

/// `1 << n`; beyond 63 bits a float, as whole numbers have no end in Python.
fn shift_left(a: Number, b: Number) -> Result<Number, NoValue> {
    match (a, b) {
        (Int(_), Int(bits @ 0..62)) => Ok(a.times(Int(1 << bits))),
        (Int(_), Int(62..)) => finite(a.float() * 2f64.powf(b.float())),
        _ => Err(NoValue),
    }
}

fn power(a: Number, b: Number) -> Result<Number, NoValue> {
    if let (Int(base), Int(exponent)) = (a, b)
        && let Ok(exponent) = u32::try_from(exponent)
        && let Some(int) = base.checked_pow(exponent)
    {
        return Ok(Int(int));
    }
    finite(a.float().powf(b.float()))
}

/// `round(number, digits)`: to the nearest, of two the even one.
fn rounded(number: Number, digits: Number) -> Result<Number, NoValue> {
    let Int(digits) = digits else {
        return Err(NoValue);
    };
    let unit = || 10f64.powi(-(digits.max(-300) as i32));
    match number {
        Int(_) if digits >= 0 => Ok(number),
        Int(int) => Ok(Int(
            ((int as f64 / unit()).round_ties_even() * unit()) as i64
        )),
        // A float has no more digits than these.
        Float(_) if digits > 300 => Ok(number),
        Float(float) if digits >= 0 => format!("{float:.*}", digits as usize)
            .parse()
            .map(Float)
            .map_err(|_| NoValue),
        Float(float) => finite((float / unit()).round_ties_even() * unit()),
    }
}

fn finite(float: f64) -> Result<Number, NoValue> {
    if float.is_finite() {
        Ok(Float(float))
    } else {
        Err(NoValue)
    }
}

fn call(name: &str, arguments: &[Number], names: &mut Names<'_>) -> Result<Number, NoValue> {
    let number = |n: usize| arguments.get(n).copied().unwrap_or(Int(0));
    let (x, y) = (number(0).float(), number(1).float());
    Ok(match name {
        "abs" => number(0).max(binary("-", Int(0), number(0))?),
        "float" => Float(x),
        "int" => Int(number(0).secs()),
        "round" if arguments.len() == 2 => rounded(number(0), number(1))?,
        "round" => Int(x.round_ties_even() as i64),
        "max" => arguments
            .iter()
            .copied()
            .reduce(Number::max)
            .ok_or(NoValue)?,
        "min" => arguments
            .iter()
            .copied()
            .reduce(Number::min)
            .ok_or(NoValue)?,
        "pow" => power(number(0), number(1))?,
        "math.ceil" => Int(x.ceil() as i64),
        "math.floor" => Int(x.floor() as i64),
        "math.fabs" => Float(x.abs()),
        "math.trunc" => Int(x as i64),
        "math.exp" => finite(x.exp())?,
        "math.log" if arguments.len() == 2 && y > 0.0 => finite(x.ln() / y.ln())?,
        "math.log" if arguments.len() == 2 => return Err(NoValue),
        "math.log" => finite(x.ln())?,
        "math.log10" => finite(x.log10())?,
        "math.log2" => finite(x.log2())?,
        "math.pow" => finite(x.powf(y))?,
        "math.sqrt" => finite(x.sqrt())?,
        "random.random" => Float((names.random)()),
        "random.uniform" => Float(x + (y - x) * (names.random)()),
        "random.randint" => Int((x + ((y - x + 1.0) * (names.random)()).floor()) as i64),
        _ => return Err(NoValue),
    })
}

#[cfg(test)]
mod tests;
