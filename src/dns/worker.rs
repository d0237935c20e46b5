//! Who waits for which answer, what is remembered, and the thread that asks.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::Notify;

use super::ask;
use super::cache::Cache;
use super::{Asker, Reverse, now};
use crate::model::{NameAnswer, NameProblem, Span};

/// How long an answer may take, whatever it takes to get it.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// For a question that waits behind others.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// fail2ban's caches keep 1000 names, for 5 minutes; a record that ends sooner does.
const CACHED: usize = 1000;
const LONGEST: Duration = Duration::from_secs(300);
/// A record that says 0 would be asked for with every line.
const SHORTEST: Duration = Duration::from_secs(5);
/// That there is no such name is soon true no more.
const NOTHING: Duration = Duration::from_secs(60);
/// A server that does not answer is asked again after that.
const FAILED: Duration = Duration::from_secs(30);
/// How many questions of one kind may wait; what an attacker's lines add beyond is not asked.
const WAITING: usize = 1000;
/// How many are asked at the same time: a name whose server hangs takes one place for [`LIMIT`].
const AT_ONCE: usize = 64;
/// After so many addresses that took so long and got no answer, in a row, others are not asked about
/// for [`FAILED`]: ten thousand bans do not wait one after the other for a server that is gone.
const GIVEN_UP: u32 = 3;
const SLOW: Duration = Duration::from_secs(1);
/// How long the thread stays without a question.
const IDLE: Duration = Duration::from_secs(20);
/// The thread's stack; nothing in it recurses.
const STACK: usize = 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    Name(Arc<str>, Asker),
    Address(IpAddr),
    /// What TXT records a name has; not remembered.
    Texts(Arc<str>),
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Addresses(NameAnswer),
    Reverse(Reverse),
    Texts(Result<Vec<String>, NameProblem>),
}

/// Gets an answer.
pub(super) type Tell = Box<dyn FnOnce(Answer) + Send>;

/// What the handles and the thread share.
pub(super) struct Shared {
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    running: bool,
    /// Questions not asked yet, the operator's, the actions', the logs'.
    queues: [VecDeque<Question>; KINDS],
    asking: [usize; KINDS],
    waiting: HashMap<Question, Vec<Tell>>,
    names: [Cache<Arc<str>, NameAnswer>; 2],
    addresses: Cache<IpAddr, Reverse>,
    /// Addresses without an answer, one after the other, and since when.
    unanswered: u32,
    given_up: Option<Instant>,
}

const KINDS: usize = 3;

impl Question {
    const fn kind(&self) -> usize {
        match self {
            Self::Name(_, Asker::Operator) => 0,
            Self::Address(_) | Self::Texts(_) => 1,
            Self::Name(_, Asker::Log) => 2,
        }
    }

    /// The answer where nobody can be asked.
    fn unanswered(&self, why: &str) -> Answer {
        match self {
            Self::Name(..) => Answer::Addresses(nothing(NameProblem::NoAnswer)),
            Self::Address(_) => Answer::Reverse(Reverse::Unknown(why.to_owned())),
            Self::Texts(_) => Answer::Texts(Err(NameProblem::NoAnswer)),
        }
    }
}

pub(super) fn nothing(problem: NameProblem) -> NameAnswer {
    NameAnswer {
        addresses: Vec::new(),
        problem: Some(problem),
        age: Span::from_secs(FAILED.as_secs() as i64),
        remembered: false,
    }
}

pub(super) fn too_slow() -> String {
    format!("no answer within {} s", LIMIT.as_secs())
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Default for Shared {
    fn default() -> Self {
        let state = State {
            running: false,
            queues: Default::default(),
            asking: [0; KINDS],
            waiting: HashMap::new(),
            names: [Cache::new(CACHED), Cache::new(CACHED)],
            addresses: Cache::new(CACHED),
            unanswered: 0,
            given_up: None,
        };
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
        }
    }
}

impl State {
    fn remembered(&self, question: &Question, now: Instant) -> Option<Answer> {
        match question {
            Question::Name(name, asker) => {
                let (answer, left) = self.names[*asker as usize].find(name, now)?;
                let answer = NameAnswer {
                    age: Span::from_secs(left.as_secs() as i64),
                    remembered: true,
                    ..answer.clone()
                };
                Some(Answer::Addresses(answer))
            }
            Question::Address(address) => {
                let (answer, _) = self.addresses.find(address, now)?;
                Some(Answer::Reverse(answer.clone()))
            }
            Question::Texts(_) => None,
        }
    }

