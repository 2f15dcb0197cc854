use std::collections::BTreeMap;

use longhaul_core::{CallId, Entry, Fallback, Record, RunId};
use serde_json::Value;

use crate::{invariants::Findings, outside::Outside};

/// What the loop says between two answers.
const CONTINUE: &str = "Continue.";
/// What the system message says when something was left out.
const LEFT_OUT: &str = "\n\nEarlier messages of this conversation were left out, because it is too long.";
/// Tokens kept free for an answer at most; in a small window a quarter of it.
const ANSWER_TOKENS: u64 = 1_024;

/// The conversation as the journal tells it, worked out without the code that decides.
#[derive(Default)]
struct Conversation {
    /// Role and text, oldest first.
    messages: Vec<(&'static str, String)>,
    /// Where the runs that began have their first messages.
    starts: Vec<usize>,
    tasks: BTreeMap<RunId, (String, Option<u64>)>,
    /// Where the latest run begins.
    own: usize,
}

impl Findings {
    /// Each request holds what the context-window policy says: the run's own messages, and as many earlier runs as fit.
    pub(crate) fn requests_fit_the_window(
        &mut self,
        outside: &Outside,
        incarnation: usize,
        records: &[Record],
    ) {
        let has_window = |record: &Record| match &record.entry {
            Entry::RunAccepted { settings, models, .. } => {
                settings.context_tokens.is_some() && models.is_empty()
            }
            _ => false,
        };
        if !records.iter().any(has_window) {
            return;
        }
        let mut conversation = Conversation::default();
        let mut dropped: BTreeMap<CallId, u32> = BTreeMap::new();
        let mut fallbacks: BTreeMap<RunId, (usize, Vec<Fallback>)> = BTreeMap::new();
        for record in records {
            match &record.entry {
                Entry::RunAccepted { task, settings, .. } => {
                    conversation.tasks.insert(record.run, (task.clone(), settings.context_tokens));
                    fallbacks.insert(record.run, (0, settings.fallbacks.clone()));
                }
                Entry::ModelCalled {
                    call,
                    attempt,
                    iteration,
                    dropped_messages,
                    message_count,
                    fallback_from,
                    ..
                } => {
                    let (fallen_back, fallbacks) = fallbacks.entry(record.run).or_default();
                    if fallback_from.is_some() {
                        let window = fallbacks.get(*fallen_back).and_then(|next| next.context_tokens);
                        conversation.tasks.entry(record.run).and_modify(|(_, own)| *own = window);
                        *fallen_back += 1;
                        dropped.insert(*call, *dropped_messages);
                    }
                    let is_of_model = match fallen_back {
                        0 => String::new(),
                        place => format!("~m{place}"),
                    };
                    if *attempt == 1 {
                        conversation.ask(record.run, *iteration);
                        dropped.insert(*call, *dropped_messages);
                    }
                    let first = dropped.get(call).copied().unwrap_or_default();
                    self.expect(2, first == *dropped_messages, || {
                        format!("call {call}: {first} messages were left out, and then {dropped_messages}")
                    });
                    let requests = outside.model.requests.iter();
                    let own = requests.filter(|it| {
                        let place = it.key.find('~').map_or("", |at| &it.key[at..]);
                        let is_its = it.run == record.run && it.call == *call && place == is_of_model;
                        it.incarnation == incarnation && is_its
                    });
                    for request in own.take(1) {
                        let asked = Asked { dropped: *dropped_messages, count: *message_count };
                        let fault = conversation.fault(record.run, &request.body, asked);
                        self.expect(2, fault.is_none(), || format!("{}: {fault:?}", request.key));
                    }
                }
                Entry::ModelAnswered { message, .. } => {
                    conversation.messages.push(("assistant", message.content.clone()));
                }
                _ => {}
            }
        }
    }
}

/// What the journal says of a request.
struct Asked {
    dropped: u32,
    count: u32,
}

impl Conversation {
    fn ask(&mut self, run: RunId, iteration: u32) {
        let text = if iteration == 1 {
            self.own = self.messages.len();
            self.starts.push(self.own);
            self.tasks.get(&run).map(|(task, _)| task.clone()).unwrap_or_default()
        } else {
            CONTINUE.to_owned()
        };
        self.messages.push(("user", text));
    }

    /// What is wrong with a request, if anything is.
    fn fault(&self, run: RunId, body: &[u8], asked: Asked) -> Option<String> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let sent: Vec<(&str, &str)> = body["messages"].as_array().map_or_else(Vec::new, |messages| {
            messages.iter().map(|message| (text(message, "role"), text(message, "content"))).collect()
        });
        let Some(((_, system), sent)) = sent.split_first() else { return Some("it is empty".to_owned()) };
        let window = self.tasks.get(&run).and_then(|(_, window)| *window);
        let dropped = window.map_or(0, |window| self.dropped(window, system));
        if asked.dropped as usize != dropped {
            return Some(format!("{} messages were left out, not {dropped}", asked.dropped));
        }
        if system.ends_with(LEFT_OUT) != (dropped > 0) {
            return Some("its system message says otherwise".to_owned());
        }
        let own = &self.messages[dropped..];
        let expected = alternating(own);
        let is_right = sent.len() == expected.len()
            && sent.iter().zip(&expected).all(|(sent, (role, text))| *sent == (*role, text.as_str()));
        if !is_right || asked.count as usize != 1 + own.len() {
            return Some(format!("{sent:?} of {}, not {expected:?}", asked.count));
        }
        None
    }

    /// How many messages do not fit: whole runs, and none of the latest.
    fn dropped(&self, window: u64, system: &str) -> usize {
        let system = tokens(&format!("{}{LEFT_OUT}", system.trim_end_matches(LEFT_OUT)));
        let reserve = ANSWER_TOKENS.min(window / 4);
        let room = window.saturating_sub(reserve).saturating_sub(system);
        let takes = |from: usize| self.messages[from..].iter().map(|(_, text)| tokens(text)).sum::<u64>();
        self.starts.iter().copied().find(|from| takes(*from) <= room).unwrap_or(self.own)
    }
}

/// What one role says in a row is one message: many models demand that roles alternate.
fn alternating(messages: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let in_a_row = messages.chunk_by(|(one, _), (next, _)| one == next);
    let texts =
        |row: &[(&str, String)]| row.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n\n");
    in_a_row.map(|row| (row[0].0, texts(row))).collect()
}

fn text<'a>(message: &'a Value, key: &str) -> &'a str {
    message[key].as_str().unwrap_or_default()
}

/// A third of the ASCII bytes and half of the others, rounded up, and four.
fn tokens(text: &str) -> u64 {
    let others = text.bytes().filter(|byte| !byte.is_ascii()).count() as u64;
    (2 * text.len() as u64 + others).div_ceil(6) + 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crashes::run_clean, scenario::Scenario};

    #[test]
    fn the_scenario_leaves_something_out() {
        let scenario = Scenario::named("a conversation past the window").unwrap();
        let end = run_clean(&scenario).unwrap().end;
        let dropped = end.outside.disk.records().filter_map(|record| match &record.entry {
            Entry::ModelCalled { dropped_messages, .. } => Some(*dropped_messages),
            _ => None,
        });
        let dropped: Vec<u32> = dropped.collect();
        assert_eq!(dropped.first(), Some(&0), "the first call has room");
        assert!(dropped.iter().any(|dropped| *dropped > 0), "{dropped:?}");
    }
}
