//! `journalmatch`: which entries a jail wants. As `journalctl` reads its arguments: different
//! fields must all match, of one field any value, and `+` (or another line) begins an alternative.

use std::fmt;

/// A jail's expression; an empty one takes every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalMatch {
    alternatives: Vec<Vec<String>>,
}

/// A word that is no `FIELD=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchError {
    word: String,
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected FIELD=value or + in journalmatch, found '{}'",
            self.word
        )
    }
}

/// The service fail2ban runs as, and ours: who watches one watches the other, or a recidive jail
/// written for fail2ban would see nothing.
const SERVICES: (&str, &str) = (
    "_SYSTEMD_UNIT=fail2ban.service",
    "_SYSTEMD_UNIT=rban.service",
);

/// systemd's limit of a field's name.
const NAME_MAX: usize = 64;

impl JournalMatch {
    /// Reads the words of all lines.
    ///
    /// # Errors
    /// At the first word that is neither `+` nor a match that systemd would take.
    pub fn parse(lines: &[Vec<String>]) -> Result<Self, MatchError> {
        let mut alternatives: Vec<Vec<String>> = Vec::new();
        for line in lines {
            for words in line
                .split(|word| word == "+")
                .filter(|words| !words.is_empty())
            {
                let mut terms = Vec::with_capacity(words.len());
                for word in words {
                    check(word)?;
                    terms.push(word.clone());
                    if word == SERVICES.0 {
                        terms.push(SERVICES.1.to_owned());
                    }
                }
                // Side by side: the terms of one field.
                terms.sort_by(|one, other| name(one).cmp(name(other)));
                alternatives.push(terms);
            }
        }
        Ok(Self { alternatives })
    }

    /// All terms there are.
    pub(super) fn terms(&self) -> impl Iterator<Item = &str> {
        self.alternatives.iter().flatten().map(String::as_str)
    }

    /// Whether an entry is wanted, of which `has` knows the fields.
    pub(super) fn takes(&self, has: impl Fn(&str) -> bool) -> bool {
        self.alternatives.is_empty()
            || self.alternatives.iter().any(|terms| {
                terms
                    .chunk_by(|one, other| name(one) == name(other))
                    .all(|values| values.iter().any(|term| has(term)))
            })
    }
}

fn name(term: &str) -> &str {
    term.split('=').next().unwrap_or_default()
}

fn check(word: &str) -> Result<(), MatchError> {
    let is_valid = word.split_once('=').is_some_and(|(name, _)| {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        !name.is_empty()
            && name.len() <= NAME_MAX
            && !name.starts_with("__")
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.bytes().all(allowed)
    });
    if is_valid {
        return Ok(());
    }
    Err(MatchError {
        word: word.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> JournalMatch {
        JournalMatch::parse(&words(lines)).expect("a journalmatch")
    }

    fn words(lines: &[&str]) -> Vec<Vec<String>> {
        let words = |line: &&str| line.split(' ').map(str::to_owned).collect();
        lines.iter().map(words).collect()
    }

    fn takes(expression: &JournalMatch, fields: &[&str]) -> bool {
        expression.takes(|term| fields.contains(&term))
    }

    #[test]
    fn different_fields_must_all_match_and_of_one_field_any_value() {
        let expression = parse(&["_A=1 _B=2 _A=3"]);
        assert!(takes(&expression, &["_A=1", "_B=2"]));
        assert!(takes(&expression, &["_A=3", "_B=2", "_C=1"]));
        assert!(!takes(&expression, &["_A=1", "_A=3"]));
        assert!(!takes(&expression, &["_B=2"]));
    }

    #[test]
    fn plus_and_a_line_begin_an_alternative() {
        let expression = parse(&["_A=1 + _B=2 _C=3", "_D=4"]);
        for (fields, expected) in [
            (&["_A=1"][..], true),
            (&["_B=2"], false),
            (&["_B=2", "_C=3"], true),
            (&["_D=4"], true),
            (&[], false),
        ] {
            assert_eq!(takes(&expression, fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn without_a_match_every_entry_is_wanted() {
        for lines in [&[][..], &["+"], &["+ +"]] {
            assert!(takes(&parse(lines), &["_A=1"]), "{lines:?}");
        }
    }

    #[test]
    fn who_watches_fail2ban_watches_us() {
        let expression = parse(&["_SYSTEMD_UNIT=fail2ban.service PRIORITY=5"]);
        assert!(takes(
            &expression,
            &["_SYSTEMD_UNIT=rban.service", "PRIORITY=5"]
        ));
        assert!(takes(
            &expression,
            &["_SYSTEMD_UNIT=fail2ban.service", "PRIORITY=5"]
        ));
        assert!(!takes(
            &expression,
            &["_SYSTEMD_UNIT=rban.service", "PRIORITY=6"]
        ));
        assert!(!takes(
            &parse(&["_SYSTEMD_UNIT=sshd.service"]),
            &["_SYSTEMD_UNIT=rban.service"]
        ));
    }

    #[test]
    fn what_systemd_would_not_take_is_an_error() {
        for wrong in [
            "",
            "sshd.service",
            "=x",
            "__CURSOR=x",
            "1A=x",
            "a=x",
            "A B=x",
            "/usr/bin/sshd",
        ] {
            let lines = [vec![wrong.to_owned()]];
            let error = JournalMatch::parse(&lines).expect_err(wrong);
            assert!(error.to_string().contains(&format!("'{wrong}'")), "{error}");
        }
        assert!(JournalMatch::parse(&words(&["_A= B_1=a=b"])).is_ok());
    }
}
