//! SIGKILL while calls of the model are under way, and the time until each is made again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, bail};
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::{Field, How, Mode};
use crate::{
    clock::now_us,
    compare::{
        book::{Better, Book},
        player::{Playing, works},
    },
    model::Work,
};

const RESUME: &str = "resume";
/// The turn that is under way when the processes die.
const HELD: usize = 2;

/// A death that is survived within this time is played again, and with many sessions.
const SLOW: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Nobody,
    AtOnce,
}

/// How long one death was survived, in milliseconds.
struct Resumed {
    /// From the start of the processes to the last session's repeated call; of a visited one from the visit.
    ms: f64,
    /// Of these, after it listened.
    listening_ms: f64,
}

impl Resumed {
    fn is_slow(&self) -> bool {
        self.ms > SLOW.as_secs_f64() * 1e3
    }
}

pub(super) async fn measure(field: &Field<'_>, book: &mut Book) -> Result<()> {
    let kills = field.by_mode(3, 7, 15);
    let patience = Duration::from_secs(field.by_mode(5, 30, 60));
    let crowds: &[usize] = field.by_mode(&[1], &[1, 100], &[1, 100]);
    for player in &field.players {
        // Of a contestant that needs so long for one session, many are not tried.
        let mut is_slow = false;
        for crowd in crowds {
            for visit in [Visit::Nobody, Visit::AtOnce] {
                let titles = titles(*crowd, visit);
                if !player.contestant.resumes() {
                    book.say(RESUME, &titles[0], Better::Less, player.name(), "never");
                    continue;
                }
                if is_slow && *crowd > 1 && field.mode != Mode::Full {
                    book.say(RESUME, &titles[0], Better::Less, player.name(), "--full");
                    continue;
                }
                let tools = !player.contestant.plays(false);
                let began = Instant::now();
                let mut playing = match player.start(&field.model, How { tools, ..How::default() }).await {
                    Ok(playing) => playing,
                    Err(error) => {
                        book.fail(player.name(), RESUME, &error);
                        continue;
                    }
                };
                for _ in 0..kills {
                    let resumed = kill_once(field, &mut playing, *crowd, visit, patience).await;
                    let slow = |resumed: &Option<Resumed>| resumed.as_ref().is_none_or(Resumed::is_slow);
                    is_slow |= resumed.as_ref().is_ok_and(slow);
                    match resumed {
                        Ok(Some(resumed)) => note(book, &titles, player.name(), visit, &resumed),
                        Ok(None) => {
                            let words = format!("> {} s", patience.as_secs());
                            book.say(RESUME, &titles[0], Better::Less, player.name(), &words);
                            break;
                        }
                        Err(error) => {
                            book.fail(player.name(), &titles[0], &error);
                            break;
                        }
                    }
                    // Who needs long is not asked as often.
                    if began.elapsed() > SLOW {
                        break;
                    }
                }
                eprintln!("{}: {}: {}", titles[0], player.name(), began.elapsed().as_secs());
            }
        }
    }
    Ok(())
}

fn titles(crowd: usize, visit: Visit) -> [String; 2] {
    let sessions = if crowd == 1 { "1 session".to_owned() } else { format!("last of {crowd} sessions") };
    match visit {
        Visit::Nobody => [
            format!("after SIGKILL, unattended: ms to the repeated call, {sessions}"),
            format!("after SIGKILL, unattended: of these, ms after it listens, {sessions}"),
        ],
        Visit::AtOnce => {
            let title = format!("after SIGKILL, touched: ms to the repeated call, {sessions}");
            [title.clone(), title]
        }
    }
}

fn note(book: &mut Book, titles: &[String; 2], who: &str, visit: Visit, resumed: &Resumed) {
    book.add(RESUME, &titles[0], Better::Less, who, resumed.ms);
    if visit == Visit::Nobody {
        book.add(RESUME, &titles[1], Better::Less, who, resumed.listening_ms);
    }
}

/// Lets it die once; none where not every call was repeated in time.
async fn kill_once(
    field: &Field<'_>,
    playing: &mut Playing<'_>,
    crowd: usize,
    visit: Visit,
    patience: Duration,
) -> Result<Option<Resumed>> {
    let like = Work { hold: Some(HELD), ..field.work(playing.tools) };
    let works = works(crowd, &like);
    let posts = join_all(works.iter().map(|work| playing.post(work))).await;
    posts.into_iter().collect::<Result<()>>()?;
    let group = works[0].group();
    field.model.arrivals(group, crowd * HELD, Duration::from_secs(60)).await?;
    playing.die_and_restart().await?;
    let listening_at = epoch_us(playing.started.listening_at);
    let from = match visit {
        Visit::Nobody => epoch_us(playing.started.spawned_at),
        Visit::AtOnce => now_us(),
    };
    let asked = async {
        if visit == Visit::AtOnce {
            // What the answer says, and whether it comes, is not measured here.
            let asked = join_all(works.iter().map(|work| playing.touch(work)));
            timeout(patience, asked).await.ok();
        }
    };
    let (_, repeated) = tokio::join!(asked, last_repeated(field, group, crowd, patience));
    let Some(last) = repeated? else { return Ok(None) };
    let ends = join_all(works.iter().map(|work| playing.end(work))).await;
    ends.into_iter().collect::<Result<()>>()?;
    field.model.forget(group).await?;
    let ms = |since: u64| last.saturating_sub(since) as f64 / 1e3;
    Ok(Some(Resumed { ms: ms(from), listening_ms: ms(listening_at) }))
}

/// When the last session's call was there again.
async fn last_repeated(
    field: &Field<'_>,
    group: &str,
    crowd: usize,
    patience: Duration,
) -> Result<Option<u64>> {
    let until = Instant::now() + patience;
    loop {
        let arrivals = field.model.arrivals(group, 0, Duration::from_secs(10)).await?;
        let mut held: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for arrival in arrivals.iter().filter(|arrival| arrival.turn == HELD) {
            held.entry(&arrival.id).or_default().push(arrival.head_at);
        }
        let again: Vec<u64> = held.values().filter_map(|times| times.get(1)).copied().collect();
        if again.len() == crowd {
            return Ok(again.into_iter().max());
        }
        if arrivals.iter().any(|arrival| arrival.turn == 1 && !held.contains_key(arrival.id.as_str())) {
            bail!("a run began anew");
        }
        if Instant::now() > until {
            return Ok(None);
        }
        sleep(Duration::from_millis(25)).await;
    }
}

fn epoch_us(instant: Instant) -> u64 {
    now_us() - u64::try_from(instant.elapsed().as_micros()).unwrap_or_default()
}
