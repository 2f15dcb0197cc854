use std::collections::{BTreeMap, BTreeSet};

use super::*;

const NOW: TimeMs = 1_800_000_000_000;

fn order(id: &str, action: Action) -> Order {
    let (id, filter, by) = (id.to_owned(), "metadata.customer=42".to_owned(), "acme/ann".to_owned());
    Order { id, action, filter, by }
}

fn job() -> Job {
    Job::new(order("j", Action::Erase), NOW)
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("s{number:04}")).collect()
}

fn found(sessions: &[String]) -> Vec<BulkSession> {
    sessions.iter().map(|session| BulkSession { session: session.clone(), has_others: false }).collect()
}

fn counts(job: &Job) -> [u64; 4] {
    let Receipt { matched, done, left, failed, .. } = job.receipt;
    [matched, done, left, failed]
}

fn silent() -> Answer {
    Answer::None("a session did not answer".to_owned())
}

#[test]
fn a_job_lists_asks_and_ends() {
    let mut job = job();
    assert_eq!(job.step(), Step::List(String::new()));
    let mut page = found(&names(40));
    page[3].has_others = true;
    job.listed(Ok(page), NOW + 1);
    assert_eq!(counts(&job), [40, 0, 1, 0]);
    let Step::Ask(first) = job.step() else { panic!("{job:?}") };
    assert_eq!((first.len(), first.contains(&"s0003".to_owned())), (AT_ONCE, false));
    job.answered(vec![Answer::Done; AT_ONCE], NOW + 2);
    let Step::Ask(rest) = job.step() else { panic!("{job:?}") };
    assert_eq!(rest, names(40)[33..]);
    let mut answers = vec![Answer::Done; 5];
    answers.extend([Answer::Left, Answer::Refused("a session answered 500 internal".to_owned())]);
    job.answered(answers, NOW + 3);
    assert_eq!(counts(&job), [40, 37, 2, 1]);
    assert_eq!(job.step(), Step::List("s0039".to_owned()));
    assert!(job.is_open());
    job.listed(Ok(Vec::new()), NOW + 4);
    assert_eq!((job.receipt.state, job.receipt.ended_at), (State::Done, Some(NOW + 4)));
    assert_eq!(job.receipt.reason.as_deref(), Some("a session answered 500 internal"));
}

#[test]
fn an_answer_says_whether_to_ask_again() {
    for status in [202, 204, 404] {
        assert_eq!(Answer::of(status, ""), Answer::Done);
    }
    assert_eq!(Answer::of(LATER_RUNS, ""), Answer::Left);
    for status in [429, 502, 503, 504] {
        assert_eq!(Answer::of(status, "x"), Answer::None(format!("a session answered {status} x")));
    }
    for status in [400, 403, 409, 500] {
        assert_eq!(Answer::of(status, "x"), Answer::Refused(format!("a session answered {status} x")));
    }
}

#[test]
fn who_does_not_answer_is_asked_again_alone_and_given_up_in_the_end() {
    let mut job = job();
    job.listed(Ok(found(&names(40))), NOW);
    let mut answers = vec![Answer::Done; AT_ONCE];
    answers[7] = silent();
    answers[9] = silent();
    let mut now = NOW;
    job.answered(answers, now);
    assert_eq!(counts(&job), [40, 30, 0, 0]);
    let mut waits = Vec::new();
    for _ in 1..SESSION_TRIES_MAX {
        assert_eq!(job.step(), Step::Ask(vec!["s0007".to_owned(), "s0009".to_owned()]));
        waits.push(job.due - now);
        now = job.due;
        job.answered(vec![silent(), silent()], now);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|seconds| seconds * 1_000));
    assert_eq!((counts(&job), job.due), ([40, 30, 0, 2], now));
    let Step::Ask(rest) = job.step() else { panic!("{job:?}") };
    assert_eq!(rest, names(40)[32..]);
    job.answered([vec![silent()], vec![Answer::Done; 7]].concat(), now);
    assert_eq!(job.due, now + 1_000, "others have their own tries");
    job.answered(vec![Answer::Done], job.due);
    assert_eq!(counts(&job), [40, 38, 0, 2]);
}

#[test]
fn an_index_that_does_not_answer_ends_a_job_after_a_while() {
    let mut job = job();
    let mut now = NOW;
    for _ in 1..INDEX_TRIES_MAX {
        job.listed(Err("D1 is\ndown".to_owned()), now);
        assert_eq!((job.is_open(), job.receipt.reason.as_deref()), (true, Some("D1 is down")));
        assert!(job.due > now);
        now = job.due;
    }
    assert!((10 * 60_000..20 * 60_000).contains(&(now - NOW)), "{}", now - NOW);
    job.listed(Err("D1 is down".to_owned()), now);
    assert_eq!((job.receipt.state, job.receipt.ended_at), (State::GaveUp, Some(now)));
}

