//! What an input changes: one file an input, each a free function over the [`draft`]. What follows from where a run
//! stands is the table in [`after`].

mod accept;
mod after;
mod approve;
mod budget;
mod calls;
mod cancel;
mod delivery;
mod draft;
mod due;
mod ending;
mod follow;
mod gate;
mod outcome;
mod patience;
mod steer;
mod tools;

use crate::{
    decide::{approve::Decided, draft::Draft, outcome::Seen},
    input::{Input, Moment, Refusal},
    state::session::Session,
    step::Step,
    tool::{Judge, OfferJudge},
};

impl Session {
    /// What `input` changes. Pure: nothing is stored, nothing in memory changes.
    ///
    /// A late or doubled outcome (an older attempt, an unknown call) gives an empty step that
    /// [is ignored](Step::is_ignored).
    ///
    /// # Errors
    /// When an [`Input::Accept`], an [`Input::Steer`] or an [`Input::Decided`] is refused; no other input is.
    pub fn decide(&self, input: Input, moment: Moment) -> Result<Step, Refusal> {
        self.decide_by(input, moment, &OfferJudge)
    }

    /// The same by a deployment's rules for the calls of its tools.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    pub fn decide_by(&self, input: Input, moment: Moment, judge: &dyn Judge) -> Result<Step, Refusal> {
        let mut draft = Draft::new(self, moment, judge);
        let d = &mut draft;
        match input {
            Input::Accept(run) => accept::accept(d, run)?,
            Input::Steer(steer) => steer::steer(d, steer)?,
            Input::Cancel { by } => cancel::cancel(d, &by),
            Input::Answered { call, answer, timing, observed } => {
                outcome::answered(d, call, answer, Seen { timing, observed })
            }
            Input::Failed { call, fault, timing, observed } => {
                outcome::failed(d, call, fault, Seen { timing, observed })
            }
            Input::Returned { call, outcome, timing, observed } => {
                tools::returned(d, call, outcome, Seen { timing, observed });
            }
            Input::Reconciled { call, found, timing } => tools::reconciled(d, call, found, timing),
            Input::Decided { call, request, decision, digest, by } => {
                approve::decided(d, Decided { call, request, decision, digest, by })?;
            }
            Input::Authorized { server, by } => approve::authorized(d, &server, &by),
            Input::Resume(cause) => due::resume(d, cause),
            Input::Tick => due::tick(d),
            Input::PartSent { run, sink, part, remote_id } => {
                delivery::part_sent(d, run, sink, part, remote_id)
            }
            Input::Flushed { run, sink, event, receipt } => delivery::flushed(d, run, (sink, event), receipt),
            Input::FlushFailed { run, sink, event, failure } => {
                delivery::failed(d, run, (sink, event), failure)
            }
        }
        Ok(draft.into_step())
    }
}
