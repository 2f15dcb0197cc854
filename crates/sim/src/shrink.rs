use crate::{catalogue::NEXT_MONTH_MS, random::RandomWorld, scenario::Scenario};

/// Worlds that are tried before a story is short enough.
const TRIES_MAX: usize = 3_000;

impl RandomWorld {
    /// A world with less in it in which the same invariant does not hold: actions, incidents, faults and replies are
    /// left out one by one, for as long as it still fails. The world itself where it does not fail.
    #[must_use]
    pub fn shrink(self) -> Self {
        let Some(invariant) = self.survive().violations.first().map(|violation| violation.invariant) else {
            return self;
        };
        let mut smallest = self;
        let mut tries = 0;
        let mut place = 0;
        loop {
            let mut candidates = smallest.smaller();
            if place >= candidates.len() || tries >= TRIES_MAX {
                return smallest;
            }
            let candidate = candidates.swap_remove(place);
            tries += 1;
            if candidate.survive().violations.iter().any(|violation| violation.invariant == invariant) {
                smallest = candidate;
                place = 0;
            } else {
                place += 1;
            }
        }
    }

    /// The worlds with one thing less.
    fn smaller(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        let without_lives = without_each(&self.lives);
        worlds.extend(without_lives.into_iter().map(|lives| Self { lives, ..self.clone() }));
        for (life, faults) in self.lives.iter().enumerate().filter(|(_, faults)| faults.len() > 1) {
            worlds.extend(without_each(faults).into_iter().map(|faults| {
                let mut world = self.clone();
                world.lives[life] = faults;
                world
            }));
        }
        let incidents = without_each(&self.incidents).into_iter();
        worlds.extend(incidents.map(|incidents| Self { incidents, ..self.clone() }));
        worlds.extend(simpler(&self.scenario).into_iter().map(|scenario| Self { scenario, ..self.clone() }));
        worlds
    }
}

fn simpler(scenario: &Scenario) -> Vec<Scenario> {
    let mut simpler = Vec::new();
    let mut push = |change: &dyn Fn(&mut Scenario)| {
        let mut changed = scenario.clone();
        change(&mut changed);
        simpler.push(changed);
    };
    if scenario.otlp.is_some() {
        push(&|changed| changed.otlp = None);
    }
    if scenario.index.is_some() {
        push(&|changed| changed.index = None);
    }
    if scenario.hook.is_some() {
        push(&|changed| changed.hook = None);
    }
    if scenario.tenant.is_some() {
        push(&|changed| changed.tenant = None);
    }
    if scenario.nexus.is_some() {
        push(&|changed| changed.nexus = None);
    }
    if scenario.has_user_spans {
        push(&|changed| changed.has_user_spans = false);
    }
    if scenario.callers > 1 {
        push(&|changed| changed.callers -= 1);
    }
    if scenario.waits_for_retention() {
        push(&|changed| changed.rest_horizon_ms = NEXT_MONTH_MS);
    }
    if scenario.alarm_lag_ms > 0 {
        push(&|changed| changed.alarm_lag_ms = 0);
    }
    for actions in without_each(&scenario.actions) {
        push(&|changed| changed.actions.clone_from(&actions));
    }
    for (turn, replies) in &scenario.model.replies {
        push(&|changed| drop(changed.model.replies.remove(turn)));
        for fewer in without_each(replies) {
            push(&|changed| drop(changed.model.replies.insert(*turn, fewer.clone())));
        }
    }
    for fewer in scenario.otlp.iter().flat_map(|plan| without_each(&plan.0)) {
        push(&|changed| changed.otlp.iter_mut().for_each(|plan| plan.0.clone_from(&fewer)));
    }
    for fewer in scenario.nexus.iter().flat_map(|plan| without_each(&plan.replies)) {
        push(&|changed| changed.nexus.iter_mut().for_each(|plan| plan.replies.clone_from(&fewer)));
    }
    if let Some(plan) = &scenario.index {
        for fewer in without_each(&plan.announcing) {
            push(&|changed| changed.index.iter_mut().for_each(|plan| plan.announcing.clone_from(&fewer)));
        }
        for fewer in without_each(&plan.recording) {
            push(&|changed| changed.index.iter_mut().for_each(|plan| plan.recording.clone_from(&fewer)));
        }
        for fewer in without_each(&plan.forgetting) {
            push(&|changed| changed.index.iter_mut().for_each(|plan| plan.forgetting.clone_from(&fewer)));
        }
    }
    simpler
}

/// The same list without its first item, without its second, and so on.
fn without_each<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let without = |place: usize| {
        let mut fewer = items.to_vec();
        fewer.remove(place);
        fewer
    };
    (0..items.len()).map(without).collect()
}
