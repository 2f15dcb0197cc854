use longhaul_core::{
    Fault, FaultKind, FinishReason, Message, ModelAnswer, Opaque, OpaqueItem, Role, Usage,
    limits::ANSWER_BYTES_MAX,
};
use serde_json::{Map, Value, json};

use crate::{
    content::Content,
    end_mark,
    error::{self, fault},
    finish::{self, Ended, reason_of},
    lenient::Halves,
    think::{self, Part, Splitter},
    tools::{Piece, ToolCalls},
    usage, wire,
};

/// Blocks of an answer that have begun and not ended, at most.
const OPEN_BLOCKS_MAX: usize = 128;

pub(crate) const BROKE_OFF: &str = "the model's answer broke off before its end";

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    text: String,
    thoughts: String,
    refusal: String,
    tool_calls: ToolCalls,
    /// Blocks that have begun and not ended, and their indexes.
    blocks: Vec<(u64, Value)>,
    /// The index of the next block.
    next_block: u64,
    /// What the provider wants back.
    kept: Vec<OpaqueItem>,
    /// What blocks and items take, in bytes.
    kept_bytes: usize,
    /// The provider wants the thoughts back with the calls.
    wants_thoughts: bool,
    /// What a router wants back with the calls, put together from its pieces.
    details: Vec<Value>,
    /// Where each kind of content stands in the chunks: the first place that had some.
    places: Places,
    splitter: Splitter,
    text_halves: Halves,
    thought_halves: Halves,
    /// The chunk that is being read had to be mended.
    mended: bool,
    /// What is said next is apart from what was said.
    breaks: bool,
    /// Something that is no text came after the text.
    is_interrupted: bool,
    /// The place of the item whose text is being read.
    item: Option<u64>,
    /// The place of the choice that is read.
    choice: Option<u64>,
    /// The stream has begun, and its format has an end of its own.
    expects_end: bool,
    finish_reason: Option<FinishReason>,
    /// Text came after the finish reason.
    went_on: bool,
    usage: Usage,
    /// Counts that came apart and belong together.
    counts: Map<String, Value>,
    response_id: Option<String>,
    response_model: Option<String>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Places {
    text: Option<Source>,
    thoughts: Option<Source>,
    refusal: Option<Source>,
    tool_calls: Option<Source>,
}

/// Where a choice has its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The pieces of a stream.
    Delta,
    /// A whole message.
    Message,
    /// A part of an item that is whole, in the middle of a stream.
    Part,
    /// An item that is whole, in the middle of a stream.
    Item,
    /// The text of the older completions.
    Text,
}

impl Partial {
    /// The text so far, thoughts left out.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The thoughts so far.
    pub(crate) fn thoughts(&self) -> &str {
        &self.thoughts
    }

    /// Whether the next chunk had to be mended to be read: it may have halves of characters.
    pub(crate) fn begin_chunk(&mut self, mended: bool) {
        self.mended = mended;
    }

    /// Adds what a choice has in one place. Of several places the first one counts that has something: a whole message after
    /// a stream that brought its text already adds none.
    pub(crate) fn push_content(&mut self, source: Source, content: &Content<'_>) -> Result<(), Fault> {
        // A further whole message after one that has ended is the same once more.
        if source == Source::Message && self.finish_reason.is_some() {
            return Ok(());
        }
        let Content { text, thoughts, refusal } = content;
        if is_taken(&mut self.places.thoughts, source, thoughts) {
            self.push_thoughts(thoughts)?;
        }
        if is_taken(&mut self.places.refusal, source, refusal) {
            self.push_refusal(refusal)?;
        }
        if is_taken(&mut self.places.text, source, text) {
            self.push_text(text)?;
        }
        Ok(())
    }

