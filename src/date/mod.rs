//! Where a log line's date stands and what moment it means.
//!
//! One way through: [`formats`] is the table of the date formats fail2ban knows by default,
//! [`tokens`] the table of the `%` tokens they are written in, [`template`] turns one such pattern
//! into a regular expression, [`Detector`] finds the template that fits a line and remembers what
//! fitted before, [`fields`] makes a moment of what was captured, [`Zone`] knows the clocks of the
//! place. What a log shows again and again goes past the regular expressions: [`scan`] reads the
//! usual forms by hand, [`recall`] knows the date just seen,
//! and [`needs`] tells which formats a line cannot have.
//!
//! Nothing here reads a clock or the environment: the current time, the year and `TZ` are given.

mod abbreviations;
mod calendar;
mod describe;
mod detector;
mod error;
mod fields;
mod formats;
mod needs;
mod order;
mod recall;
mod scan;
mod template;
mod templates;
mod tokens;
mod zone;

pub use detector::{Detector, Found, TemplateUse};
pub use error::DateError;
pub use zone::Zone;
