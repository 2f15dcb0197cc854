//! Worlds that seeds make up. More of them, faster: `cargo xtask sim --seeds 1000000`.

use std::io::{self, Write};

use longhaul_sim::{RandomWorld, explore};

/// What fits into a few seconds without the compiler's optimisations; the step `sim` runs more.
const SEEDS: u64 = 500;

#[test]
fn whatever_chance_makes_up_everything_holds() {
    let total = explore(0, SEEDS, 5, |_| ());
    // Not through `println!`, which a test that passes does not show.
    writeln!(io::stderr(), "measured: {} random worlds, {} simulated deaths", total.worlds, total.deaths)
        .expect("stderr is open");
    for reason in [
        "done",
        "max_iterations",
        "budget_tokens",
        "deadline",
        "cancelled",
        "empty_response",
        "model_refused",
        "model_unavailable",
    ] {
        assert!(total.ends.contains_key(reason), "no run ended with {reason}");
    }
    let stories: Vec<String> = total.failing.iter().map(|seed| tell(*seed)).collect();
    assert!(stories.is_empty(), "{}", stories.join("\n"));
}

#[test]
fn a_seed_makes_the_same_world_again() {
    for seed in 0..50 {
        let (one, other) = (RandomWorld::of_seed(seed), RandomWorld::of_seed(seed));
        assert_eq!(one.to_string(), other.to_string());
        let (one, other) = (one.survive(), other.survive());
        assert_eq!((one.deaths, one.model_requests), (other.deaths, other.model_requests), "seed {seed}");
    }
}

#[test]
fn a_world_in_which_all_holds_is_not_shrunk() {
    let world = RandomWorld::of_seed(1);
    let story = world.to_string();
    assert_eq!(world.shrink().to_string(), story);
}

fn tell(seed: u64) -> String {
    let story = RandomWorld::of_seed(seed).shrink();
    let violations: Vec<String> = story.survive().violations.iter().map(|v| format!("  {v}")).collect();
    format!("to see it again: cargo xtask sim --seeds 1 --from {seed}\n{story}{}", violations.join("\n"))
}