    /// Adds text; an answer over [`ANSWER_BYTES_MAX`] is a fault.
    pub(crate) fn push_text(&mut self, text: &str) -> Result<(), Fault> {
        self.check_size(text.len())?;
        let text = self.text_halves.join(text, self.mended);
        let before = self.text.len();
        if self.breaks && !text.is_empty() {
            self.breaks = false;
            if !self.text.is_empty() {
                self.text.push_str(wire::BETWEEN);
            }
        }
        let (said, thoughts) = (&mut self.text, &mut self.thoughts);
        self.splitter.push(&text, &mut |part, piece| match part {
            Part::Text => said.push_str(piece),
            Part::Thoughts => thoughts.push_str(piece),
        });
        self.went_on |= self.finish_reason.is_some() && !self.text[before..].trim().is_empty();
        Ok(())
    }

    /// What is said next is a message of its own: without a break `DONE` would stand in the last line of the one before.
    pub(crate) fn break_text(&mut self) {
        self.breaks = true;
    }

    /// A block begins. Texts that follow each other are one; those around something else are two.
    pub(crate) fn begin_block(&mut self, is_text: bool) {
        self.breaks |= is_text && self.is_interrupted;
        self.is_interrupted = !is_text;
    }

    /// A text of the item at this place comes, perhaps another one than before.
    pub(crate) fn begin_text(&mut self, place: Option<u64>) {
        self.breaks |= place.is_some() && self.item.is_some() && self.item != place;
        self.item = place.or(self.item);
    }

    /// The place of the choice that is read: the one that came first.
    pub(crate) fn choice(&mut self, first: u64) -> u64 {
        *self.choice.get_or_insert(first)
    }

    /// Whether a text is told from thoughts by the tags in it.
    pub(crate) fn knows_thought(&self, text: &str) -> bool {
        self.splitter.is_inside() || think::opens(text)
    }

    /// Whether the format's own end is still to come.
    pub(crate) fn expects_end(&mut self, expects: bool) {
        self.expects_end = expects;
    }

    /// Adds thoughts that the server itself keeps apart.
    pub(crate) fn push_thoughts(&mut self, thoughts: &str) -> Result<(), Fault> {
        self.check_size(thoughts.len())?;
        let thoughts = self.thought_halves.join(thoughts, self.mended);
        self.thoughts.push_str(&thoughts);
        Ok(())
    }

    /// Adds words with which the model refuses.
    pub(crate) fn push_refusal(&mut self, refusal: &str) -> Result<(), Fault> {
        self.check_size(refusal.len())?;
        self.refusal.push_str(refusal);
        Ok(())
    }

    /// Merges a piece of a tool call. Of several places the first one counts that has some.
    pub(crate) fn push_call(&mut self, source: Source, piece: &Piece<'_>) -> Result<(), Fault> {
        if *self.places.tool_calls.get_or_insert(source) != source {
            return Ok(());
        }
        self.push_call_of_any_source(piece)
    }

    /// Merges a piece of a tool call, wherever it stands.
    pub(crate) fn push_call_of_any_source(&mut self, piece: &Piece<'_>) -> Result<(), Fault> {
        let room = ANSWER_BYTES_MAX.saturating_sub(self.bytes());
        self.tool_calls.push(piece, self.mended, room)
    }

    /// Tool calls so far.
    pub(crate) fn calls_len(&self) -> u64 {
        self.tool_calls.len() as u64
    }

    /// Whether a call has the ids of this piece.
    pub(crate) fn knows_call(&self, piece: &Piece<'_>) -> bool {
        self.tool_calls.knows(piece)
    }

    /// Whether the call of this index has no arguments yet.
    pub(crate) fn is_bare_call(&self, index: u64) -> bool {
        self.tool_calls.arguments(index).is_some_and(str::is_empty)
    }

    /// Whether the model thought aloud.
    pub(crate) fn has_thoughts(&self) -> bool {
        !self.thoughts.is_empty()
    }

    /// The index of a block that comes without one.
    pub(crate) fn next_block(&self) -> u64 {
        self.next_block
    }

    /// A block begins.
    pub(crate) fn open_block(&mut self, index: u64, block: &Value) -> Result<(), Fault> {
        let block = if block.is_object() { block.clone() } else { json!({}) };
        self.hold(block.to_string().len())?;
        self.next_block = self.next_block.max(index.saturating_add(1));
        if self.blocks.len() == OPEN_BLOCKS_MAX {
            let message = format!("the answer has more than {OPEN_BLOCKS_MAX} blocks that do not end");
            return Err(fault(FaultKind::TooLarge, &message));
        }
        self.blocks.push((index, block));
        Ok(())
    }

