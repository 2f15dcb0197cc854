use crate::{
    decide::{
        after::{first_asks, listing_asks, next_ask},
        budget::last_by,
        calls::begin,
        draft::Draft,
    },
    entry::{Entry, Idempotency},
    ids::{Life, RunId},
    input::{NewRun, Refusal},
    limits,
    output::finish_offer,
    reading::Reading,
    state::run::Run,
};

/// A run is accepted; in an idle session its first calls are promised in the same row.
pub(crate) fn accept(d: &mut Draft<'_>, new: NewRun) -> Result<(), Refusal> {
    let waiting = refuse(d, &new)?;
    let id = RunId(u32::try_from(d.earlier_runs().len() + 1).expect("a session has fewer than 2^32 runs"));
    let sampled_out = is_sampled_out(new.settings.sample_ratio, d.seed());
    let life = d.earlier_runs().is_empty().then_some(Life(d.seed()));
    let NewRun { task, agent, model, models, max_iterations, metadata, mut settings, idempotency, by } = new;
    if models.is_empty() {
        if !settings.tools.is_empty() || !settings.servers.is_empty() {
            settings.tools.push(Reading::offer());
        }
        settings.tools.extend(finish_offer(&settings));
    }
    let entry = Entry::RunAccepted {
        task,
        agent,
        model,
        models,
        max_iterations,
        metadata,
        settings,
        sampled_out,
        idempotency,
        by,
        life,
    };
    d.write(id, entry);
    // Its own texts do not keep it from beginning: the session had room when it came.
    if waiting == 0 && d.run(id).exhausts(&d.limits(id), d.now()).is_none() {
        let listings = listing_asks(d.run(id));
        let asks = match last_by(d, id) {
            _ if !listings.is_empty() => listings,
            Some(_) => vec![next_ask(d.run(id), true)],
            None => first_asks(d.run(id)),
        };
        asks.iter().for_each(|ask| begin(d, id, ask));
    }
    Ok(())
}

/// How many runs are before it, where nothing speaks against it.
fn refuse(d: &Draft<'_>, new: &NewRun) -> Result<usize, Refusal> {
    let earlier = d.earlier_runs();
    if let Some(key) = &new.idempotency {
        refuse_known_key(earlier, key)?;
    }
    let comes_late = !new.models.is_empty() && !earlier.is_empty();
    if comes_late || earlier.first().is_some_and(|run| run.spec.is_comparison()) {
        return Err(Refusal::Comparison);
    }
    if d.is_full() {
        return Err(Refusal::SessionFull);
    }
    if d.has_spent_session_budget() {
        return Err(Refusal::SessionBudgetExhausted);
    }
    let waiting = d.open_runs().count();
    if waiting > limits::QUEUED_RUNS_MAX { Err(Refusal::QueueFull) } else { Ok(waiting) }
}

/// Nothing comes of the same key twice, whatever it came with first.
pub(crate) fn refuse_known_key(earlier: &[Run], key: &Idempotency) -> Result<(), Refusal> {
    let mut known = earlier.iter().flat_map(|run| run.keys().map(move |key| (run.id, key)));
    match known.find(|(_, known)| known.key == key.key) {
        None => Ok(()),
        Some((run, known)) if known == key => Err(Refusal::Replayed(run)),
        Some((run, _)) => Err(Refusal::KeyConflict(run)),
    }
}

/// Head sampling: decided once, when the run is accepted.
fn is_sampled_out(ratio: Option<f64>, seed: u64) -> bool {
    // The upper 53 bits of the seed, as a number from 0 to 1.
    let chance = (seed >> 11) as f64 / (1_u64 << 53) as f64;
    ratio.is_some_and(|ratio| chance >= ratio)
}
