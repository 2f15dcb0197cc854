//! What calls may spend: it is set aside before they begin, and settled by their outcomes.

use crate::{
    decide::draft::Draft,
    entry::StopReason,
    fault::Fault,
    ids::{CallId, RunId},
    limits,
    message::Usage,
    settings::{Budget, Rate, Reserved},
    state::{call::Call, run::Run, spec::fits},
    tool::ToolError,
    views::request::{Window, presumed_output_tokens, request_tokens, window},
};

/// The share of a limit that is kept for the last answer at most: what comes before it needs the most.
const KEPT_SHARE: u64 = 4;
const TOKENS_PER_UNIT: f64 = 1e6;

/// A request to a model that a run would make, and what it may spend.
struct Means<'a> {
    run: &'a Run,
    limits: Budget,
    rate: Option<&'a Rate>,
    /// What the request counts as.
    input_tokens: u64,
}

/// What is set aside for an attempt of a model's call: its request as estimated, and the answer that it may give, lowered to
/// what is left. A further attempt of the same model has what the first had. `None` where no budget asks for it.
pub(crate) fn reserve(
    d: &Draft<'_>,
    id: RunId,
    (call, model, is_last): (CallId, &str, bool),
    window: Window,
) -> Option<Reserved> {
    let (run, limits) = (d.run(id), d.limits(id));
    if !limits.counts_usage() {
        return None;
    }
    let known = run.call(call).filter(|known| known.model() == Some(model));
    if let Some(reserved) = known.and_then(|known| known.reserved) {
        return Some(reserved);
    }
    let input_tokens = request_tokens(&run.spec, window, is_last);
    let means = Means { run, limits, rate: run.rate(model), input_tokens };
    let least = limits::ANSWER_TOKENS_MIN.min(means.presumed());
    let left = means.answer_by_tokens(is_last).into_iter().chain(means.answer_by_cost(is_last)).min();
    let output_tokens = left.map_or(means.presumed(), |left| left.clamp(least, means.presumed()));
    Some(Reserved { input_tokens, output_tokens, cost_usd: means.cost_usd(output_tokens) })
}

/// The limit that leaves a run no more than its last answer, for which that was kept; none where it keeps nothing.
pub(crate) fn last_by(d: &Draft<'_>, id: RunId) -> Option<StopReason> {
    let means = Means::of_next_call(d, id)?;
    let is_too_little = |left: Option<u64>| left.is_some_and(|left| left < limits::ANSWER_TOKENS_MIN);
    if is_too_little(means.answer_by_tokens(false)) {
        Some(StopReason::BudgetTokens)
    } else if is_too_little(means.answer_by_cost(false)) {
        Some(StopReason::BudgetCost)
    } else {
        None
    }
}

/// Whether a tool's call may begin that costs so much. Beside what is set aside for others it must fit into the rest; where
/// nothing is, it begins while anything is left.
///
/// # Errors
/// What the model is told.
pub(crate) fn afford(d: &Draft<'_>, id: RunId, cost_usd: Option<f64>) -> Result<(), ToolError> {
    let (run, limits) = (d.run(id), d.limits(id));
    let Some(max) = limits.cost_usd else { return Ok(()) };
    let kept = Means::of_next_call(d, id).map_or(0.0, |means| means.kept_usd());
    let (reserved, spent) = (run.reserved_usd() + kept, run.usage.cost_usd.unwrap_or(0.0));
    let has_room = if reserved > 0.0 {
        fits(spent + reserved + cost_usd.unwrap_or(0.0), max)
    } else {
        limits.exhausted_by(&run.usage, 0).is_none()
    };
    if has_room {
        return Ok(());
    }
    let text = match cost_usd {
        Some(cost) => {
            format!("the call was not made: it costs {cost} USD, and the run may not spend so much")
        }
        None => "the call was not made: the run may spend nothing more".to_owned(),
    };
    Err(ToolError::new("budget", text))
}

