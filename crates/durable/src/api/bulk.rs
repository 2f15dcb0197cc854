//! The same done to many sessions: a job that goes on by itself through restarts, and its receipt. A job decides; whoever
//! performs what it says keeps it after each step, so that a death repeats one step at most, and each may be repeated.

use longhaul_core::TimeMs;
use longhaul_trace::index::{BulkQuery, BulkRuns, BulkSession};
use serde::Serialize;

use super::{
    problem::{Outcome, Problem},
    query,
    wire::LATER_RUNS,
};

/// Jobs of a tenant that are not over.
pub(crate) const OPEN_MAX: usize = 8;
/// Receipts of jobs that are over, for each tenant.
pub(crate) const RECEIPTS_MAX: usize = 100;
/// How long such a receipt is kept, in milliseconds.
pub(crate) const KEPT_MS: TimeMs = 7 * 24 * 3_600_000;
/// How many sessions are asked at once.
pub(crate) const AT_ONCE: usize = 32;
/// How often a session is asked that does not answer: with the waits between, about four minutes.
pub(crate) const SESSION_TRIES_MAX: u32 = 10;
/// How often the index is asked that does not answer: about a quarter of an hour.
pub(crate) const INDEX_TRIES_MAX: u32 = 20;
/// The longest wait between two tries, in milliseconds.
const WAIT_MS_MAX: TimeMs = 60_000;
/// What is told to wait who has too many jobs, in seconds.
const RETRY_AFTER_SECONDS: &str = "5";

/// What is done to each session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// Its open runs are cancelled.
    Cancel,
    /// It is erased.
    Erase,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It goes on by itself.
    Working,
    /// It has gone through all sessions that fit.
    Done,
    /// The index of traces did not answer for long: sessions that were not listed stay as they are.
    GaveUp,
}

/// What has come of a request for many sessions so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "BulkReceipt"))]
pub(crate) struct Receipt {
    /// The receipt's id: of the latest 100 jobs that are over it is shown for 7 days.
    pub(crate) id: String,
    /// What is done to each session.
    pub(crate) action: Action,
    /// Where it stands.
    pub(crate) state: State,
    /// The filter, as a query string.
    pub(crate) filter: String,
    /// Who asked.
    pub(crate) by: String,
    /// When it was asked.
    pub(crate) asked_at: TimeMs,
    /// When it was over.
    pub(crate) ended_at: Option<TimeMs>,
    /// Sessions found so far.
    pub(crate) matched: u64,
    /// Those that are cancelled, or erased.
    pub(crate) done: u64,
    /// Those that are left as they are, because a run of theirs does not fit the filter, or was accepted after the request.
    pub(crate) left: u64,
    /// Those that could not be cancelled, or erased.
    pub(crate) failed: u64,
    /// What went wrong last.
    pub(crate) reason: Option<String>,
    /// Where the receipt is shown.
    pub(crate) links: Links,
}

/// Paths of this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "BulkLinks"))]
pub(crate) struct Links {
    /// The receipt.
    #[serde(rename = "self")]
    pub(crate) own: String,
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) action: Action,
    /// A query string; empty, every run fits.
    pub(crate) filter: String,
    pub(crate) by: String,
}

/// A job, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) receipt: Receipt,
    /// The last session that was listed.
    after: String,
    /// Sessions that were listed and are still to be asked.
    page: Vec<String>,
    /// The first of them, which did not answer yet and are asked alone.
    stuck: usize,
    tries: u32,
    /// Nothing is done before this time.
    due: TimeMs,
}

/// What a job does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask the index for the sessions after this one, then [`Job::listed`].
    List(String),
    /// Ask these sessions, then [`Job::answered`].
    Ask(Vec<String>),
}

/// What a session answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is as it was to be.
    Done,
    /// A run was accepted there after the request.
    Left,
    /// It refuses, and would again.
    Refused(String),
    /// It may answer another time.
    None(String),
}

impl Answer {
    /// By the status of an answer; `word` says more of a problem.
    pub(crate) fn of(status: u16, word: &str) -> Self {
        match status {
            200..=299 => Self::Done,
            // Nothing is there any more.
            404 => Self::Done,
            LATER_RUNS => Self::Left,
            429 | 502..=504 => Self::None(format!("a session answered {status} {word}")),
            _ => Self::Refused(format!("a session answered {status} {word}")),
        }
    }
}

impl Action {
    const ALL: [(&str, Self); 2] = [("cancel", Self::Cancel), ("erase", Self::Erase)];

    /// The action of a word.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == word).map(|(_, action)| action)
    }

    /// Its word.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// The method and the end of the path by which a session is asked.
    pub(crate) fn request(self) -> (&'static str, &'static str) {
        match self {
            Self::Cancel => ("POST", "/cancel"),
            Self::Erase => ("DELETE", ""),
        }
    }

    /// The runs that make a session fit.
    pub(crate) fn runs(self) -> BulkRuns {
        match self {
            Self::Cancel => BulkRuns::Open,
            Self::Erase => BulkRuns::Listed,
        }
    }
}

