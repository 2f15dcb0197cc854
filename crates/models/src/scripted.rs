//! The embedded scripted model, which is **no model at all**: it plays an answer that the task itself describes, in
//! the wire format of Chat Completions, without any network. It is there to try the runtime, and to test it.
//!
//! `scripted:haiku` writes verses about the task and says DONE at its third turn. `scripted:echo` says the task once
//! more and DONE at its first. `scripted:slow` writes other verses than `scripted:haiku`, a word at a time, so that there
//! is something to watch and to compare. In a comparison none says DONE. A line of the task that starts with `#scripted` changes that:
//!
//! ```text
//! #scripted turns=4 words=20 latency_ms=200 chunk_ms=50 fault=500@2x3,empty@4
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `turns=N` | the Nth answer of the run ends with DONE |
//! | `done=never` | none does (`done=yes` is the default) |
//! | `words=N` | the length of each answer, DONE left out |
//! | `latency_ms=N`, `chunk_ms=N` | the wait before the first chunk, and between chunks |
//! | `tools=N` | the first N answers ask for every tool that the request offers, side by side |
//! | `fault=KIND@TURN` or `KIND@TURNxTIMES`, comma-separated | the first attempts of that turn's call end in `500`, `429`, `400`, `empty`, `truncated`, `timeout`, `panic` or `abort` |
//!
//! Further lines have single tools called, at the first turn or at the one that they name; those of one turn side by side.
//! What follows the tool's name is sent as its arguments, whatever it is:
//!
//! ```text
//! #scripted call=refund {"order": "7", "cents": 100}
//! #scripted call@2=find {"order": "8"}
//! ```
//!
//! Its usage counts words, so it is the same every time. A directive that does not parse is answered with status 400.

use std::borrow::Cow;

use longhaul_core::{ModelRequest, OWN_TOOLS, ToolOffer, limits::ANSWER_BYTES_MAX};
use serde_json::{Value, json};

use crate::directive::{Directive, FaultWord, plain_task};

/// How a line begins that has a tool called.
const CALL_MARK: &str = "#scripted call";

/// The turn at which `scripted:haiku` says DONE by itself.
const HAIKU_TURNS: u32 = 3;
/// The models beside `scripted:haiku`.
const ECHO: &str = "scripted:echo";
const SLOW: &str = "scripted:slow";
/// Where the verses of `scripted:slow` begin, and its pauses unless the task says otherwise, in milliseconds.
const SLOW_VERSE: u32 = 3;
const SLOW_LATENCY_MS: u32 = 400;
const SLOW_CHUNK_MS: u32 = 60;
/// Chunks of one answer at most: in a longer answer a chunk has several words.
const CHUNKS_MAX: usize = 512;
/// What a task without words is about.
const NO_SUBJECT: &str = "nothing at all";
/// Tools that one answer asks for at most.
const TOOLS_MAX: usize = 8;
/// `Retry-After` of a scripted 429, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// What the scripted model does with a call. The caller plays it: waits, hands over bytes, or comes to grief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The wait before the outcome, or before its first chunk.
    pub latency_ms: u32,
    /// The wait between chunks.
    pub chunk_ms: u32,
    /// What comes then.
    pub outcome: ScriptOutcome,
}

/// How a scripted call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptOutcome {
    /// Status 200 and a `text/event-stream` in these chunks, for a [`crate::Decoder`].
    Stream(Vec<Vec<u8>>),
    /// Another status, for [`crate::fault_of_status`].
    Status {
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
        /// A JSON body with an error's message.
        body: String,
    },
    /// Nothing, until the caller gives up.
    Hang,
    /// The caller must panic.
    Panic,
    /// The caller must reset its Durable Object.
    ResetObject,
}

impl Script {
    /// The script for a call, which depends on nothing but the request.
    pub fn for_request(request: &ModelRequest<'_>) -> Self {
        let (task, lines) = without_calls(request.task);
        let request = &ModelRequest { task: &task, ..request.clone() };
        match Directive::of_task(&task).and_then(|directive| Ok((directive, Asked::of(&lines, request)?))) {
            Err(message) => Self { latency_ms: 0, chunk_ms: 0, outcome: status(400, None, &message) },
            Ok((directive, asked)) => {
                let pace = if request.model == SLOW { (SLOW_LATENCY_MS, SLOW_CHUNK_MS) } else { (0, 0) };
                Self {
                    latency_ms: directive.latency_ms.max(pace.0),
                    chunk_ms: directive.chunk_ms.max(pace.1),
                    outcome: outcome(&directive, &asked, request),
                }
            }
        }
    }
}

