//! What is wrong with a configuration, in one line each: where, what was expected, what to do.

use std::fmt;

use super::values::shown;
use crate::model::Origin;

/// How much a complaint weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing to do, but good to know.
    Info,
    /// The configuration works, though probably not as meant.
    Warning,
    /// Something is left out: a jail, a line, a file. A configuration test fails.
    Error,
}

/// One thing wrong. Its `Display` is one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    pub severity: Severity,
    pub origin: Option<Origin>,
    /// The jail it is about.
    pub jail: Option<String>,
    /// What was expected and what was found.
    pub problem: String,
    /// What the operator can do.
    pub advice: String,
}

impl Complaint {
    pub(super) fn new(severity: Severity, problem: String, advice: String) -> Self {
        Self {
            severity,
            origin: None,
            jail: None,
            problem,
            advice,
        }
    }

    pub(super) fn error(problem: String, advice: String) -> Self {
        Self::new(Severity::Error, problem, advice)
    }

    pub(super) fn warning(problem: String, advice: String) -> Self {
        Self::new(Severity::Warning, problem, advice)
    }

    /// Says where, unless that is known already.
    pub(super) fn at(mut self, origin: Option<Origin>) -> Self {
        self.origin = self.origin.or(origin);
        self
    }

    pub(super) fn for_jail(mut self, jail: &str) -> Self {
        self.jail = Some(jail.to_owned());
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if let Some(jail) = &self.jail {
            write!(f, "jail '{}': ", shown(jail))?;
        }
        write!(f, "{}; {}", self.problem, self.advice)
    }
}

impl std::error::Error for Complaint {}
