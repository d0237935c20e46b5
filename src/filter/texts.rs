//! Texts, and lines with their dates, one behind the other in one allocation that is used again.

use super::buffer::Tuple;
use crate::model::MatchedLine;

/// Memory kept for texts to come.
const KEPT: usize = 4096;

/// A list of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT);
        self.ends.clear();
        self.ends.shrink_to(KEPT / size_of::<u32>());
    }

    pub(super) fn push(&mut self, text: &str) {
        self.push_parts([text, "", ""]);
    }

    fn push_parts(&mut self, parts: [&str; 3]) {
        for part in parts {
            self.text.push_str(part);
        }
        self.ends.push(self.text.len() as u32);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.text[start as usize..end as usize])
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.iter().any(|known| known == text)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Drops the first `count`.
    fn drop_first(&mut self, count: usize) {
        let Some(&cut) = count.checked_sub(1).and_then(|last| self.ends.get(last)) else {
            return;
        };
        self.text.drain(..cut as usize);
        self.ends.drain(..count);
        for end in &mut self.ends {
            *end -= cut;
        }
    }
}

/// The lines a match covers, wherever they are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Covered<'a> {
    One(Tuple<'a>),
    Several(&'a [MatchedLine]),
}

impl Covered<'_> {
    pub(super) fn to_vec(self) -> Vec<MatchedLine> {
        match self {
            Self::One(tuple) => vec![tuple.matched()],
            Self::Several(lines) => lines.to_vec(),
        }
    }
}

/// A list of matched lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    texts: Texts,
    dates: Vec<Option<(u32, u32)>>,
}

impl Lines {
    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.dates.clear();
    }

    pub(super) fn push(&mut self, lines: Covered<'_>) {
        match lines {
            Covered::One(tuple) => {
                self.texts
                    .push_parts([tuple.before, tuple.date, tuple.after]);
                self.dates.push(Some(tuple.date_place()));
            }
            Covered::Several(lines) => {
                for line in lines {
                    self.texts.push(&line.text);
                    self.dates.push(line.date);
                }
            }
        }
    }

    /// Puts the lines of `other` behind these, and leaves it empty.
    pub(super) fn append(&mut self, other: &mut Self) {
        for (text, date) in other.texts.iter().zip(&other.dates) {
            self.texts.push(text);
            self.dates.push(*date);
        }
        other.clear();
    }

    /// Keeps the last `most`.
    pub(super) fn bound(&mut self, most: usize) {
        let surplus = self.dates.len().saturating_sub(most);
        if surplus > 0 {
            self.texts.drop_first(surplus);
            self.dates.drain(..surplus);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.dates.is_empty()
    }

    pub(super) fn to_vec(&self) -> Vec<MatchedLine> {
        let lines = self.texts.iter().zip(&self.dates);
        lines
            .map(|(text, &date)| MatchedLine {
                text: text.into(),
                date,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> MatchedLine {
        MatchedLine {
            text: text.into(),
            date: Some((0, 1)),
        }
    }

    #[test]
    fn lines_come_out_as_they_went_in_and_the_oldest_go_first() {
        let mut lines = Lines::default();
        lines.push(Covered::Several(&[line("one"), line("two")]));
        let tuple = Tuple {
            before: "a ",
            date: "now",
            after: " b",
        };
        lines.push(Covered::One(tuple));
        let mut earlier = Lines::default();
        earlier.push(Covered::Several(&[line("zero")]));
        earlier.append(&mut lines);
        assert!(lines.is_empty());
        let last = MatchedLine {
            text: "a now b".into(),
            date: Some((2, 5)),
        };
        let all = [line("zero"), line("one"), line("two"), last];
        assert_eq!(earlier.to_vec(), all);
        earlier.bound(2);
        assert_eq!(earlier.to_vec(), all[2..]);
        earlier.bound(2);
        assert_eq!(earlier.to_vec().len(), 2);
    }
}
