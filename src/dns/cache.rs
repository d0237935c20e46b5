//! Answers with an end, and no more of them than fit.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Keeps `most` answers; a new one takes the place of what ends first.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    answers: HashMap<K, (V, Instant)>,
    most: usize,
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            answers: HashMap::new(),
            most,
        }
    }

    /// What is known and still good, and for how long.
    pub(super) fn find(&self, key: &K, now: Instant) -> Option<(&V, Duration)> {
        let (value, end) = self.answers.get(key)?;
        (now < *end).then(|| (value, *end - now))
    }

    /// What was known, however long ago.
    pub(super) fn past(&self, key: &K) -> Option<&V> {
        self.answers.get(key).map(|(value, _)| value)
    }

    pub(super) fn keep(&mut self, key: K, value: V, end: Instant) {
        if self.answers.len() >= self.most && !self.answers.contains_key(&key) {
            let first = self.answers.iter().min_by_key(|(_, (_, end))| *end);
            if let Some(first) = first.map(|(key, _)| key.clone()) {
                self.answers.remove(&first);
            }
        }
        self.answers.insert(key, (value, end));
    }

    pub(super) fn clear(&mut self) {
        self.answers = HashMap::new();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_first_makes_room_and_what_has_ended_is_only_past() {
        let now = crate::dns::now();
        let after = |secs| now + Duration::from_secs(secs);
        let mut cache = Cache::new(2);
        cache.keep("a", 1, after(9));
        cache.keep("b", 2, after(5));
        cache.keep("c", 3, after(7));
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.find(&"b", now), None);
        assert_eq!(cache.find(&"a", now), Some((&1, Duration::from_secs(9))));
        assert_eq!(cache.find(&"c", after(8)), None);
        assert_eq!(cache.past(&"c"), Some(&3));
        cache.keep("c", 4, after(20));
        assert_eq!(
            cache.find(&"c", after(8)),
            Some((&4, Duration::from_secs(12)))
        );
        assert_eq!(cache.len(), 2);
    }
}