fn outcome(directive: &Directive, asked: &[Asked<'_>], request: &ModelRequest<'_>) -> ScriptOutcome {
    match directive.fault_at(request.iteration, request.attempt) {
        Some(FaultWord::ServerError) => status(500, None, "a scripted server error"),
        Some(FaultWord::RateLimited) => status(429, Some(RETRY_AFTER_S), "a scripted rate limit"),
        Some(FaultWord::Refused) => status(400, None, "a scripted refusal"),
        Some(FaultWord::Timeout) => ScriptOutcome::Hang,
        Some(FaultWord::Panic) => ScriptOutcome::Panic,
        Some(FaultWord::Abort) => ScriptOutcome::ResetObject,
        Some(FaultWord::Empty) => ScriptOutcome::Stream(stream(request, " \n", &[])),
        Some(FaultWord::Truncated) => {
            let mut chunks = stream(request, &answer(directive, asked, request), &[]);
            chunks.truncate(chunks.len() / 2);
            ScriptOutcome::Stream(chunks)
        }
        None => {
            let calls = calls(directive, asked, request);
            ScriptOutcome::Stream(stream(request, &answer(directive, asked, request), &calls))
        }
    }
}

fn status(status: u16, retry_after_s: Option<u32>, message: &str) -> ScriptOutcome {
    let body = json!({ "error": { "message": message, "type": "scripted" } }).to_string();
    ScriptOutcome::Status { status, retry_after_s, body }
}

/// The text of this turn's answer.
fn answer(directive: &Directive, asked: &[Asked<'_>], request: &ModelRequest<'_>) -> String {
    let task = plain_task(request.task);
    let echoes = request.model == ECHO;
    let verse = if request.model == SLOW { request.iteration + SLOW_VERSE } else { request.iteration };
    let text = match (echoes, task.is_empty()) {
        (true, true) => NO_SUBJECT.to_owned(),
        (true, false) => task,
        (false, _) => haiku(&subject(&task), verse),
    };
    let text = match directive.words {
        Some(words) => of_length(&text, words),
        None => text,
    };
    let last_turn = directive.turns.unwrap_or(if echoes { 1 } else { HAIKU_TURNS });
    match request.sentinel {
        // What asks for tools has not come to its end.
        _ if !asked.is_empty() || asks_for_tools(directive, request) => text,
        Some(sentinel) if !directive.never_done && request.iteration >= last_turn => {
            format!("{text}\n{sentinel}")
        }
        _ => text,
    }
}

/// Exactly so many words: the text's own, again and again. Not many more than an answer may have, which is too large
/// anyway: a task may be one very long word.
fn of_length(text: &str, words: u32) -> String {
    let own: Vec<&str> = text.split_whitespace().collect();
    let count = usize::try_from(words).unwrap_or(usize::MAX);
    let mut long = String::new();
    for (index, word) in own.iter().cycle().take(count).enumerate() {
        if long.len() > ANSWER_BYTES_MAX {
            break;
        }
        if index > 0 {
            long.push(' ');
        }
        long.push_str(word);
    }
    long
}

/// What the verses are about: what follows `about` in the task, else its longest word.
fn subject(task: &str) -> String {
    const SUBJECT_WORDS_MAX: usize = 3;
    let words: Vec<&str> = task.split_whitespace().collect();
    // What is not ASCII counts as a letter: tables of all letters are not worth it here.
    let is_letter = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii();
    let bare = |word: &str| word.trim_matches(|c: char| !is_letter(c)).to_owned();
    let mut found = Vec::new();
    if let Some(about) = words.iter().position(|word| word.eq_ignore_ascii_case("about")) {
        for word in words[about + 1..].iter().take(SUBJECT_WORDS_MAX) {
            found.push(bare(word));
            if !word.ends_with(is_letter) {
                break;
            }
        }
    }
    found.retain(|word| !word.is_empty());
    if found.is_empty() {
        let longest = words.iter().map(|word| bare(word)).max_by_key(|word| word.chars().count());
        found.extend(longest.filter(|word| !word.is_empty()));
    }
    if found.is_empty() { NO_SUBJECT.to_owned() } else { found.join(" ").to_ascii_lowercase() }
}

/// Three lines about the subject, others at every turn up to the sixth.
fn haiku(subject: &str, turn: u32) -> String {
    const VERSES: [[&str; 3]; 6] = [
        ["Morning opens slow;", "at the edge of it, {},", "patient as a stone."],
        ["Nobody is asked,", "and still {} comes again", "with the evening wind."],
        ["Write it down in sand:", "{}, and the sea reads it", "once, and not again."],
        ["An old lamp burns low.", "Between two breaths, {};", "the clock looks away."],
        ["Rain on a tin roof", "counts {} word by word", "and begins anew."],
        ["First snow on the path.", "Here ends {}, and here", "the silence starts."],
    ];
    let turn = usize::try_from(turn.saturating_sub(1)).unwrap_or_default();
    VERSES[turn % VERSES.len()].join("\n").replace("{}", subject)
}

/// The answer as chunks of a Chat Completions stream: words, calls of tools, then the end with the usage.
fn stream(request: &ModelRequest<'_>, text: &str, calls: &[Value]) -> Vec<Vec<u8>> {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    let per_chunk = words.len().div_ceil(CHUNKS_MAX).max(1);
    let delta = |words: &[&str]| {
        let delta = json!({ "content": words.concat() });
        event(request, &json!([{ "index": 0, "delta": delta, "finish_reason": null }]), None)
    };
    let mut chunks: Vec<Vec<u8>> = words.chunks(per_chunk).map(delta).collect();
    let mut reason = "stop";
    if !calls.is_empty() {
        let delta = json!({ "tool_calls": calls });
        chunks.push(event(request, &json!([{ "index": 0, "delta": delta, "finish_reason": null }]), None));
        reason = "tool_calls";
    }
    let mut end = event(request, &json!([{ "index": 0, "delta": {}, "finish_reason": reason }]), None);
    end.extend(event(request, &json!([]), Some(&usage(request, text))));
    end.extend_from_slice(b"data: [DONE]\n\n");
    chunks.push(end);
    chunks
}

fn asks_for_tools(directive: &Directive, request: &ModelRequest<'_>) -> bool {
    request.iteration <= directive.tools && !request.tools.is_empty() && !request.forbids_tools
}

/// The calls that this turn's answer asks for: those that lines of the task name, or else one of each tool that the request
/// offers.
fn calls(directive: &Directive, asked: &[Asked<'_>], request: &ModelRequest<'_>) -> Vec<Value> {
    let call = |(place, (name, arguments)): (usize, (&str, String))| {
        let function = json!({ "name": name, "arguments": arguments });
        let id = format!("call-{}-{place}", request.iteration);
        json!({ "index": place, "id": id, "type": "function", "function": function })
    };
    if !asked.is_empty() {
        return asked.iter().map(|it| (it.tool, it.arguments.to_owned())).enumerate().map(call).collect();
    }
    if !asks_for_tools(directive, request) {
        return Vec::new();
    }
    let any = |tool: &ToolOffer| example(tool.parameters.as_ref().unwrap_or(&Value::Null)).to_string();
    // Only a line of the task calls the runtime's own.
    let offered =
        request.tools.iter().filter(|tool| !OWN_TOOLS.contains(&tool.name.as_str())).take(TOOLS_MAX);
    let offered = offered.map(|tool| (tool.name.as_str(), any(tool)));
    offered.enumerate().map(call).collect()
}

/// A call that a line of the task has the model ask for.
struct Asked<'a> {
    tool: &'a str,
    arguments: &'a str,
}

impl<'a> Asked<'a> {
    /// The calls of the request's turn; none where it offers no tools, or forbids them. The error says which line cannot be read.
    fn of(lines: &[&'a str], request: &ModelRequest<'_>) -> Result<Vec<Self>, String> {
        let mut asked = Vec::new();
        for line in lines {
            let read = Self::read(line).ok_or_else(|| {
                format!("{CALL_MARK}: `{line}` is not `=TOOL ARGUMENTS` or `@TURN=TOOL ARGUMENTS`")
            })?;
            asked.extend(Some(read).filter(|(turn, _)| *turn == request.iteration).map(|(_, call)| call));
        }
        if request.tools.is_empty() || request.forbids_tools {
            asked.clear();
        }
        asked.truncate(TOOLS_MAX);
        Ok(asked)
    }

    /// What follows the mark: the turn, and the call.
    fn read(line: &'a str) -> Option<(u32, Self)> {
        let (turn, call) = line.split_once('=')?;
        let turn = match turn.strip_prefix('@') {
            Some(turn) => turn.parse().ok().filter(|turn| *turn > 0)?,
            None if turn.is_empty() => 1,
            None => return None,
        };
        let (tool, arguments) = call.split_once(' ').unwrap_or((call, "{}"));
        (!tool.is_empty()).then_some((turn, Self { tool, arguments: arguments.trim() }))
    }
}

/// The task without the lines that have tools called, and what these lines say.
fn without_calls(task: &str) -> (Cow<'_, str>, Vec<&str>) {
    let of_call = |line: &str| line.trim_start().starts_with(CALL_MARK);
    if !task.lines().any(of_call) {
        return (Cow::Borrowed(task), Vec::new());
    }
    let calls = task.lines().filter_map(|line| line.trim_start().strip_prefix(CALL_MARK)).collect();
    (Cow::Owned(task.split_inclusive('\n').filter(|line| !of_call(line)).collect()), calls)
}

/// Arguments that fit a simple schema: each property that is required, by its type.
fn example(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("string") => json!(NO_SUBJECT),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some(_) | None => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let member = |name: &str| (name.to_owned(), example(&schema["properties"][name]));
            Value::Object(required.map(member).collect())
        }
    }
}

fn event(request: &ModelRequest<'_>, choices: &Value, usage: Option<&Value>) -> Vec<u8> {
    let chunk = json!({
        "id": format!("scripted-{}-{}", request.iteration, request.attempt),
        "object": "chat.completion.chunk",
        "model": request.model,
        "choices": choices,
        "usage": usage,
    });
    format!("data: {chunk}\n\n").into_bytes()
}

fn usage(request: &ModelRequest<'_>, text: &str) -> Value {
    let words = |text: &str| text.split_whitespace().count();
    let input = request.system.as_deref().map_or(0, words)
        + request.messages.iter().map(|message| words(&message.content)).sum::<usize>();
    let output = words(text);
    json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output })
}

