//! Runs random worlds: `cargo run -p longhaul-sim --profile explore --example explore -- --seeds 1000000`.
//!
//! With `--from N` it begins at that seed, with `--failures N` it ends after so many that fail. Of those, the first
//! `--stories N` are shrunk, and their stories are printed with the command that makes them again.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use longhaul_sim::{Progress, RandomWorld, explore};

fn main() -> ExitCode {
    // A panic that is not expected is one of the things that do not hold; its story tells of it.
    std::panic::set_hook(Box::new(|_| ()));
    let (from, seeds) = (option("--from", 0), option("--seeds", 10_000));
    let failures_max = usize::try_from(option("--failures", 20)).unwrap_or(usize::MAX);
    let stories = usize::try_from(option("--stories", 3)).unwrap_or(usize::MAX);
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    let began = std::time::Instant::now();
    let is_shown = io::stderr().is_terminal();
    let on_batch = |progress: &Progress| {
        if is_shown {
            let done = progress.worlds * 100 / seeds.max(1);
            eprint!("\r{done:>3} %  {} worlds, {} deaths", progress.worlds, progress.deaths);
            // A progress line that cannot be written is no reason to stop.
            io::stderr().flush().ok();
        }
    };
    let total = explore(from, seeds, failures_max, on_batch);
    if is_shown {
        eprintln!();
    }
    println!("{}", summary(&total, began.elapsed()));
    let ends: Vec<String> = total.ends.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    println!("ends: {}", ends.join(", "));
    if let Some(first) = total.failing.first() {
        println!("first failing seed: {first}");
    }
    for seed in total.failing.iter().take(stories) {
        tell(*seed);
    }
    if total.failing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn summary(total: &Progress, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    let per_second = |count: u64| (count as f64 / seconds).round();
    format!(
        "explored: {} worlds, {} runs, {} model requests, {} deaths, {} storage errors, {} panics, {} failures \
         in {seconds:.1} s ({} worlds and {} deaths per second)",
        total.worlds,
        total.ends.values().sum::<u64>(),
        total.model_requests,
        total.deaths,
        total.storage_errors,
        total.panics,
        total.failing.len(),
        per_second(total.worlds),
        per_second(total.deaths)
    )
}

/// The shortest story in which what failed still fails.
fn tell(seed: u64) {
    println!("\nseed {seed} fails. To see it again: cargo xtask sim --seeds 1 --from {seed}");
    let story = RandomWorld::of_seed(seed).shrink();
    print!("{story}");
    for violation in story.survive().violations {
        println!("  {violation}");
    }
}

fn option(name: &str, default: u64) -> u64 {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    match args.next() {
        None => default,
        Some(value) => value.parse().unwrap_or_else(|_| {
            eprintln!("{name} takes a number, not {value}");
            std::process::exit(2)
        }),
    }
}