/// The filter of a job, by the parameters of this version: what it does not know would choose more than was asked for.
///
/// # Errors
/// 400 with every parameter at fault.
pub(crate) fn filter(query: &str) -> Outcome<BulkQuery> {
    query::bulk(&query::pairs(&format!("?{query}")))
}

impl Job {
    fn new(order: Order, now: TimeMs) -> Self {
        let Order { id, action, filter, by } = order;
        let links = Links::of(&id);
        let receipt = Receipt {
            id,
            action,
            state: State::Working,
            filter,
            by,
            asked_at: now,
            ended_at: None,
            matched: 0,
            done: 0,
            left: 0,
            failed: 0,
            reason: None,
            links,
        };
        Self { receipt, after: String::new(), page: Vec::new(), stuck: 0, tries: 0, due: now }
    }

    /// What it does next. One that is over does nothing.
    pub(crate) fn step(&self) -> Step {
        match self.page.len() {
            0 => Step::List(self.after.clone()),
            _ if self.stuck > 0 => Step::Ask(self.page[..self.stuck].to_vec()),
            all => Step::Ask(self.page[..all.min(AT_ONCE)].to_vec()),
        }
    }

    /// The index has answered, or has not. A page is kept before its sessions are asked: one that is gone from the index, and
    /// was not counted, would be missed.
    pub(crate) fn listed(&mut self, page: Result<Vec<BulkSession>, String>, now: TimeMs) {
        let page = match page {
            Ok(page) => page,
            Err(reason) => {
                self.receipt.reason = Some(line(&reason));
                if self.is_tired(INDEX_TRIES_MAX, now) {
                    self.end(State::GaveUp, now);
                }
                return;
            }
        };
        self.rest(now);
        let Some(last) = page.last() else { return self.end(State::Done, now) };
        self.after.clone_from(&last.session);
        self.receipt.matched += page.len() as u64;
        for found in page {
            if found.has_others {
                self.receipt.left += 1;
            } else {
                self.page.push(found.session);
            }
        }
    }

    /// The sessions of [`Step::Ask`] have answered, in their order. Those that have not are asked again, and nobody else
    /// meanwhile.
    pub(crate) fn answered(&mut self, answers: Vec<Answer>, now: TimeMs) {
        let mut stuck = Vec::new();
        let asked = answers.len().min(self.page.len());
        for (session, answer) in self.page.drain(..asked).zip(answers) {
            match answer {
                Answer::Done => self.receipt.done += 1,
                Answer::Left => self.receipt.left += 1,
                Answer::Refused(reason) => {
                    self.receipt.failed += 1;
                    self.receipt.reason = Some(line(&reason));
                }
                Answer::None(reason) => {
                    self.receipt.reason = Some(line(&reason));
                    stuck.push(session);
                }
            }
        }
        self.stuck = 0;
        if stuck.is_empty() {
            self.rest(now);
        } else if self.is_tired(SESSION_TRIES_MAX, now) {
            self.receipt.failed += stuck.len() as u64;
            self.rest(now);
        } else {
            self.stuck = stuck.len();
            self.page.splice(..0, stuck);
        }
    }

    /// Counts a try that gave nothing; whether there were enough.
    fn is_tired(&mut self, tries_max: u32, now: TimeMs) -> bool {
        let wait = (1_000 << self.tries.min(16)).min(WAIT_MS_MAX);
        self.tries += 1;
        self.due = now.saturating_add(wait);
        self.tries >= tries_max
    }

    fn rest(&mut self, now: TimeMs) {
        (self.tries, self.due) = (0, now);
    }

    fn end(&mut self, state: State, now: TimeMs) {
        self.receipt.state = state;
        self.receipt.ended_at = Some(now);
    }

    fn is_open(&self) -> bool {
        self.receipt.state == State::Working
    }

    /// As it is kept: lines, of which the last ones are sessions.
    pub(crate) fn to_text(&self) -> String {
        let Receipt {
            action,
            state,
            filter,
            by,
            asked_at,
            ended_at,
            matched,
            done,
            left,
            failed,
            reason,
            ..
        } = &self.receipt;
        let numbers = [
            *asked_at,
            ended_at.unwrap_or_default(),
            *matched,
            *done,
            *left,
            *failed,
            self.stuck as u64,
            self.tries.into(),
            self.due,
        ];
        let numbers = numbers.map(|number| number.to_string()).join(" ");
        let reason = reason.as_deref().unwrap_or_default();
        let head = [action.as_str(), state.as_str(), filter, by, &numbers, reason, &self.after];
        let mut text = head.join("\n");
        for session in &self.page {
            text.push('\n');
            text.push_str(session);
        }
        text
    }