#[cfg(test)]
mod tests {
    use longhaul_core::{Effect, Fault, FaultKind, FinishReason, Message, ModelAnswer, Role, final_rule};

    use super::*;
    use crate::{Decoder, Format, fault_of_status};

    fn script(model: &str, task: &str, iteration: u32, attempt: u32) -> Script {
        let messages = [Message::text(Role::User, task)];
        Script::for_request(&ModelRequest {
            model,
            system: Some("Say DONE at the end.".into()),
            messages: messages.as_slice().into(),
            task,
            sentinel: Some("DONE"),
            iteration,
            attempt,
            max_output_tokens: None,
            temperature: None,
            tools: &[],
            forbids_tools: false,
        })
    }

    fn play(script: Script) -> Result<ModelAnswer, Fault> {
        match script.outcome {
            ScriptOutcome::Stream(chunks) => {
                let mut decoder = Decoder::new(Format::Chat, Some("text/event-stream"));
                for chunk in chunks {
                    decoder.push(&chunk)?;
                }
                decoder.finish()
            }
            ScriptOutcome::Status { status, retry_after_s, body } => {
                Err(fault_of_status(status, body.as_bytes(), retry_after_s.map(|s| u64::from(s) * 1_000)))
            }
            other => panic!("nothing to decode: {other:?}"),
        }
    }

