use std::fmt;

use longhaul_core::{Life, Seq, Spent, TimeMs};

use super::{
    problem::Problem,
    wire::{decode_spent, encode_spent, life_of, life_text},
};

const DAY_MS: TimeMs = 24 * 3_600_000;
/// A post whose answer was lost may be on its way for so long, in milliseconds: what its session says before tells nothing of it.
const POST_MS_MAX: TimeMs = 10_000;
/// How long the sessions are not asked again, in milliseconds: they tell by themselves, and a message is seldom lost.
const ASK_MS_MIN: TimeMs = 30_000;
/// Accounts in memory that are newer than what is stored.
const FRESH_MAX: usize = 1_000;
/// Erased sessions of one name whose late words are known for old. What is told of an older one would count again.
const ERASED_MAX: usize = 64;

/// What the runs of a tenant may cost that are let through in one UTC day, and what they take of it.
///
/// Each session has an account. A run that is to be started is **reserved** there before its post is passed on. Its session
/// **tells** what all its runs of the day take: of an open one what is set aside for it, of one that is over what it cost.
/// What a session tells is absolute, so it may be told twice, late or in another order. A post of which nobody knows what
/// became of it stays reserved until its session is asked.
#[derive(Debug)]
pub(crate) struct Spending<B> {
    book: B,
    today: Option<Today>,
}

/// What is kept in memory of a day.
#[derive(Debug, Default)]
struct Today {
    day: u32,
    /// The sum of all accounts.
    taken: u64,
    posts: Vec<Posts>,
    /// Accounts that differ from what is stored, and take as much.
    fresh: Vec<(String, Account)>,
    /// No session is asked before this time.
    asked_until: TimeMs,
}

/// The posts of a session that are on their way.
#[derive(Debug)]
struct Posts {
    session: String,
    count: u32,
    /// What was reserved for those that came back.
    done: u64,
    /// The newest that they brought, of each life of the session that they came to.
    told: Vec<Spent>,
}

/// Where the accounts of one day are stored. Absent from it is whatever takes nothing.
pub(crate) trait Book {
    type Error;

    /// The day of the accounts, and their sum; `None` where there is none.
    fn sum(&self) -> Result<Option<(u32, u64)>, Self::Error>;
    fn find(&self, session: &str) -> Result<Option<Account>, Self::Error>;
    fn keep(&self, day: u32, session: &str, account: &Account) -> Result<(), Self::Error>;
    /// Some of the accounts that are not [settled](Account::is_settled), others each time.
    fn unsettled(&self) -> Result<Vec<(String, Account)>, Self::Error>;
    /// Takes all accounts out.
    fn clear(&self) -> Result<(), Self::Error>;
}

/// What a session takes of the day's limit, in billionths of a US dollar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// For posts that are on their way, or whose answers were lost.
    reserved: u64,
    /// When the last one was let through.
    posted_at: TimeMs,
    /// What was spent in sessions of this name that were erased since.
    of_erased: u64,
    /// The last of them, at most [`ERASED_MAX`].
    erased: Vec<Life>,
    /// What the session told last.
    told: Spent,
}

/// What was set aside for a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// The day that the run counts in.
    pub(crate) day: u32,
    amount: u64,
}

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// Its session says what its runs take now.
    Told(Spent),
    /// It started no run.
    Refused,
    /// Nobody knows.
    Lost,
}

impl<B: Book> Spending<B> {
    pub(crate) fn new(book: B) -> Self {
        Self { book, today: None }
    }

    /// The day of its accounts, once it was asked.
    pub(crate) fn day(&self) -> Option<u32> {
        self.today.as_ref().map(|today| today.day)
    }

    /// Whether a run fits that may cost so much.
    pub(crate) fn has_room(&mut self, amount: u64, limit: u64, now: TimeMs) -> Result<bool, B::Error> {
        let today = self.open(now)?;
        Ok(today.taken.saturating_add(amount) <= limit)
    }

    /// Sets aside what a run may cost, where it fits. Its post must be told of by [`Self::passed`].
    pub(crate) fn reserve(
        &mut self,
        session: &str,
        (amount, limit): (u64, u64),
        now: TimeMs,
    ) -> Result<Option<Reservation>, B::Error> {
        if !self.has_room(amount, limit, now)? {
            return Ok(None);
        }
        let account = self.find(session)?;
        let reserved = account.reserved.saturating_add(amount);
        self.keep(session, Account { reserved, posted_at: now, ..account })?;
        let Some(today) = &mut self.today else { return Ok(None) };
        match today.posts.iter_mut().find(|posts| posts.session == session) {
            Some(posts) => posts.count += 1,
            None => {
                today.posts.push(Posts { session: session.to_owned(), count: 1, done: 0, told: Vec::new() })
            }
        }
        Ok(Some(Reservation { day: today.day, amount }))
    }