    /// A text of an open block goes on.
    pub(crate) fn extend_block(&mut self, index: u64, member: &str, text: &str) -> Result<(), Fault> {
        self.hold(text.len())?;
        let mended = self.mended;
        let open = self.blocks.iter_mut().rfind(|(own, _)| *own == index);
        if let Some((_, Value::Object(block))) = open {
            let held = block.entry(member).or_insert_with(|| Value::String(String::new()));
            match held {
                Value::String(held) => held.push_str(&Halves::default().join(text, mended)),
                other => *other = Value::String(text.to_owned()),
            }
        }
        Ok(())
    }

    /// A block ends; without an index the first of those that are open.
    pub(crate) fn close_block(&mut self, index: Option<u64>) -> Option<(u64, Value)> {
        let is_it = |(own, _): &(u64, Value)| index.is_none_or(|index| *own == index);
        let place = self.blocks.iter().position(is_it)?;
        Some(self.blocks.remove(place))
    }

    /// Keeps what the provider wants back, at this place of the answer.
    pub(crate) fn keep(&mut self, item: Value) -> Result<(), Fault> {
        self.keep_at(self.text.len(), self.tool_calls.len(), item)
    }

    /// Keeps what the provider wants back, after so many bytes of the text and so many calls.
    pub(crate) fn keep_at(&mut self, text: usize, calls: usize, item: Value) -> Result<(), Fault> {
        self.hold(item.to_string().len())?;
        self.kept.push(OpaqueItem { text, calls, item });
        Ok(())
    }

    /// Whether something is kept already.
    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The provider wants the thoughts back with the calls, if there are any.
    pub(crate) fn keep_thoughts(&mut self) {
        self.wants_thoughts = true;
    }

    /// A piece of what a router wants back with the calls: it goes on with the one before where both have one type and index.
    pub(crate) fn keep_detail(&mut self, detail: &Value) -> Result<(), Fault> {
        const GROWING: [&str; 3] = ["text", "summary", "data"];
        let Value::Object(piece) = detail else { return Ok(()) };
        self.hold(detail.to_string().len())?;
        let goes_on = |held: &&mut Value| {
            detail["index"].is_number() && ["type", "index"].iter().all(|name| held[*name] == detail[*name])
        };
        let Some(held) = self.details.last_mut().filter(goes_on) else {
            self.details.push(detail.clone());
            return Ok(());
        };
        for (name, value) in piece.iter().filter(|(_, value)| !value.is_null()) {
            match (&mut held[name], value) {
                (Value::String(held), Value::String(more)) if GROWING.contains(&name.as_str()) => {
                    held.push_str(more);
                }
                (held, value) => held.clone_from(value),
            }
        }
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.check_size(bytes)?;
        self.kept_bytes += bytes;
        Ok(())
    }

    /// Keeps the reason why the message ended; null and the like change nothing.
    ///
    /// # Errors
    /// When the provider gave up on the answer.
    pub(crate) fn set_finish_reason(&mut self, reason: &Value) -> Result<(), Fault> {
        match reason_of(reason) {
            None => {}
            // What was cut off stays so: some servers end every stream with `stop`.
            Some(Ended::Well(FinishReason::Stop)) if self.was_cut() && !self.went_on => {}
            Some(Ended::Well(known)) => {
                self.finish_reason = Some(known);
                self.went_on = false;
            }
            Some(Ended::GaveUp) => {
                let word = finish::word_of(reason).unwrap_or_default();
                let message =
                    format!("the model's server gave up on the answer: its finish reason is {word}");
                return Err(fault(FaultKind::ServerError, &message));
            }
        }
        Ok(())
    }

    fn was_cut(&self) -> bool {
        matches!(self.finish_reason, Some(FinishReason::Length | FinishReason::ContentFilter))
    }