    fn haiku_text(task: &str, iteration: u32) -> String {
        play(script("scripted:haiku", task, iteration, 1)).unwrap().message.content
    }

    fn is_final(text: &str) -> bool {
        final_rule(&Message::text(Role::Assistant, text), FinishReason::Stop, "DONE").is_some()
    }

    #[test]
    fn a_haiku_is_done_at_its_third_turn() {
        let texts: Vec<String> = (1..=4).map(|turn| haiku_text("Write a haiku about tides.", turn)).collect();
        assert_eq!(texts[0], "Morning opens slow;\nat the edge of it, tides,\npatient as a stone.");
        assert_eq!(texts.iter().map(|text| is_final(text)).collect::<Vec<_>>(), [false, false, true, true]);
        assert_ne!(texts[0], texts[1]);
        assert_eq!(texts[0], haiku_text("Write a haiku about tides.", 1));
    }

    #[test]
    fn the_subject_is_found_in_the_task() {
        for (task, expected) in [
            ("Write a haiku about tides.", "tides"),
            ("A poem ABOUT the old harbour, please", "the old harbour"),
            ("Describe photosynthesis!", "photosynthesis"),
            ("What about", "about"),
            ("", "nothing at all"),
            ("?!", "nothing at all"),
        ] {
            assert_eq!(subject(task), expected, "{task:?}");
        }
    }

