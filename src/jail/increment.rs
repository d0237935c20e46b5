//! Longer bans for those who come back: `bantime.increment` and its options.
//!
//! Evaluation order is fail2ban's: factor, then multipliers or the formula (never below the jail's
//! bantime), then maxtime, then the random part on top.

use std::fmt;

use super::expression::{Expression, ExpressionError, Names, NoValue, Number};
use crate::model::{BanIncrement, Span};

const DEFAULT_FORMULA: &str = "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor";

/// `bantime.*`, ready to be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Increment {
    pub enabled: bool,
    /// Earlier bans count whichever jail made them.
    pub overalljails: bool,
    pub maxtime: Option<Span>,
    factor: Number,
    curve: Curve,
    rndtime: Option<Span>,
}

#[derive(Clone, Debug, PartialEq)]
enum Curve {
    Multipliers(Vec<i64>),
    Formula(Expression),
}

/// Which `bantime.…` option is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncrementError {
    Factor(String, Option<ExpressionError>),
    Formula(String, ExpressionError),
    /// The word that is no whole number.
    Multipliers(String),
}

impl fmt::Display for IncrementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor(text, Some(error)) => write!(f, "bantime.factor = {text}: {error}"),
            Self::Factor(text, None) => write!(f, "bantime.factor = {text}: has no value"),
            Self::Formula(text, error) => write!(f, "bantime.formula = {text}: {error}"),
            Self::Multipliers(word) => write!(
                f,
                "bantime.multipliers: expected whole numbers with spaces between, found `{word}`"
            ),
        }
    }
}

impl std::error::Error for IncrementError {}

impl Increment {
    pub fn new(settings: &BanIncrement) -> Result<Self, IncrementError> {
        Ok(Self {
            enabled: settings.enabled,
            overalljails: settings.overalljails,
            maxtime: settings.maxtime,
            factor: factor(settings.factor.as_deref())?,
            curve: curve(settings)?,
            rndtime: settings.rndtime,
        })
    }

    /// The bantime in seconds of an ID that was banned `count` times before, where the jail's is
    /// `secs`.
    ///
    /// # Errors
    /// When the formula has no value.
    pub(super) fn bantime(
        &self,
        secs: i64,
        count: u32,
        random: &mut dyn FnMut() -> f64,
    ) -> Result<i64, NoValue> {
        let mut time = match &self.curve {
            Curve::Multipliers(multipliers) => {
                let last = multipliers.len().saturating_sub(1);
                let multiplier = multipliers.get(last.min(count as usize)).unwrap_or(&1);
                Number::Int(secs)
                    .times(self.factor)
                    .times(Number::Int(*multiplier))
            }
            Curve::Formula(formula) => {
                let mut names = Names {
                    time: secs,
                    count,
                    factor: self.factor,
                    random: &mut *random,
                };
                Number::Int(secs).max(formula.value(&mut names)?)
            }
        };
        if let Some(maxtime) = self.maxtime {
            time = time.min(Number::Int(maxtime.secs()));
        }
        if let Some(rndtime) = self.rndtime {
            time = time.plus(Number::Float(random() * rndtime.as_secs_f64()));
        }
        Ok(time.secs())
    }
}

fn factor(text: Option<&str>) -> Result<Number, IncrementError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(Number::Int(1));
    };
    let expression = Expression::parse(text)
        .map_err(|error| IncrementError::Factor(text.to_owned(), Some(error)))?;
    // No ban is at hand: its names have no meaning here and its time cannot be a factor.
    let mut names = Names {
        time: 0,
        count: 0,
        factor: Number::Int(1),
        random: &mut || 0.0,
    };
    expression
        .value(&mut names)
        .map_err(|NoValue| IncrementError::Factor(text.to_owned(), None))
}

fn curve(settings: &BanIncrement) -> Result<Curve, IncrementError> {
    let multipliers = settings.multipliers.as_deref().unwrap_or_default();
    if multipliers.trim().is_empty() {
        let text = settings
            .formula
            .as_deref()
            .filter(|text| !text.is_empty())
            .unwrap_or(DEFAULT_FORMULA);
        return Expression::parse(text)
            .map(Curve::Formula)
            .map_err(|error| IncrementError::Formula(text.to_owned(), error));
    }
    multipliers
        .split_whitespace()
        .map(|word| {
            word.parse()
                .map_err(|_| IncrementError::Multipliers(word.to_owned()))
        })
        .collect::<Result<_, _>>()
        .map(Curve::Multipliers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> BanIncrement {
        BanIncrement {
            enabled: true,
            factor: None,
            formula: None,
            multipliers: None,
            maxtime: None,
            rndtime: None,
            overalljails: false,
        }
    }

    fn bantimes(settings: &BanIncrement, counts: &[u32]) -> Vec<i64> {
        let increment = Increment::new(settings).unwrap();
        counts
            .iter()
            .map(|&count| increment.bantime(600, count, &mut || 0.5).unwrap())
            .collect()
    }

    #[test]
    fn bans_double_by_default_up_to_the_twentieth() {
        assert_eq!(
            bantimes(&plain(), &[0, 1, 2, 10, 20, 21]),
            [600, 1_200, 2_400, 614_400, 600 << 20, 600 << 20]
        );
    }

    #[test]
    fn a_small_factor_never_shortens_the_formula() {
        let factor = Some("2.0/2.885385".to_owned());
        let settings = BanIncrement { factor, ..plain() };
        assert_eq!(bantimes(&settings, &[0, 1]), [600, 831]);
    }

    #[test]
    fn multipliers_replace_the_formula_and_the_last_one_stays() {
        let multipliers = Some("1 2 4 8".to_owned());
        let settings = BanIncrement {
            multipliers,
            ..plain()
        };
        assert_eq!(
            bantimes(&settings, &[0, 1, 3, 9]),
            [600, 1_200, 4_800, 4_800]
        );
    }

    #[test]
    fn the_random_part_comes_on_top_of_maxtime() {
        let settings = BanIncrement {
            maxtime: Some(Span::from_secs(1_000)),
            rndtime: Some(Span::from_secs(60)),
            ..plain()
        };
        assert_eq!(bantimes(&settings, &[0, 5]), [630, 1_030]);
    }

    #[test]
    fn a_wrong_option_is_named() {
        let error = |settings: BanIncrement| Increment::new(&settings).unwrap_err().to_string();
        let formula = Some("ban.Time *".to_owned());
        assert_eq!(
            error(BanIncrement { formula, ..plain() }),
            "bantime.formula = ban.Time *: expected a number or a name at offset 10"
        );
        let multipliers = Some("1 two".to_owned());
        assert_eq!(
            error(BanIncrement {
                multipliers,
                ..plain()
            }),
            "bantime.multipliers: expected whole numbers with spaces between, found `two`"
        );
        let factor = Some("1/0".to_owned());
        assert_eq!(
            error(BanIncrement { factor, ..plain() }),
            "bantime.factor = 1/0: has no value"
        );
    }
}