    /// The same read; `None` where a later version has kept it in another form.
    pub(crate) fn of_text(id: &str, text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let mut next = || lines.next();
        let action = Action::of(next()?)?;
        let state = State::of(next()?)?;
        let (filter, by, numbers) = (next()?, next()?, next()?);
        let (reason, after) = (next()?, next()?);
        // A later version may know more of them.
        let numbers: Vec<u64> = numbers.split(' ').map_while(|number| number.parse().ok()).collect();
        let &[asked_at, ended_at, matched, done, left, failed, stuck, tries, due, ..] = numbers.as_slice()
        else {
            return None;
        };
        let receipt = Receipt {
            id: id.to_owned(),
            action,
            state,
            filter: filter.to_owned(),
            by: by.to_owned(),
            asked_at,
            ended_at: (ended_at > 0).then_some(ended_at),
            matched,
            done,
            left,
            failed,
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            links: Links::of(id),
        };
        let page: Vec<String> = lines.map(str::to_owned).collect();
        let stuck = page.len().min(usize::try_from(stuck).ok()?);
        let tries = u32::try_from(tries).ok()?;
        Some(Self { receipt, after: after.to_owned(), page, stuck, tries, due })
    }
}

impl State {
    const ALL: [(&str, Self); 3] =
        [("working", Self::Working), ("done", Self::Done), ("gave_up", Self::GaveUp)];

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == word).map(|(_, state)| state)
    }

    fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Links {
    fn of(id: &str) -> Self {
        Self { own: format!("/v1/bulk/{id}") }
    }
}

/// A reason on one line.
fn line(reason: &str) -> String {
    reason.chars().take(300).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// The jobs of a tenant, and what is kept of those that are over. In the order in which they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Vec<Job>);

/// What came of an order.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    pub(crate) job: &'a Job,
    /// Whether it was asked for before.
    pub(crate) is_known: bool,
}

impl Jobs {
    /// Those that were kept, each with its id, in their order; `None` where one has another form.
    pub(crate) fn stored(rows: impl Iterator<Item = (String, String)>) -> Option<Self> {
        rows.map(|(id, text)| Job::of_text(&id, &text)).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Takes an order. A job that is new must be kept.
    ///
    /// # Errors
    /// 409 for the id of another request, 429 where too many are under way.
    pub(crate) fn take(&mut self, order: Order, now: TimeMs) -> Outcome<Taken<'_>> {
        if let Some(place) = self.0.iter().position(|job| job.receipt.id == order.id) {
            let job = &self.0[place];
            if job.receipt.action != order.action || job.receipt.filter != order.filter {
                return Err(Problem::idempotency_conflict(
                    "the key was used for another request of many sessions",
                ));
            }
            return Ok(Taken { job, is_known: true });
        }
        if self.0.iter().filter(|job| job.is_open()).count() >= OPEN_MAX {
            let detail = format!("{OPEN_MAX} of this tenant are under way already: wait until one is over");
            return Err(Problem::too_many_jobs(detail).with_header("Retry-After", RETRY_AFTER_SECONDS));
        }
        self.0.push(Job::new(order, now));
        let job = &self.0[self.0.len() - 1];
        Ok(Taken { job, is_known: false })
    }

    /// A job by its id.
    pub(crate) fn find(&mut self, id: &str) -> Option<&mut Job> {
        self.0.iter_mut().find(|job| job.receipt.id == id)
    }

    /// The job whose turn it is: each gets a step, those that wait aside.
    pub(crate) fn due(&self, now: TimeMs) -> Option<&Job> {
        let open = self.0.iter().filter(|job| job.is_open() && job.due <= now);
        open.min_by_key(|job| job.due)
    }

    /// When there is something to do again.
    pub(crate) fn next_at(&self) -> Option<TimeMs> {
        let at = |job: &Job| job.receipt.ended_at.map_or(job.due, |at| at.saturating_add(KEPT_MS));
        self.0.iter().map(at).min()
    }

    /// Takes out the receipts that are no longer kept, and gives their ids.
    pub(crate) fn forget(&mut self, now: TimeMs) -> Vec<String> {
        let over = self.0.iter().filter(|job| !job.is_open()).count();
        let mut beyond = over.saturating_sub(RECEIPTS_MAX);
        let mut forgotten = Vec::new();
        self.0.retain(|job| {
            let Some(ended_at) = job.receipt.ended_at else { return true };
            let is_old = ended_at.saturating_add(KEPT_MS) <= now || beyond > 0;
            if is_old {
                beyond = beyond.saturating_sub(1);
                forgotten.push(job.receipt.id.clone());
            }
            !is_old
        });
        forgotten
    }
}

#[cfg(test)]
mod tests;