    /// A post that was let through is over. While others of its session are on their way nobody can tell which of them what
    /// is told counts: until then all stay reserved.
    pub(crate) fn passed(
        &mut self,
        session: &str,
        reservation: Reservation,
        passed: Passed,
    ) -> Result<(), B::Error> {
        let Some(today) = self.today.as_mut().filter(|today| today.day == reservation.day) else {
            return Ok(());
        };
        let Some(place) = today.posts.iter().position(|posts| posts.session == session) else {
            return Ok(());
        };
        let posts = &mut today.posts[place];
        posts.count -= 1;
        match passed {
            Passed::Told(spent) => {
                posts.done += reservation.amount;
                match posts.told.iter_mut().find(|told| told.life == spent.life) {
                    Some(told) if !is_newer(&spent, told) => {}
                    Some(told) => *told = spent,
                    None => posts.told.push(spent),
                }
            }
            Passed::Refused => posts.done += reservation.amount,
            Passed::Lost => {}
        }
        if posts.count > 0 {
            return Ok(());
        }
        let Posts { done, told, .. } = today.posts.swap_remove(place);
        let before = self.find(session)?;
        let mut account = Account { reserved: before.reserved.saturating_sub(done), ..before.clone() };
        told.into_iter().for_each(|spent| account.learn(spent));
        let Some(today) = &mut self.today else { return Ok(()) };
        // What is stored takes as much: the next that the session tells is stored.
        if account.taken() == before.taken() && today.fresh.len() < FRESH_MAX {
            today.refresh(session, account);
            return Ok(());
        }
        self.keep(session, account)
    }

    /// A session says, by itself or because it was asked, what its runs took at `at`. What is of another day counts no more.
    /// What was reserved long before is counted in that, or came to nothing.
    pub(crate) fn told(
        &mut self,
        session: &str,
        (spent, at): (Spent, TimeMs),
        now: TimeMs,
    ) -> Result<(), B::Error> {
        if self.open(now)?.day != spent.day {
            return Ok(());
        }
        let before = self.find(session)?;
        let is_on_its_way = self.today.as_ref().is_some_and(|today| today.is_on_its_way(session));
        // There may be such a session by now: a post that came since is stronger.
        if spent.head == Seq(0) && (is_on_its_way || before.posted_at >= at) {
            return Ok(());
        }
        let mut account = before.clone();
        account.learn(spent);
        if !is_on_its_way && account.is_over(at) {
            account.reserved = 0;
        }
        if account == before { Ok(()) } else { self.keep(session, account) }
    }

    /// The sessions to ask what their runs take: those that may take less than is known. None where they were asked just now.
    pub(crate) fn begin_asking(&mut self, now: TimeMs) -> Result<Vec<String>, B::Error> {
        if now < self.open(now)?.asked_until {
            return Ok(Vec::new());
        }
        let stored = self.book.unsettled()?;
        let Some(today) = &mut self.today else { return Ok(Vec::new()) };
        let newest = stored.into_iter().map(|(session, account)| {
            let account = today.fresh_of(&session).unwrap_or(account);
            (session, account)
        });
        let waiting = newest.filter(|(session, _)| !today.is_on_its_way(session));
        let (asked, early): (Vec<_>, Vec<_>) = waiting.partition(|(_, account)| account.is_worth_asking(now));
        if !asked.is_empty() {
            today.asked_until = now + if early.is_empty() { ASK_MS_MIN } else { POST_MS_MAX };
        }
        Ok(asked.into_iter().map(|(session, _)| session).collect())
    }

    /// The day of `now`. A day begins empty; where the clock was set back, the later day goes on.
    fn open(&mut self, now: TimeMs) -> Result<&mut Today, B::Error> {
        let now = day_of(now);
        let today = match self.today.take() {
            Some(today) if today.day >= now => today,
            None => match self.book.sum()? {
                Some((day, taken)) if day >= now => Today { day, taken, ..Today::default() },
                stored => self.begin(now, stored.is_some())?,
            },
            Some(_) => self.begin(now, true)?,
        };
        Ok(self.today.insert(today))
    }

    fn begin(&self, day: u32, has_accounts: bool) -> Result<Today, B::Error> {
        if has_accounts {
            self.book.clear()?;
        }
        Ok(Today { day, ..Today::default() })
    }

    fn find(&self, session: &str) -> Result<Account, B::Error> {
        let fresh = self.today.as_ref().and_then(|today| today.fresh_of(session));
        Ok(match fresh {
            Some(account) => account,
            None => self.book.find(session)?.unwrap_or_default(),
        })
    }