    #[test]
    fn an_echo_says_the_task_and_done() {
        let answer =
            play(script("scripted:echo", "Say this:\n  #scripted latency_ms=5\n1 2  3", 1, 1)).unwrap();
        assert_eq!(answer.message.content, "Say this:\n1 2  3\nDONE");
        assert_eq!(answer.usage.input_tokens, Some(5 + 7));
        assert_eq!(answer.usage.output_tokens, Some(6));
        assert_eq!(answer.response_model.as_deref(), Some("scripted:echo"));
        assert_eq!(answer.finish_reason, FinishReason::Stop);
        let answer = play(script("scripted:echo", "#scripted words=4", 1, 1)).unwrap();
        assert_eq!(answer.message.content, "nothing at all nothing\nDONE");
    }

    #[test]
    fn a_task_of_one_very_long_word_is_not_repeated_without_end() {
        let task = format!("#scripted words=10000\n{}", "x".repeat(256 * 1024));
        let fault = play(script("scripted:echo", &task, 1, 1)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::TooLarge);
        let ScriptOutcome::Stream(chunks) = script("scripted:echo", &task, 1, 1).outcome else {
            panic!("a stream")
        };
        assert!(chunks.iter().map(Vec::len).sum::<usize>() < 2 * ANSWER_BYTES_MAX);
    }

