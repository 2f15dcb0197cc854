//! What a turn costs beside the model's own time, early and late in a conversation.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::{
    in_process::{Arrival, Manner, ModelServer, TURNS},
    sample::{Sample, row},
    server::{Server, Side},
};

/// Sessions with a long history, each of which gives its own pairs.
const SESSIONS: usize = 3;
/// Runs before the first pair: 12 messages each.
const RUNS_BEFORE: usize = 78;
/// Pairs per session; they take the history from 936 to 1,068 messages.
const PAIRS: usize = 10;
/// Lets what a run leaves behind it settle: its last row, the alarm, the reader of its end.
const SETTLED: Duration = Duration::from_millis(30);

/// The turns of one run: from an answer to the head of the next request, and to its last byte.
struct Turns {
    head_ms: f64,
    whole_ms: f64,
}

/// Rows for the table: a turn at about 1,000 messages against one at 3 to 11, on each side.
pub(crate) async fn measure([ours, theirs]: [(&str, &Side); 2]) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for ((name, side), budget) in [(ours, "1.2 ×"), (theirs, "-")] {
        let (late, early) = turns_of(name, side).await?;
        for (to, ms) in
            [("head", (|t: &Turns| t.head_ms) as fn(&Turns) -> f64), ("last byte", |t| t.whole_ms)]
        {
            let [late, early] = [&late, &early].map(|turns| turns.iter().map(ms).collect::<Vec<_>>());
            let sample = |values: &[f64]| Sample::new(values.iter().copied());
            let what = format!("{name}: ms from an answer to the {to} of the next request");
            let ratios = Sample::of_ratios(&late, &early);
            rows.push(row([&what, &sample(&late), &sample(&early), &ratios, &budget]));
        }
    }
    Ok(rows)
}

async fn turns_of(name: &str, side: &Side) -> Result<(Vec<Turns>, Vec<Turns>)> {
    let model = ModelServer::start(Manner { pieces: 1, held: None }).await?;
    let server = Server::start(side, &model).await?;
    let (mut late, mut early) = (Vec::new(), Vec::new());
    for session in 1..=SESSIONS {
        let first = server.post().await?;
        let mut last = None;
        for _ in 1..RUNS_BEFORE {
            last = Some(server.post_to(&first.session).await?);
        }
        if let Some(last) = last {
            server.ended(&last).await?;
        }
        for _ in 0..PAIRS {
            early.push(turns(&server, &model, None).await?);
            late.push(turns(&server, &model, Some(&first.session)).await?);
        }
        eprintln!("history, {name}: session {session} of {SESSIONS}");
    }
    Ok((late, early))
}

/// A run of six turns in the session, or in a new one.
async fn turns(server: &Server, model: &ModelServer, session: Option<&str>) -> Result<Turns> {
    sleep(SETTLED).await;
    model.forget();
    match session {
        Some(session) => server.post_to(session).await?,
        None => server.post().await?,
    };
    // Nobody asks for the run meanwhile: only the loop is at work.
    let arrivals = model.wait_for(usize::try_from(TURNS)?).await;
    let pairs = || arrivals.iter().zip(arrivals.iter().skip(1));
    ensure!(pairs().all(|(before, next)| next.follows(before)), "calls of another run came between");
    let gap = |end: fn(&Arrival) -> tokio::time::Instant| {
        let gaps = pairs().filter_map(move |(before, next)| Some(end(next) - before.answered_at?));
        Sample::of_ms(gaps).median()
    };
    Ok(Turns { head_ms: gap(|arrival| arrival.head_at), whole_ms: gap(|arrival| arrival.whole_at) })
}
