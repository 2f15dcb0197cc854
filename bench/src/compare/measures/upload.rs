//! What is uploaded, and what a start costs.

use std::{fs, io::Write, path::Path};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};

use super::{Field, How};
use crate::compare::{
    book::{Better, Book},
    machine,
    player::Player,
};

const UPLOAD: &str = "upload";

pub(super) async fn measure(field: &Field<'_>, book: &mut Book) -> Result<()> {
    for player in &field.players {
        let files = &player.installed.upload;
        match files.iter().map(|file| gzip_kib(file)).sum::<Result<f64>>() {
            Ok(kib) if !files.is_empty() => {
                book.add(UPLOAD, "gzip of the upload, KiB", Better::Less, player.name(), kib);
            }
            Ok(_) => book.say(UPLOAD, "gzip of the upload, KiB", Better::Less, player.name(), "no upload"),
            Err(error) => book.fail(player.name(), UPLOAD, &error),
        }
    }
    for start in 0..field.by_mode(3, 5, 9) {
        for turn in 0..field.players.len() {
            let player = field.players[(turn + start) % field.players.len()];
            match start_cpu(field, player).await {
                Ok((cpu_ms, wall_ms)) => {
                    let title = "processor time of a start to the first answer, ms";
                    book.add(UPLOAD, title, Better::Less, player.name(), cpu_ms);
                    book.add(UPLOAD, "from the start to listening, ms", Better::Less, player.name(), wall_ms);
                }
                Err(error) => book.fail(player.name(), "a start", &error),
            }
        }
    }
    Ok(())
}

/// Processor time from nothing to the answer of a request for what is not there, and until it listened.
async fn start_cpu(field: &Field<'_>, player: &Player) -> Result<(f64, f64)> {
    let tools = !player.contestant.plays(false);
    let playing = player.start(&field.model, How { tools, ..How::default() }).await?;
    // Whatever it answers.
    playing.started.http.get(format!("{}/no-such-path", playing.started.base)).send().await?;
    let cpu_ms = machine::cpu_fine_ms(&playing.pids())?;
    let wall = playing.started.listening_at - playing.started.spawned_at;
    Ok((cpu_ms, wall.as_secs_f64() * 1e3))
}

fn gzip_kib(file: &Path) -> Result<f64> {
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&content)?;
    Ok(encoder.finish()?.len() as f64 / 1024.0)
}