    /// Keeps counts of which each event has some, as a sum of all: a later one wins where it is not zero.
    pub(crate) fn count_together(&mut self, counts: &Map<String, Value>) {
        let says = |value: &Value| !value.is_null() && *value != 0;
        // A total of before is none of now.
        self.counts.retain(|name, _| !name.starts_with("total"));
        let known = counts.iter().filter(|(name, value)| says(value) || !self.counts.contains_key(*name));
        let known: Vec<_> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.counts.extend(known);
        let counts = std::mem::take(&mut self.counts);
        let mut together = json!({ "usage": counts });
        self.count(&together);
        if let Value::Object(counts) = together["usage"].take() {
            self.counts = counts;
        }
    }

    /// Keeps the counts that this answer or chunk knows; a later one wins where it is not zero.
    pub(crate) fn count(&mut self, response: &Value) {
        let Some(mut usage) = usage::find(response) else { return };
        let later = |new: Option<u64>, known: Option<u64>| new.filter(|count| *count > 0).or(known).or(new);
        let input_tokens = later(usage.input_tokens, self.usage.input_tokens);
        let output_tokens = later(usage.output_tokens, self.usage.output_tokens);
        let is_replaced = |new: Option<u64>, known: Option<u64>| new == Some(0) && known != new;
        if is_replaced(usage.input_tokens, input_tokens) || is_replaced(usage.output_tokens, output_tokens) {
            usage.total_tokens = None;
        }
        let sum = input_tokens.zip(output_tokens).map(|(input, output)| input.saturating_add(output));
        self.usage = Usage {
            input_tokens,
            output_tokens,
            total_tokens: usage.total_tokens.or(sum).or(self.usage.total_tokens),
            cost_usd: usage.cost_usd.or(self.usage.cost_usd),
            cached_input_tokens: usage.cached_input_tokens.or(self.usage.cached_input_tokens),
            cache_write_tokens: usage.cache_write_tokens.or(self.usage.cache_write_tokens),
            reasoning_tokens: usage.reasoning_tokens.or(self.usage.reasoning_tokens),
            estimated: false,
        };
    }

    /// Keeps the first `id` and `model` of the response. One that is absurdly long says nothing and is dropped.
    pub(crate) fn identify(&mut self, response: &Value) {
        const NAMED_BYTES_MAX: usize = 256;
        let named = |field: &str| {
            response[field]
                .as_str()
                .filter(|text| (1..=NAMED_BYTES_MAX).contains(&text.len()))
                .map(str::to_owned)
        };
        if self.response_id.is_none() {
            self.response_id = named("id");
        }
        if self.response_model.is_none() {
            self.response_model = named("model");
        }
    }

    /// The server said that there is nothing more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// The stream is over, whatever it was of.
    ///
    /// # Errors
    /// When its format has an end of its own, which did not come.
    pub(crate) fn end_stream(&mut self) -> Result<(), Fault> {
        if self.expects_end && self.finish_reason.is_none() {
            return Err(fault(FaultKind::Truncated, BROKE_OFF));
        }
        self.ended = true;
        Ok(())
    }

    /// What the server says that the answer used; `None` where it says nothing.
    pub(crate) fn usage(&self) -> Option<Usage> {
        (self.usage != Usage::default()).then(|| self.usage.clone())
    }

    /// A fault of this answer, with what it used and whether anything of it came.
    pub(crate) fn told_of(&self, fault: Fault) -> Fault {
        Fault { begun: self.bytes() > 0, usage: self.usage().map(Box::new), ..fault }
    }

