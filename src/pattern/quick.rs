//! One regular expression, searched by an automaton of its own; as [`Regex::search`], only sooner.

use super::automaton::{Answer, Automaton};
use super::regex::Regex;
use super::slots::Slots;

/// Bytes the automaton may take; that of a date has about 10 KiB.
const MOST_BYTES: usize = 1 << 16;

/// What was learned of a regular expression's searches; always used with the same one.
#[derive(Debug, Default)]
pub struct Quick(State);

#[derive(Debug, Default)]
enum State {
    /// Never searched.
    #[default]
    New,
    /// No automaton can run it.
    Hard,
    Known(Box<Automaton>),
}

impl Quick {
    /// Whether the last search found out all it says from these first bytes of its text: any other
    /// that begins so has the same match.
    pub fn seen(&self) -> Option<usize> {
        match &self.0 {
            State::Known(automaton) => automaton.seen(),
            State::New | State::Hard => None,
        }
    }

    /// Finds the leftmost match anywhere in `text`.
    pub fn search(&mut self, regex: &Regex, text: &str, slots: &mut Slots) -> bool {
        let program = regex.program();
        if matches!(self.0, State::New) {
            self.0 = match Automaton::can_run(program) {
                true => State::Known(Box::new(Automaton::new(vec![0], &[program], MOST_BYTES))),
                false => State::Hard,
            };
        }
        let State::Known(automaton) = &mut self.0 else {
            return regex.search(text, slots);
        };
        match automaton.search(text, slots, |_| program) {
            Answer::Unknown => regex.search(text, slots),
            Answer::Nothing => {
                slots.unset(0);
                false
            }
            Answer::Match(_) => {
                automaton.leave(slots, program);
                true
            }
        }
    }
}
