//! The oracle of messages to runs under way: each is heard once, by the first call after it and by all that follow.

use std::collections::BTreeMap;

use longhaul_core::{CallId, Entry, Record, RunId};

use crate::{
    clients::{Action, Note},
    invariants::Findings,
    outside::Outside,
};

/// What the journal says of messages.
#[derive(Default)]
struct Notes {
    /// Each with its run, in order.
    said: Vec<(RunId, String)>,
    /// How many were said before a call was made the first time.
    heard: BTreeMap<(RunId, CallId), usize>,
    /// The runs that leave out what does not fit.
    narrow: Vec<RunId>,
}

impl Notes {
    fn of(records: &[Record]) -> Self {
        let mut notes = Self::default();
        for record in records {
            match &record.entry {
                Entry::RunAccepted { settings, .. } if settings.context_tokens.is_some() => {
                    notes.narrow.push(record.run);
                }
                Entry::RunSteered { message, .. } => notes.said.push((record.run, message.clone())),
                Entry::ModelCalled { call, attempt: 1, .. } => {
                    notes.heard.insert((record.run, *call), notes.said.len());
                }
                _ => {}
            }
        }
        notes
    }
}

impl Findings {
    /// Whatever died, a message is in the journal once, and once in each request that was promised after it.
    pub(crate) fn messages_are_heard_once(
        &mut self,
        outside: &Outside,
        incarnation: usize,
        records: &[Record],
    ) {
        let notes = Notes::of(records);
        for (place, (_, text)) in notes.said.iter().enumerate() {
            let is_new = notes.said.iter().take(place).all(|(_, earlier)| earlier != text);
            self.expect(15, is_new, || format!("{text:?} was taken twice"));
        }
        for request in outside.model.requests.iter().filter(|it| it.incarnation == incarnation) {
            let body = String::from_utf8_lossy(&request.body);
            let heard = notes.heard.get(&(request.run, request.call)).copied().unwrap_or(0);
            for (place, (run, text)) in notes.said.iter().enumerate() {
                let times = body.matches(text.as_str()).count();
                let may_be_left_out = *run != request.run && notes.narrow.contains(&request.run);
                let is_right = if place >= heard { times == 0 } else { times == 1 || may_be_left_out };
                self.expect(15, is_right, || format!("{}: {times} times {text:?}", request.key));
            }
        }
    }

    /// A message that was taken is in the journal, as one to the run that it joined.
    pub(crate) fn what_was_said_is_there(&mut self, outside: &Outside, journals: &[Vec<Record>]) {
        for answered in &outside.clients.answers {
            let Action::Steer(note) = &answered.action else { continue };
            let records = journals.get(answered.incarnation).map(Vec::as_slice).unwrap_or_default();
            let is_it = |record: &&Record| matches!(&record.entry, Entry::RunSteered { message, .. } if *message == note.text());
            // One that was refused may be sent again, and taken then.
            let Some(run) = answered.run else { continue };
            let is_there =
                records.iter().find(is_it).is_some_and(|it| it.run == run && it.seq <= answered.head);
            self.expect(15, is_there, || format!("{note:?} was answered with run {run}"));
        }
    }
}

impl Note {
    /// What the model is told.
    pub fn text(&self) -> String {
        format!("Mind the {}.", self.key)
    }
}