/// What a failed attempt counts as: as much as was set aside for it, where nobody says how much it was and it may have to be
/// paid for.
pub(crate) fn usage_of_failure(call: &Call, fault: &Fault) -> Option<Usage> {
    let told = fault.usage.as_deref();
    let Some(reserved) = call.open_reservation().filter(|_| fault.may_be_paid_for()) else {
        return told.cloned();
    };
    let is_counted = |usage: &&Usage| !usage.estimated && usage.total_tokens.is_some();
    Some(told.filter(is_counted).cloned().unwrap_or_else(|| {
        let known = told.cloned().unwrap_or_default();
        known.at_least(&reserved.usage())
    }))
}

impl<'a> Means<'a> {
    /// Those of a run that keeps something for its last answer, with the request that it would make now.
    fn of_next_call(d: &'a Draft<'_>, id: RunId) -> Option<Self> {
        let (run, limits) = (d.run(id), d.limits(id));
        if !run.spec.settings.final_answer || run.spec.is_comparison() || !limits.counts_usage() {
            return None;
        }
        let asked = (d.next_call(), run.model(), run.context_tokens());
        let window = window(run, asked, &d.transcript().starts, d.length());
        let input_tokens = request_tokens(&run.spec, window, true);
        Some(Self { run, limits, rate: run.rate(run.model()), input_tokens })
    }

    /// Tokens that an answer is presumed to have at most.
    fn presumed(&self) -> u64 {
        presumed_output_tokens(&self.run.spec.settings)
    }

    /// What the request and an answer cost.
    fn cost_usd(&self, output_tokens: u64) -> Option<f64> {
        let rate = self.rate?;
        Some(dollars(self.input_tokens, rate.input) + dollars(output_tokens, rate.output))
    }

    /// Tokens that are kept for the last answer.
    fn kept_tokens(&self) -> u64 {
        let max = self.limits.total_tokens.filter(|_| self.run.spec.settings.final_answer);
        max.map_or(0, |max| self.input_tokens.saturating_add(self.presumed()).min(max / KEPT_SHARE))
    }

    /// US dollars that are kept for it.
    fn kept_usd(&self) -> f64 {
        let max = self.limits.cost_usd.filter(|_| self.run.spec.settings.final_answer);
        let needed = self.cost_usd(self.presumed()).unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "a small number of ours")]
        max.map_or(0.0, |max| needed.min(max / KEPT_SHARE as f64))
    }

    /// Tokens that the limit of tokens leaves for an answer.
    fn answer_by_tokens(&self, is_last: bool) -> Option<u64> {
        let kept = if is_last { 0 } else { self.kept_tokens() };
        let spent = self.run.usage.total_tokens.unwrap_or(0).saturating_add(kept);
        let left = self.limits.total_tokens?.saturating_sub(spent) / self.side_by_side();
        Some(left.saturating_sub(self.input_tokens))
    }

    /// Tokens that the limit of dollars leaves for an answer, where the price is known.
    fn answer_by_cost(&self, is_last: bool) -> Option<u64> {
        let kept = if is_last { 0.0 } else { self.kept_usd() };
        let (max, rate) = (self.limits.cost_usd?, self.rate?);
        let spent = self.run.usage.cost_usd.unwrap_or(0.0) + kept;
        #[expect(clippy::cast_precision_loss, reason = "a small number of ours")]
        let left = (max - spent) / self.side_by_side() as f64 - dollars(self.input_tokens, rate.input);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is below zero becomes zero, what is too large the largest"
        )]
        match rate.output > 0.0 {
            true => Some((left * TOKENS_PER_UNIT / rate.output) as u64),
            false => (left < 0.0).then_some(0),
        }
    }

    /// Calls that share what is left: those of a comparison are all promised at once.
    fn side_by_side(&self) -> u64 {
        self.run.spec.models.len().max(1) as u64
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^53")]
fn dollars(tokens: u64, per_unit: f64) -> f64 {
    tokens as f64 * per_unit / TOKENS_PER_UNIT
}