/// What is kept is read by every later version.
#[test]
fn a_job_is_kept_in_these_lines() {
    let mut job = job();
    job.listed(Ok(found(&names(3))), NOW + 5);
    job.answered(vec![Answer::Done, silent(), silent()], NOW + 7);
    let text = "erase\nworking\nmetadata.customer=42\nacme/ann\n\
                1800000000000 0 3 1 0 0 2 1 1800000001007\na session did not answer\ns0002\ns0001\ns0002";
    assert_eq!(job.to_text(), text);
    assert_eq!(Job::of_text("j", text), Some(job.clone()));
    job.answered(vec![Answer::Done; 2], NOW + 8);
    job.listed(Ok(Vec::new()), NOW + 9);
    let text = "erase\ndone\nmetadata.customer=42\nacme/ann\n\
                1800000000000 1800000000009 3 3 0 0 0 0 1800000000009\na session did not answer\ns0002";
    assert_eq!(job.to_text(), text);
    assert_eq!(Job::of_text("j", text).as_ref(), Some(&job));
    for wrong in ["", "later\nworking", "erase\nlater\n\n\n\n\n", "erase\nworking\n\n\n1 2\n\n"] {
        assert_eq!(Job::of_text("j", wrong), None, "{wrong}");
    }
    let more = text.replace(" 1800000000009\n", " 1800000000009 7\n");
    assert_eq!(Job::of_text("j", &more), Some(job), "a number of a later version");
    for (word, state) in State::ALL {
        assert_eq!((State::of(word), state.as_str()), (Some(state), word));
        assert_eq!(serde_json::to_value(state).unwrap(), word);
    }
    for (word, action) in Action::ALL {
        assert_eq!((Action::of(word), action.as_str()), (Some(action), word));
        assert_eq!(serde_json::to_value(action).unwrap(), word);
    }
}

#[test]
fn the_same_order_is_one_job() {
    let mut jobs = Jobs::default();
    assert!(!jobs.take(order("a", Action::Cancel), NOW).unwrap().is_known);
    let again = jobs.take(order("a", Action::Cancel), NOW + 9).unwrap();
    assert_eq!((again.is_known, again.job.receipt.asked_at), (true, NOW));
    let mut other = order("a", Action::Cancel);
    other.filter = "agent=shop".to_owned();
    for order in [order("a", Action::Erase), other] {
        assert_eq!(jobs.take(order, NOW).unwrap_err().code, "idempotency_conflict");
    }
    for number in 1..OPEN_MAX {
        jobs.take(order(&number.to_string(), Action::Erase), NOW).unwrap();
    }
    let refused = jobs.take(order("one more", Action::Erase), NOW).unwrap_err();
    assert_eq!((refused.status, refused.code), (429, "too_many_jobs"));
    assert!(jobs.take(order("a", Action::Cancel), NOW).unwrap().is_known, "a known one is no further one");
}

#[test]
fn jobs_take_turns_and_one_that_waits_holds_nobody_up() {
    let mut jobs = Jobs::default();
    jobs.take(order("a", Action::Erase), NOW).unwrap();
    jobs.take(order("b", Action::Erase), NOW).unwrap();
    let id = |jobs: &Jobs, now| jobs.due(now).map(|job| job.receipt.id.clone());
    assert_eq!(id(&jobs, NOW).as_deref(), Some("a"));
    jobs.find("a").unwrap().listed(Ok(found(&names(40))), NOW + 1);
    assert_eq!(id(&jobs, NOW + 1).as_deref(), Some("b"));
    jobs.find("b").unwrap().listed(Err("down".to_owned()), NOW + 2);
    assert_eq!(id(&jobs, NOW + 2).as_deref(), Some("a"));
    jobs.find("a").unwrap().answered(vec![silent(); AT_ONCE], NOW + 3);
    assert_eq!((id(&jobs, NOW + 3), jobs.next_at()), (None, Some(NOW + 1_002)));
    assert_eq!(id(&jobs, NOW + 1_002).as_deref(), Some("b"));
}

