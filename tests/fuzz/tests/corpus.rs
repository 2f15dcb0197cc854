//! Every input that is kept, and small changes of it, shown to its target again: what the fuzzers found stays found.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use longhaul_fuzz::TARGETS;

/// What is kept of one target: more than this makes every test run wait for it.
const FILES_MAX: usize = 400;
const BYTES_MAX: u64 = 300 * 1024;
/// Changed inputs per file.
const CHANGES: u64 = 3;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&directory).expect("each target has a corpus");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the corpus can be listed").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("the corpus can be read"))).collect()
}

/// Some other input, the same every time: a byte changed, a piece left out, or the end of another input behind it.
fn changed(input: &[u8], other: &[u8], seed: u64) -> Vec<u8> {
    let mut changed = input.to_vec();
    let at = |length: usize| usize::try_from(seed >> 8).unwrap_or(0) % length.max(1);
    match seed % 3 {
        0 if !input.is_empty() => changed[at(input.len())] ^= 1 << (seed % 7),
        1 => drop(changed.drain(at(input.len())..(at(input.len()) + 7).min(input.len()))),
        _ => {
            changed.truncate(at(input.len() + 1));
            changed.extend_from_slice(&other[at(other.len())..]);
        }
    }
    changed
}

fn seed(input: &[u8], round: u64) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325 ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15), |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    let corpus = corpus(name);
    for (index, (path, input)) in corpus.iter().enumerate() {
        let other = &corpus[(index + 1) % corpus.len()].1;
        let changes = (0..CHANGES).map(|round| changed(input, other, seed(input, round)));
        for (round, input) in [input.clone()].into_iter().chain(changes).enumerate() {
            let outcome = catch_unwind(AssertUnwindSafe(|| (target.check)(&input)));
            assert!(
                outcome.is_ok(),
                "{} does harm, changed {round} times: {}",
                path.display(),
                input.escape_ascii()
            );
        }
    }
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn every_target_is_replayed_and_has_its_program() {
            let replayed = [$(stringify!($target)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), replayed);
            let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
            for target in replayed {
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            }
            let programs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets")).unwrap();
            assert_eq!(programs.count(), replayed.len());
        }
    };
}

replays! { sse openai responses messages workers_ai faults script row session http body config policy arguments decision schema redact nexus otlp }

#[test]
fn what_is_kept_is_small() {
    for target in TARGETS {
        let corpus = corpus(target.name);
        let bytes: u64 = corpus.iter().map(|(_, input)| input.len() as u64).sum();
        assert!(corpus.len() <= FILES_MAX, "{} files of {}", corpus.len(), target.name);
        assert!(bytes <= BYTES_MAX, "{bytes} bytes of {}", target.name);
    }
}
