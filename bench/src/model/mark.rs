//! What a run's task says to the model server.

/// How a mark begins. No other text of a request has this.
const BEGIN: &str = "[bench id=";

/// One run's work, as its task says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// `<group>-<number>`, of letters and digits. The model server counts by group.
    pub(crate) id: String,
    /// Whether each answer but the last calls the tool `lookup`.
    pub(crate) tools: bool,
    /// Messages of the conversation before the task.
    pub(crate) history: usize,
    /// The turn whose first request is never answered.
    pub(crate) hold: Option<usize>,
    /// Chunks that an answer is streamed in, at least 1.
    pub(crate) pieces: usize,
    /// Milliseconds before each answer.
    pub(crate) pause_ms: u64,
}

impl Work {
    /// A run that is answered at once and in one piece.
    pub(crate) fn new(id: String, tools: bool) -> Self {
        Self { id, tools, history: 0, hold: None, pieces: 1, pause_ms: 0 }
    }

    /// The part of the id that many runs share.
    pub(crate) fn group(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }

    /// The task: the last message of a person in the conversation, as it is sent to the model.
    pub(crate) fn task(&self) -> String {
        let Self { id, tools, hold, pieces, pause_ms, .. } = self;
        let (tools, hold) = (u8::from(*tools), hold.unwrap_or_default());
        let mark = format!("{BEGIN}{id} tools={tools} hold={hold} pieces={pieces} pause={pause_ms}]");
        format!("{mark} Write a haiku about tides, and look up what you need.")
    }

    /// The work of the last mark in a request's body, and the turn that the request asks for.
    pub(crate) fn of_request(body: &str) -> Option<(Self, usize)> {
        let (_, from) = body.rsplit_once(BEGIN)?;
        let (mark, after) = from.split_once(']')?;
        let mut words = mark.split(' ');
        let mut work = Self::new(words.next()?.to_owned(), false);
        for word in words {
            let (name, value) = word.split_once('=')?;
            let value: usize = value.parse().ok()?;
            match name {
                "tools" => work.tools = value == 1,
                "hold" => work.hold = Some(value).filter(|turn| *turn > 0),
                "pieces" => work.pieces = value.max(1),
                "pause" => work.pause_ms = u64::try_from(value).ok()?,
                _ => return None,
            }
        }
        let answers =
            after.matches(r#""role":"assistant""#).count() + after.matches(r#""role": "assistant""#).count();
        Some((work, answers + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_its_work_and_turn() {
        let work = Work { hold: Some(2), pieces: 3, pause_ms: 5, ..Work::new("a-1".to_owned(), true) };
        let older = Work::new("a-0".to_owned(), false);
        let body = serde_json::json!({"messages": [
            {"role": "user", "content": older.task()},
            {"role": "assistant", "content": "x"},
            {"role": "user", "content": [{"type": "text", "text": work.task()}]},
            {"role": "assistant", "content": "x"},
            {"role": "user", "content": "Continue."},
        ]});
        for body in [body.to_string(), serde_json::to_string_pretty(&body).unwrap()] {
            assert_eq!(Work::of_request(&body), Some((work.clone(), 2)));
        }
        assert_eq!(Work::of_request(r#"{"messages":[]}"#), None);
    }
}