    /// Why a question is not asked.
    fn refused(&self, question: &Question, now: Instant) -> Option<&'static str> {
        let kind = question.kind();
        let lately = |since: Instant| now.duration_since(since) < FAILED;
        if self.queues[kind].len() >= WAITING {
            Some("too many others wait for an answer")
        } else if matches!(question, Question::Address(_)) && self.given_up.is_some_and(lately) {
            Some("the name servers did not answer the last questions")
        } else {
            None
        }
    }

    /// The next to ask: the operator's first, and no kind takes another's places.
    fn next(&mut self) -> Option<Question> {
        for kind in 0..KINDS {
            if self.asking[kind] < AT_ONCE
                && let Some(question) = self.queues[kind].pop_front()
            {
                self.asking[kind] += 1;
                return Some(question);
            }
        }
        None
    }

    /// Whether an address was asked about in vain.
    fn note(&mut self, in_vain: bool, now: Instant) {
        self.unanswered = if in_vain { self.unanswered + 1 } else { 0 };
        self.given_up = (self.unanswered >= GIVEN_UP).then_some(now);
    }

    /// Keeps an answer for as long as it is good; what is told may be an older one that was better.
    fn keep(&mut self, question: &Question, answer: Answer, now: Instant) -> Answer {
        match (question, answer) {
            (Question::Name(name, asker), Answer::Addresses(mut answer)) => {
                let names = &mut self.names[*asker as usize];
                if answer.problem == Some(NameProblem::NoAnswer)
                    && let Some(past) = names.past(name)
                    && past.problem.is_none()
                {
                    // Where a name server is down, a name is most likely where it was.
                    answer.addresses.clone_from(&past.addresses);
                    answer.problem = None;
                }
                let age = Duration::from_micros(answer.age.micros().unsigned_abs());
                names.keep(Arc::clone(name), answer.clone(), now + age);
                Answer::Addresses(answer)
            }
            (Question::Address(address), Answer::Reverse(answer)) => {
                let age = match answer {
                    Reverse::Confirmed(_) | Reverse::Unconfirmed(_) | Reverse::Unfit(_) => LONGEST,
                    Reverse::Nameless => NOTHING,
                    Reverse::Unknown(_) => FAILED,
                };
                self.addresses.keep(*address, answer.clone(), now + age);
                Answer::Reverse(answer)
            }
            (_, answer) => answer,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.names.iter_mut().for_each(Cache::clear);
        state.addresses.clear();
        (state.unanswered, state.given_up) = (0, None);
    }

    pub(super) fn ask(self: &Arc<Self>, question: Question, tell: Tell) {
        let now = now();
        let mut state = self.lock();
        if let Some(answer) = state.remembered(&question, now) {
            drop(state);
            return tell(answer);
        }
        if let Some(waiting) = state.waiting.get_mut(&question) {
            return waiting.push(tell);
        }
        if let Some(why) = state.refused(&question, now) {
            drop(state);
            return tell(question.unanswered(why));
        }
        state.waiting.insert(question.clone(), vec![tell]);
        state.queues[question.kind()].push_back(question);
        let begins = !std::mem::replace(&mut state.running, true);
        drop(state);
        if begins {
            self.begin();
        }
        self.wake.notify_one();
    }

    fn begin(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        let started = thread::Builder::new()
            .name("dns".into())
            .stack_size(STACK)
            .spawn(move || shared.serve());
        if let Err(error) = started {
            self.give_up(&error.to_string());
        }
    }

    /// The thread.
    fn serve(self: Arc<Self>) {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(ask::OTHERS)
            .thread_stack_size(STACK)
            .build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(self.answer());
                runtime.shutdown_background();
            }
            Err(error) => self.give_up(&error.to_string()),
        }
    }

    /// Starts what waits, until nothing has waited for a while.
    async fn answer(self: &Arc<Self>) {
        let asked = Arc::new(ask::Sources::default());
        loop {
            while let Some(question) = self.next() {
                let (shared, sources) = (Arc::clone(self), Arc::clone(&asked));
                tokio::spawn(async move {
                    let asked = now();
                    let answer = sources.ask(&question).await;
                    shared.told(&question, answer, asked);
                });
            }
            let waited = tokio::time::timeout(IDLE, self.wake.notified()).await;
            if waited.is_err() && self.may_end() {
                return;
            }
        }
    }

    fn next(&self) -> Option<Question> {
        self.lock().next()
    }

    fn may_end(&self) -> bool {
        let mut state = self.lock();
        let ends = state.waiting.is_empty();
        if ends {
            state.running = false;
            // What a flood has made grow is given back.
            state.waiting.shrink_to_fit();
            state.queues.iter_mut().for_each(VecDeque::shrink_to_fit);
        }
        ends
    }

    /// Hands an answer to all who wait for it.
    fn told(&self, question: &Question, answer: Answer, asked: Instant) {
        let mut state = self.lock();
        state.asking[question.kind()] -= 1;
        let now = now();
        if let Answer::Reverse(answer) = &answer {
            let slow = now.duration_since(asked) >= SLOW;
            state.note(slow && matches!(answer, Reverse::Unknown(_)), now);
        }
        let answer = state.keep(question, answer, now);
        let waiting = state.waiting.remove(question).unwrap_or_default();
        drop(state);
        self.wake.notify_one();
        for tell in waiting {
            tell(answer.clone());
        }
    }

    /// No thread, no answers.
    fn give_up(&self, why: &str) {
        let mut state = self.lock();
        state.running = false;
        state.queues.iter_mut().for_each(VecDeque::clear);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for (question, tells) in waiting {
            for tell in tells {
                tell(question.unanswered(why));
            }
        }
    }
}