    /// Whether the server said that there is nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the message came to its end. Where text followed the finish reason, only the end of the stream is one.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended || self.finish_reason.is_some() && !self.went_on
    }

    /// Whether a body that ended here, without a fault, holds a whole message.
    pub(crate) fn is_whole_at_the_end(&self) -> bool {
        self.ended || self.finish_reason.is_some()
    }

    /// The answer. One in which nothing is said is a fault that names the reason, where there is one.
    pub(crate) fn finish(mut self) -> Result<ModelAnswer, Fault> {
        self.end_texts();
        if self.tool_calls.is_empty() && self.text.trim().is_empty() {
            return Err(self.told_of(self.nothing_said()));
        }
        let told = self.told_of(fault(FaultKind::EmptyResponse, "the model's answer is empty"));
        let tool_calls = self.tool_calls.finish(self.finish_reason == Some(FinishReason::Length));
        if tool_calls.is_empty() && self.text.trim().is_empty() {
            return Err(told);
        }
        let natural = if tool_calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        if !tool_calls.is_empty() {
            let thoughts = self.wants_thoughts.then(|| json!({ "reasoning_content": true }));
            let details = (!self.details.is_empty()).then(|| json!({ "reasoning_details": self.details }));
            let first =
                thoughts.into_iter().chain(details).map(|item| OpaqueItem { text: 0, calls: 0, item });
            self.kept.splice(0..0, first);
        }
        let opaque = Opaque { model: String::new(), items: self.kept };
        let message = Message {
            thoughts: self.thoughts,
            tool_calls,
            opaque: (!opaque.items.is_empty()).then(|| Box::new(opaque)),
            ..Message::text(Role::Assistant, self.text)
        };
        Ok(ModelAnswer {
            message,
            finish_reason: self.finish_reason.unwrap_or(natural),
            usage: self.usage,
            response_id: self.response_id,
            response_model: self.response_model,
        })
    }

    /// Takes what was kept back, then the thoughts that nothing opened, and the marks of an end that are no text.
    fn end_texts(&mut self) {
        let left = self.text_halves.end();
        let (said, thoughts) = (&mut self.text, &mut self.thoughts);
        let mut out = |part, piece: &str| match part {
            Part::Text => said.push_str(piece),
            Part::Thoughts => thoughts.push_str(piece),
        };
        self.splitter.push(left, &mut out);
        self.splitter.end(&mut out);
        self.thoughts.push_str(self.thought_halves.end());
        self.thoughts.truncate(think::without_marks(&self.thoughts).len());
        while self.splitter.has_thoughts()
            && let Some((whole, inner)) = think::again(&self.text)
        {
            self.thoughts.push_str(&self.text[inner]);
            self.text.drain(whole);
        }
        if let Some((end, start)) = think::unopened(&self.text) {
            self.thoughts.push_str(&self.text[..end]);
            self.text.drain(..start);
            self.text.drain(..self.text.len() - self.text.trim_start().len());
        }
        self.text.truncate(end_mark::without(&self.text).len());
    }

    fn nothing_said(&self) -> Fault {
        let refusal = self.refusal.trim();
        if !refusal.is_empty() {
            return fault(FaultKind::ContentRefused, &format!("the model refused: {refusal}"));
        }
        match self.finish_reason {
            Some(FinishReason::ContentFilter) => {
                fault(FaultKind::ContentRefused, "the provider's content filter withheld the model's answer")
            }
            Some(FinishReason::Length) => fault(FaultKind::BadRequest, &self.spent()),
            Some(FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other) | None => {
                let only = if self.thoughts.trim().is_empty() { "" } else { ": it has thoughts only" };
                fault(FaultKind::EmptyResponse, &format!("the model's answer is empty{only}"))
            }
        }
    }

    /// Why an answer has no text that was cut at its limit.
    fn spent(&self) -> String {
        let counted = match (self.usage.output_tokens, self.usage.reasoning_tokens) {
            (Some(output), Some(reasoning)) => {
                format!(" ({output} output tokens, {reasoning} of them for reasoning)")
            }
            (Some(output), None) => format!(" ({output} output tokens)"),
            (None, _) => String::new(),
        };
        let doing = if self.thoughts.is_empty() { "" } else { " while it was reasoning" };
        format!(
            "the model reached the length limit of its output{doing}, before it wrote any answer{counted}; raise \
             max_output_tokens"
        )
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.thoughts.len() + self.refusal.len() + self.tool_calls.bytes() + self.kept_bytes
    }

    fn check_size(&self, more_bytes: usize) -> Result<(), Fault> {
        if self.bytes() + more_bytes > ANSWER_BYTES_MAX { Err(error::too_large()) } else { Ok(()) }
    }
}

