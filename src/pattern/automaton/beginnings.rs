//! Lines begin as lines before them did: a search goes on from where an earlier one stood behind what
//! the two have in common.
//!
//! Where a search stands depends on nothing but the bytes behind it, so this changes no answer. A
//! beginning is remembered for each kind of line (by its first bytes), with a few places in it, each
//! noted when a second line went another way there.

use super::travel::Journey;

/// Kinds of lines that are told apart.
const KINDS: usize = 8;
/// Bytes by which they are.
const FIRST: usize = 8;
/// Bytes of a line that are remembered.
const LONGEST: usize = 128;
/// Places in a beginning that are noted.
const PLACES: usize = 3;
/// Fewer bytes are as soon looked up as recalled.
const WORTH: usize = 8;
/// Lines after which a beginning makes room for one that is more like those of today.
const LIFE: u32 = 1 << 10;

/// The beginnings of lines that were searched.
#[derive(Debug, Default)]
pub(super) struct Beginnings(Vec<Beginning>);

#[derive(Clone, Debug, Default)]
struct Beginning {
    text: Vec<u8>,
    /// In the order of the text.
    places: Vec<Place>,
    uses: u32,
}

/// Where a search stood behind so many bytes.
#[derive(Clone, Debug)]
struct Place {
    at: usize,
    row: usize,
    matched: Option<u16>,
    trail: Box<[(u32, u32)]>,
}

/// What is known of a text before it is searched.
pub(super) struct Known<'a> {
    beginning: &'a mut Beginning,
    /// Bytes in common; a place worth noting is behind them.
    common: Option<usize>,
}

impl Beginnings {
    /// Forgets all: rows and actions have changed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many places are known.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.0.iter().map(|beginning| beginning.places.len()).sum()
    }

    /// Puts a journey through `body`, a text without its last newline, to the last place that is
    /// known; `None` where there is nothing to learn from it either.
    pub(super) fn recall(&mut self, body: &[u8], journey: &mut Journey) -> Option<Known<'_>> {
        let first = u64::from_le_bytes(*body.first_chunk::<FIRST>()?);
        if self.0.is_empty() {
            self.0.resize_with(KINDS, Beginning::default);
        }
        // Fibonacci's hash: the upper bits depend on all bytes.
        let kind = first.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61;
        let beginning = &mut self.0[kind as usize];
        let common = in_common(&beginning.text, body);
        beginning.uses += 1;
        let place = beginning.places.iter().rfind(|place| place.at <= common);
        if let Some(place) = place {
            journey.row = place.row;
            journey.at = place.at;
            journey.matched = place.matched;
            journey.trail.extend_from_slice(&place.trail);
        }
        let is_new = place.is_none() && common < WORTH;
        if is_new || beginning.uses >= LIFE {
            beginning.text.clear();
            beginning
                .text
                .extend_from_slice(&body[..body.len().min(LONGEST)]);
            beginning.places.clear();
            beginning.uses = 0;
            return None;
        }
        let is_worth = beginning.places.len() < PLACES && common >= journey.at + WORTH;
        Some(Known {
            beginning,
            common: is_worth.then_some(common),
        })
    }
}

impl Known<'_> {
    /// Where a place is worth noting, if anywhere.
    pub(super) const fn pause(&self) -> Option<usize> {
        self.common
    }

    /// Notes where a journey stands, if that is behind the bytes in common.
    pub(super) fn note(self, journey: &Journey) {
        if self.common != Some(journey.at) {
            return;
        }
        let places = &mut self.beginning.places;
        let before = places.partition_point(|place| place.at < journey.at);
        places.insert(
            before,
            Place {
                at: journey.at,
                row: journey.row,
                matched: journey.matched,
                trail: journey.trail.as_slice().into(),
            },
        );
    }
}

/// Bytes with which both begin.
fn in_common(a: &[u8], b: &[u8]) -> usize {
    let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let mut same = 0;
    for (a, b) in a_words.iter().zip(b_words) {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return same + differ.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = a[same..].iter().zip(&b[same..]);
    same + rest.take_while(|(a, b)| a == b).count()
}