/// How long a record is kept that says so itself.
pub(super) fn age(told: Duration) -> Span {
    Span::from_secs(told.clamp(SHORTEST, LONGEST).as_secs() as i64)
}

/// How long a name's absence is kept.
pub(super) fn age_of_nothing(problem: NameProblem) -> Span {
    let age = match problem {
        NameProblem::NoSuchName | NameProblem::NoAddress => NOTHING,
        NameProblem::NoAnswer => FAILED,
    };
    Span::from_secs(age.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str) -> Answer {
        Answer::Addresses(NameAnswer {
            addresses: vec![address.parse().unwrap()],
            problem: None,
            age: Span::from_secs(5),
            remembered: false,
        })
    }

    fn addresses(answer: &Answer) -> Vec<String> {
        match answer {
            Answer::Addresses(answer) => answer.addresses.iter().map(IpAddr::to_string).collect(),
            Answer::Reverse(_) | Answer::Texts(_) => panic!("{answer:?}"),
        }
    }

    #[test]
    fn where_nobody_answers_a_name_is_where_it_was() {
        let shared = Shared::default();
        let mut state = shared.lock();
        let question = Question::Name("a.example".into(), Asker::Operator);
        let start = now();
        state.keep(&question, found("192.0.2.1"), start);
        let later = start + Duration::from_secs(60);
        assert!(state.remembered(&question, later).is_none());
        let answer = state.keep(&question, question.unanswered(""), later);
        assert_eq!(addresses(&answer), ["192.0.2.1"]);
        let gone = Answer::Addresses(nothing(NameProblem::NoSuchName));
        assert!(addresses(&state.keep(&question, gone, later)).is_empty());
    }

    #[test]
    fn a_flood_of_names_waits_within_bounds_and_the_operators_go_first() {
        let shared = Arc::new(Shared::default());
        shared.lock().running = true;
        let (send, told) = std::sync::mpsc::channel();
        for n in 0..10 * WAITING {
            let send = send.clone();
            let question = Question::Name(format!("{n}.example").into(), Asker::Log);
            shared.ask(question, Box::new(move |answer| send.send(answer).unwrap()));
        }
        assert_eq!(told.try_iter().count(), 9 * WAITING);
        let name = Question::Name("home.example".into(), Asker::Operator);
        shared.ask(name.clone(), Box::new(|_| {}));
        let mut state = shared.lock();
        assert_eq!(state.waiting.len(), WAITING + 1);
        assert_eq!(state.next(), Some(name));
        let others = std::iter::from_fn(|| state.next()).count();
        assert_eq!(others, AT_ONCE);
    }

    #[test]
    fn servers_that_are_gone_are_not_asked_about_every_address() {
        let shared = Arc::new(Shared::default());
        let mut state = shared.lock();
        for n in 1..=3_u8 {
            let question = Question::Address([192, 0, 2, n].into());
            assert_eq!(state.refused(&question, now()), None);
            state.note(true, now());
        }
        let next = Question::Address([192, 0, 2, 9].into());
        assert!(state.refused(&next, now()).is_some());
        let later = now() + FAILED;
        assert_eq!(state.refused(&next, later), None);
        let name = Question::Name("a.example".into(), Asker::Log);
        assert_eq!(state.refused(&name, now()), None);
        state.note(false, later);
        assert_eq!(state.refused(&next, now()), None);
    }
}