#[test]
fn receipts_are_kept_for_a_while_and_not_without_end() {
    let mut jobs = Jobs::default();
    let end = |jobs: &mut Jobs, number: usize, at| {
        jobs.take(order(&number.to_string(), Action::Erase), at).unwrap();
        jobs.find(&number.to_string()).unwrap().listed(Ok(Vec::new()), at);
    };
    for number in 0..RECEIPTS_MAX + 2 {
        end(&mut jobs, number, NOW + number as u64);
    }
    jobs.take(order("open", Action::Erase), NOW).unwrap();
    assert_eq!(jobs.forget(NOW), ["0", "1"]);
    assert!(jobs.forget(NOW + KEPT_MS + 1).is_empty());
    assert_eq!(jobs.forget(NOW + KEPT_MS + 2), ["2"]);
    let mut left = jobs.forget(NOW + 2 * KEPT_MS);
    assert_eq!((left.len(), left.pop().as_deref()), (RECEIPTS_MAX - 1, Some("101")));
    assert!(jobs.find("open").is_some());
}

/// A tenant's sessions and their index, which an asked one leaves.
struct World {
    sessions: BTreeMap<String, bool>,
    listed: BTreeSet<String>,
}

impl World {
    /// Every seventh session is another customer's, every fifth has a run of one.
    fn new(count: usize) -> Self {
        let sessions: BTreeMap<_, _> =
            names(count).into_iter().enumerate().map(|(place, name)| (name, place % 7 != 0)).collect();
        let listed = sessions.keys().cloned().collect();
        Self { sessions, listed }
    }

    fn has_others(session: &str) -> bool {
        session[1..].parse::<usize>().unwrap() % 5 == 0
    }

    fn list(&self, after: &str) -> Vec<BulkSession> {
        let fits = |session: &&String| session.as_str() > after && self.sessions.get(*session) == Some(&true);
        let sessions = self.listed.iter().filter(fits).take(10);
        sessions.map(|it| BulkSession { session: it.clone(), has_others: Self::has_others(it) }).collect()
    }

    fn erase(&mut self, session: &str) -> Answer {
        assert!(!Self::has_others(session), "{session} is to be left");
        self.listed.remove(session);
        assert_ne!(self.sessions.remove(session), Some(false), "{session} is another's");
        Answer::Done
    }
}

/// The process dies before the step, after half of the sessions were asked, after all were, or after it was kept: whatever
/// it does, the counts are those of a job that nothing happened to.
#[test]
fn a_job_survives_every_death() {
    const SESSIONS: usize = 120;
    let run = |deaths: &dyn Fn(usize) -> Option<u8>| {
        let (mut world, mut disk, mut died) = (World::new(SESSIONS), job().to_text(), 0);
        for step in 0.. {
            let mut job = Job::of_text("j", &disk).unwrap();
            if !job.is_open() {
                return (job, world, died);
            }
            let death = deaths(step);
            died += usize::from(death.is_some());
            if death == Some(0) {
                continue;
            }
            let now = NOW + step as u64;
            match job.step() {
                Step::List(after) => job.listed(Ok(world.list(&after)), now),
                Step::Ask(sessions) => {
                    let reached = if death == Some(1) { sessions.len() / 2 } else { sessions.len() };
                    let answers = sessions[..reached].iter().map(|session| world.erase(session)).collect();
                    if death != Some(1) {
                        job.answered(answers, now);
                    }
                }
            }
            if !matches!(death, Some(1 | 2)) {
                disk = job.to_text();
            }
        }
        unreachable!("a job ends")
    };
    let (undisturbed, world, _) = run(&|_| None);
    let mine = |place: &usize| !place.is_multiple_of(7);
    let left = (0..SESSIONS).filter(mine).filter(|place| place % 5 == 0).count() as u64;
    let all = (0..SESSIONS).filter(mine).count() as u64;
    assert_eq!(counts(&undisturbed), [all, all - left, left, 0]);
    for (session, is_mine) in &world.sessions {
        assert!(!is_mine || World::has_others(session), "{session} is still there");
    }
    let mut died = 0;
    for kind in 0..4 {
        for at in 0..40 {
            let (job, after, deaths) = run(&|step| (step == at).then_some(kind));
            assert_eq!(counts(&job), counts(&undisturbed), "death {kind} at {at}");
            assert_eq!((after.sessions, after.listed), (world.sessions.clone(), world.listed.clone()));
            died += deaths;
        }
        // Every second step.
        let (job, ..) = run(&|step| (step % 2 == 0).then_some(kind));
        assert_eq!(counts(&job), counts(&undisturbed), "death {kind} again and again");
    }
    assert!(died > 60, "{died}");
}