fn is_taken(place: &mut Option<Source>, source: Source, text: &str) -> bool {
    !text.is_empty() && *place.get_or_insert(source) == source
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_thoughts_and_tool_calls_have_one_limit() {
        let mut partial = Partial::default();
        partial.push_thoughts(&"x".repeat(ANSWER_BYTES_MAX / 2)).unwrap();
        partial.push_text(&"x".repeat(ANSWER_BYTES_MAX / 2)).unwrap();
        assert_eq!(partial.push_text("x").unwrap_err().kind, FaultKind::TooLarge);
        assert_eq!(partial.push_thoughts("x").unwrap_err().kind, FaultKind::TooLarge);
        let fault = partial.push_call(Source::Delta, &Piece { name: "f", ..Piece::default() }).unwrap_err();
        assert_eq!(fault.kind, FaultKind::TooLarge);
    }

    #[test]
    fn a_later_usage_wins_where_it_knows_more() {
        let mut partial = Partial::default();
        partial.push_text("x").unwrap();
        partial.count(&json!({"usage": {"prompt_tokens": 4, "completion_tokens": 1}}));
        partial.count(&json!({"usage": {"completion_tokens": 9}}));
        partial.count(&json!({"usage": {"prompt_tokens": 0, "completion_tokens": 0}}));
        let usage = partial.finish().unwrap().usage;
        assert_eq!(
            (usage.input_tokens, usage.output_tokens, usage.total_tokens),
            (Some(4), Some(9), Some(13))
        );
    }

    #[test]
    fn text_after_a_finish_reason_waits_for_the_end() {
        let mut partial = Partial::default();
        partial.push_text("half").unwrap();
        partial.set_finish_reason(&json!("stop")).unwrap();
        assert!(partial.is_whole());
        partial.push_text(" \n").unwrap();
        assert!(partial.is_whole(), "white space is nothing");
        partial.push_text("and more").unwrap();
        assert!(!partial.is_whole() && partial.is_whole_at_the_end());
        partial.set_finish_reason(&json!("stop")).unwrap();
        assert!(partial.is_whole());
    }

    #[test]
    fn nothing_said_is_told_with_its_reason() {
        let fault = |partial: Partial| partial.finish().unwrap_err();
        let mut refused = Partial::default();
        refused.push_refusal("I can't help.").unwrap();
        refused.set_finish_reason(&json!("stop")).unwrap();
        let said = Fault {
            begun: true,
            ..Fault::new(FaultKind::ContentRefused, "the model refused: I can't help.")
        };
        assert_eq!(fault(refused), said);
        let mut filtered = Partial::default();
        filtered.set_finish_reason(&json!("SAFETY")).unwrap();
        assert_eq!(fault(filtered).kind, FaultKind::ContentRefused);
        let mut spent = Partial::default();
        spent.push_thoughts("count count").unwrap();
        spent.set_finish_reason(&json!("length")).unwrap();
        spent.count(&json!({"usage": {"prompt_tokens": 1, "completion_tokens": 900}}));
        let spent = fault(spent);
        assert_eq!(spent.kind, FaultKind::BadRequest);
        assert!(spent.message.contains("length") && spent.message.contains("900"), "{}", spent.message);
        let mut thoughts = Partial::default();
        thoughts.push_thoughts("hm").unwrap();
        assert_eq!(fault(thoughts).kind, FaultKind::EmptyResponse);
    }

    #[test]
    fn thoughts_are_kept_apart() {
        let mut partial = Partial::default();
        partial.push_thoughts("first ").unwrap();
        partial.push_text("<think>second</think>\n\nsaid").unwrap();
        let message = partial.finish().unwrap().message;
        assert_eq!((message.content.as_str(), message.thoughts.as_str()), ("said", "first second"));
        let mut unopened = Partial::default();
        unopened.push_text("hm\n</think>\n\nsaid").unwrap();
        let message = unopened.finish().unwrap().message;
        assert_eq!((message.content.as_str(), message.thoughts.as_str()), ("said", "hm\n"));
    }
}