    /// Stores an account. What is in memory changes only if that was possible.
    fn keep(&mut self, session: &str, account: Account) -> Result<(), B::Error> {
        let before = self.find(session)?;
        let Some(today) = &mut self.today else { return Ok(()) };
        self.book.keep(today.day, session, &account)?;
        today.fresh.retain(|(own, _)| own != session);
        today.taken = today.taken.saturating_sub(before.taken()).saturating_add(account.taken());
        Ok(())
    }
}

impl Today {
    fn is_on_its_way(&self, session: &str) -> bool {
        self.posts.iter().any(|posts| posts.session == session)
    }

    fn fresh_of(&self, session: &str) -> Option<Account> {
        self.fresh.iter().find(|(own, _)| own == session).map(|(_, account)| account.clone())
    }

    fn refresh(&mut self, session: &str, account: Account) {
        self.fresh.retain(|(own, _)| own != session);
        self.fresh.push((session.to_owned(), account));
    }
}

impl Account {
    /// All that it takes of the limit.
    pub(crate) fn taken(&self) -> u64 {
        self.reserved.saturating_add(self.of_erased).saturating_add(self.told.nano_usd)
    }

    /// Whether it can take no less than it does: nothing is reserved, and no run is open.
    pub(crate) fn is_settled(&self) -> bool {
        self.reserved == 0 && !self.told.is_open
    }

    /// Whether there is nothing that anybody has to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken() == 0 && self.is_settled() && self.erased.is_empty() && self.told.head == Seq(0)
    }

    /// Whether no post is on its way any more, as far as anybody can tell.
    fn is_over(&self, now: TimeMs) -> bool {
        self.posted_at + POST_MS_MAX < now
    }

    fn is_worth_asking(&self, now: TimeMs) -> bool {
        self.told.is_open || self.is_over(now)
    }

    /// Takes what the session tells, unless it told something newer. A session of another life comes on top of the one
    /// before it, which told all that it cost before it was erased.
    fn learn(&mut self, spent: Spent) {
        let is_gone = spent.life.is_some_and(|life| self.erased.contains(&life));
        if spent.head > Seq(0) && is_gone {
            return;
        }
        if self.told.head == Seq(0) || is_newer(&spent, &self.told) {
            let is_another =
                self.told.head > Seq(0) && (spent.head == Seq(0) || spent.life != self.told.life);
            if is_another {
                self.of_erased = self.of_erased.saturating_add(self.told.nano_usd);
                self.erased.extend(self.told.life);
                if self.erased.len() > ERASED_MAX {
                    self.erased.remove(0);
                }
            }
            self.told = spent;
        }
    }
}

/// Whether what is told is newer than what was. Of two lives the one that is told of last is there.
fn is_newer(spent: &Spent, told: &Spent) -> bool {
    spent.life != told.life || spent.head == Seq(0) || spent.head > told.head
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reserved, posted_at, of_erased, erased, told } = self;
        write!(f, "{reserved} {posted_at} {of_erased} {} {}", lives_text(erased), encode_spent(told))
    }
}

impl Account {
    /// An account as it was stored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let mut next = || parts.next();
        Some(Self {
            reserved: next()?.parse().ok()?,
            posted_at: next()?.parse().ok()?,
            of_erased: next()?.parse().ok()?,
            erased: lives_of(next()?)?,
            told: decode_spent(next()?)?,
        })
    }
}

/// Lives as one word.
fn lives_text(lives: &[Life]) -> String {
    let words: Vec<_> = lives.iter().map(|life| life_text(Some(*life))).collect();
    if words.is_empty() { life_text(None) } else { words.join(",") }
}

/// The lives of a word; `None` where it is no such word.
fn lives_of(word: &str) -> Option<Vec<Life>> {
    let lives: Option<Vec<_>> = word.split(',').map(life_of).collect();
    Some(lives?.into_iter().flatten().collect())
}

/// The days from 1970 to a time.
#[expect(
    clippy::cast_possible_truncation,
    reason = "there are fewer than 2^32 of them for eleven million years"
)]
fn day_of(now: TimeMs) -> u32 {
    (now / DAY_MS) as u32
}

/// 429 until the next day.
pub(crate) fn exhausted(now: TimeMs) -> Problem {
    let seconds = (DAY_MS - now % DAY_MS).div_ceil(1_000);
    let detail = "the tenant's limit of this UTC day (TENANT_USD_PER_DAY) does not leave what the run may cost; name a \
                  smaller `budget.cost_usd`, or wait";
    Problem::budget_exhausted(detail).with_header("Retry-After", seconds.to_string())
}

#[cfg(test)]
mod tests;