    #[test]
    fn a_task_has_the_offered_tools_called() {
        let schema = json!({
            "type": "object", "required": ["port", "days", "deep"],
            "properties": {"port": {"type": "string"}, "days": {"type": "integer"}, "deep": {"type": "object"}, "more": {}},
        });
        let tools = [
            ToolOffer { parameters: Some(schema), ..ToolOffer::new("tide", Effect::Read) },
            ToolOffer::new("moon", Effect::Read),
        ];
        let task = "Tides.\n#scripted turns=1 tools=2";
        let play_turn = |iteration, tools| {
            let request = ModelRequest {
                model: "scripted:haiku",
                task,
                iteration,
                tools,
                ..crate::tests::request(&[])
            };
            play(Script::for_request(&request)).unwrap()
        };
        let answer = play_turn(2, &tools);
        let expected = [
            ("call-2-0", "tide", r#"{"days":1,"deep":{},"port":"nothing at all"}"#),
            ("call-2-1", "moon", "{}"),
        ];
        assert_eq!(crate::tests::calls(&answer), expected);
        assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
        assert!(!is_final(&answer.message.content));
        assert!(is_final(&play_turn(3, &tools).message.content), "two answers asked");
        assert!(is_final(&play_turn(1, &[]).message.content), "nothing is offered");
    }

    #[test]
    fn a_line_of_the_task_has_one_tool_called() {
        let tools = [ToolOffer::new("refund", Effect::Once)];
        let task = "Pay.\n#scripted call=refund {\"order\": \"7\"}\n#scripted turns=1\n  #scripted call=gone\n#scripted call@2=refund {\nThanks.";
        let play_turn = |task, iteration, tools| {
            let request =
                ModelRequest { model: "scripted:echo", task, iteration, tools, ..crate::tests::request(&[]) };
            play(Script::for_request(&request))
        };
        let answer = play_turn(task, 1, &tools).unwrap();
        let expected = [("call-1-0", "refund", r#"{"order": "7"}"#), ("call-1-1", "gone", "{}")];
        assert_eq!(crate::tests::calls(&answer), expected);
        assert_eq!(answer.message.content, "Pay.\nThanks.");
        let answer = play_turn(task, 2, &tools).unwrap();
        assert_eq!(crate::tests::calls(&answer), [("call-2-0", "refund", "{")], "as it is");
        assert!(is_final(&play_turn(task, 3, &tools).unwrap().message.content));
        assert!(is_final(&play_turn(task, 1, &[]).unwrap().message.content), "nothing is offered");
        for broken in ["call", "call=", "call@0=refund", "call@x=refund {}", "calls=refund"] {
            let task = format!("#scripted {broken}");
            let fault = play(script("scripted:echo", &task, 1, 1)).unwrap_err();
            assert_eq!(fault.kind, FaultKind::BadRequest, "{broken}");
        }
    }

    #[test]
    fn the_task_sets_turns_words_and_waits() {
        let task = "Tides.\n#scripted turns=2 words=40 latency_ms=30 chunk_ms=7";
        let first = script("scripted:haiku", task, 1, 1);
        assert_eq!((first.latency_ms, first.chunk_ms), (30, 7));
        let ScriptOutcome::Stream(chunks) = &first.outcome else { panic!("a stream") };
        assert_eq!(chunks.len(), 40 + 1);
        let text = play(first).unwrap().message.content;
        assert_eq!((text.split_whitespace().count(), is_final(&text)), (40, false));
        let text = haiku_text(task, 2);
        assert_eq!((text.split_whitespace().count(), is_final(&text)), (41, true));
        assert!(!is_final(&haiku_text("#scripted done=never", 6)));
        assert!(is_final(&haiku_text("#scripted turns=1", 1)));
    }

    #[test]
    fn a_long_answer_comes_in_few_chunks() {
        let task = "word ".repeat(50_000);
        let script = script("scripted:echo", &task, 1, 1);
        let ScriptOutcome::Stream(chunks) = &script.outcome else { panic!("a stream") };
        assert!(chunks.len() <= CHUNKS_MAX + 1);
        assert_eq!(play(script).unwrap().message.content, format!("{}\nDONE", task.trim()));
    }

    #[test]
    fn a_fault_replaces_the_first_attempts_of_its_turn() {
        for (word, kind) in [
            ("500", FaultKind::ServerError),
            ("429", FaultKind::RateLimited),
            ("400", FaultKind::BadRequest),
            ("empty", FaultKind::EmptyResponse),
            ("truncated", FaultKind::Truncated),
        ] {
            let task = format!("Tides.\n#scripted fault={word}@2x2");
            let faults: Vec<Option<FaultKind>> = [(1, 1), (2, 1), (2, 2), (2, 3)]
                .map(|(turn, attempt)| {
                    play(script("scripted:haiku", &task, turn, attempt)).err().map(|fault| fault.kind)
                })
                .to_vec();
            assert_eq!(faults, [None, Some(kind), Some(kind), None], "{word}");
        }
        let limited = play(script("scripted:haiku", "#scripted fault=429@1", 1, 1)).unwrap_err();
        assert_eq!(limited.retry_after_ms, Some(1_000));
        for (word, outcome) in [
            ("timeout", ScriptOutcome::Hang),
            ("panic", ScriptOutcome::Panic),
            ("abort", ScriptOutcome::ResetObject),
        ] {
            let task = format!("#scripted fault={word}@1");
            assert_eq!(script("scripted:haiku", &task, 1, 1).outcome, outcome);
            assert!(play(script("scripted:haiku", &task, 1, 2)).is_ok());
        }
    }

    #[test]
    fn a_directive_that_does_not_parse_is_refused_by_name() {
        let fault = play(script("scripted:haiku", "#scripted turn=2 words=x", 1, 1)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::BadRequest);
        assert!(
            fault.message.contains("`turn` is unknown") && fault.message.contains("`words` is"),
            "{fault:?}"
        );
    }
}
