//! A shell script with values it may use but the shell never reads.
//!
//! fail2ban hands unsafe values over as positional parameters and names them in a first line
//! (`f2bV_matches=$0 …`). So do we, with braces, which keeps the eleventh and later ones right.

use std::fmt::Write;

use super::python;

/// The kernel takes at most 128 KiB in one argument (`MAX_ARG_STRLEN`) and we leave it room for
/// many; a longer value is cut, where fail2ban would fail to run the command at all.
const LONGEST_VALUE: usize = 64 * 1024;

/// What `/bin/sh -c` is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub text: String,
    /// Variables beyond the shell's reach: name and value.
    pub variables: Vec<(String, String)>,
}

impl Script {
    /// Names a value the shell must not read, and gives what stands for it in the text.
    pub(super) fn variable(&mut self, tag: &str, value: &str) {
        let clean = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name = format!("f2bV_{}", tag.chars().map(clean).collect::<String>());
        self.text.push('$');
        self.text.push_str(&name);
        if !self.variables.iter().any(|(known, _)| *known == name) {
            self.variables.push((name, argument(value)));
        }
    }

    /// What follows `/bin/sh -c`: the text, then the values from `$0` on.
    pub fn arguments(&self) -> Vec<String> {
        if self.variables.is_empty() {
            return vec![self.text.clone()];
        }
        let mut text = String::new();
        for (index, (name, _)) in self.variables.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = match index {
                ..=9 => write!(text, "{name}=${index} "),
                _ => write!(text, "{name}=${{{index}}} "),
            };
        }
        text.push('\n');
        text.push_str(&self.text);
        let values = self.variables.iter().map(|(_, value)| value.clone());
        std::iter::once(text).chain(values).collect()
    }

    /// As fail2ban logs it: the text, or the list of all arguments.
    pub fn shown(&self) -> String {
        if self.variables.is_empty() {
            self.text.clone()
        } else {
            python::list(&self.arguments())
        }
    }
}

/// Whether a value must reach the script as a variable: fail2ban's list of characters, a NUL (which
/// no argument can hold), or a length no command line can.
pub(super) fn unsafe_in_text(value: &str) -> bool {
    value.len() > LONGEST_VALUE || value.bytes().any(|b| b == 0 || SPECIAL.contains(&b))
}

/// fail2ban's list of characters that mean something to a shell.
pub(super) const SPECIAL: &[u8] = b"\\#&;`|*?~<>^()[]{}$'\"\n\r";

/// A value as an argument can hold it.
fn argument(value: &str) -> String {
    let fits = |end: &usize| value.is_char_boundary(*end);
    let kept = (0..=LONGEST_VALUE.min(value.len())).rev().find(fits);
    value[..kept.unwrap_or(0)].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_variable_is_still_itself() {
        let mut script = Script::default();
        for n in 0..12 {
            script.variable(&format!("F_t{n}"), &format!("v{n};"));
            script.text.push(' ');
        }
        let arguments = script.arguments();
        assert!(arguments[0].starts_with("f2bV_F_t0=$0 "), "{arguments:?}");
        assert!(arguments[0].contains(" f2bV_F_t10=${10} f2bV_F_t11=${11} \n"));
        assert_eq!(arguments[12], "v11;");
    }

    #[test]
    fn a_variable_named_twice_is_passed_once_and_names_are_plain() {
        let mut script = Script::default();
        script.variable("jail.name", "a b");
        script.variable("jail.name", "a b");
        assert_eq!(script.text, "$f2bV_jail_name$f2bV_jail_name");
        assert_eq!(script.variables.len(), 1);
    }

    #[test]
    fn nul_and_endless_values_fit_an_argument() {
        let mut script = Script::default();
        script.variable("matches", &format!("a\0{}", "é".repeat(LONGEST_VALUE)));
        let value = &script.variables[0].1;
        assert!(value.starts_with("a\u{fffd}é") && value.len() <= LONGEST_VALUE + 2);
        assert!(unsafe_in_text("a\0b") && unsafe_in_text(&"a".repeat(LONGEST_VALUE + 1)));
        assert!(!unsafe_in_text("plain value, with-signs=1:2/3%"));
    }
}
