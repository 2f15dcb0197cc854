//! The oracle of worlds with tools: what tools did, what the journal says of it, and what the model was told.

use std::collections::{BTreeMap, VecDeque};

use longhaul_core::{CallId, Effect, Entry, Record, RunId, ToolError, limits};
use serde_json::{Value, json};

use crate::{
    invariants::Findings,
    outside::Outside,
    tools::{READ, READ_STEP},
};

/// A call of a tool as the journal tells it.
#[derive(Default)]
struct Told {
    effect: Option<Effect>,
    /// Attempts that were promised.
    attempts: u32,
    /// Attempts that failed or were stopped, and are made again.
    failures: u32,
    /// Whether a person had it made again whose outcome nobody knew.
    retried: u32,
    /// How often it went on at its server, or a person let that be used.
    gone_on: u32,
    /// Answers that it has.
    answers: u32,
    /// The code of its error.
    code: Option<String>,
    /// Whether it has a result.
    has_result: bool,
    /// Whether a person said what came of it.
    is_settled: bool,
    /// Whether it is of the runtime's own tool, which reads what is stored.
    reads: bool,
    /// Whether a person was asked and has not decided yet.
    is_awaiting: bool,
}

impl Findings {
    /// A settled call is never performed again, one that may happen once happens once, and none is performed that was
    /// not promised, or not approved where that is needed.
    pub(crate) fn tools_did_what_is_allowed(&mut self, outside: &Outside) {
        let mut times: BTreeMap<(usize, RunId, CallId), u32> = BTreeMap::new();
        for it in &outside.tools.performed {
            let what = || format!("run {}, call {}.{} of {}", it.run, it.call, it.attempt, it.tool);
            self.expect(11, it.was_promised, || format!("{}: nothing promised it", what()));
            self.expect(12, it.was_approved, || format!("{}: nobody approved it", what()));
            self.expect(11, !it.came_late, || format!("{}: it came late", what()));
            let count = times.entry((it.incarnation, it.run, it.call)).or_default();
            *count += u32::from(it.did);
            // Of `ship` a person may have it made again.
            let happens_once =
                matches!(it.tool.as_str(), "send" | "pay" | "post" | "burn" | "far__pay" | "far__send");
            self.expect(11, !happens_once || *count <= 1, || format!("{}: {count} times", what()));
        }
    }

    /// Each call of a tool has exactly one answer, which says what is known of it.
    pub(crate) fn each_tool_call_is_answered_once(
        &mut self,
        outside: &Outside,
        incarnation: usize,
        records: &[Record],
    ) {
        let mut calls: BTreeMap<(RunId, CallId), Told> = BTreeMap::new();
        for record in records {
            self.take_tool_entry(&mut calls, record);
            if matches!(record.entry, Entry::RunEnded { .. }) {
                let open = calls.iter().filter(|((run, _), told)| *run == record.run && told.answers == 0);
                let open: Vec<CallId> = open.map(|((_, call), _)| *call).collect();
                self.expect(13, open.is_empty(), || {
                    format!("run {} ended with {open:?} unanswered", record.run)
                });
            }
        }
        for ((run, call), told) in &calls {
            let happened = |it: &&crate::tools::Performed| {
                it.incarnation == incarnation && it.run == *run && it.call == *call
            };
            let performed = outside.tools.performed.iter().filter(happened).count();
            let done = outside.tools.performed.iter().filter(happened).filter(|it| it.did).count();
            self.expect(13, told.answers <= 1, || format!("call {call} has {} answers", told.answers));
            self.expect(11, performed <= told.attempts as usize, || {
                format!("call {call}: {performed} of {} attempts were performed", told.attempts)
            });
            self.expect(
                11,
                told.attempts <= 1 + told.failures + told.retried + told.gone_on + outside.interruptions(),
                || format!("call {call}: {} attempts", told.attempts),
            );
            // Whoever is told that nothing happened is told so only where nothing did.
            let is_once = told.effect == Some(Effect::Once);
            let denies = matches!(
                told.code.as_deref(),
                Some("cancelled" | "denied" | "timeout" | "refused" | "repeated" | "budget")
            );
            self.expect(11, !is_once || done <= 1 + told.retried as usize, || {
                format!("call {call} was done {done} times, and made again by {} people", told.retried)
            });
            self.expect(11, !(is_once && denies && done > 0), || {
                format!("call {call} was performed, and answered {:?}", told.code)
            });
            self.expect(11, !told.has_result || told.is_settled || told.reads || done > 0, || {
                format!("call {call}: a result of nothing")
            });
        }
    }

    fn take_tool_entry(&mut self, calls: &mut BTreeMap<(RunId, CallId), Told>, record: &Record) {
        let run = record.run;
        match &record.entry {
            Entry::ToolCalled { call, attempt, effect, tool, .. } => {
                let told = calls.entry((run, *call)).or_default();
                (told.effect, told.reads) = (*effect, tool == READ);
                self.expect(11, *attempt == told.attempts + 1, || format!("call {call}: attempt {attempt}"));
                self.expect(11, told.answers == 0, || format!("call {call} was made after its answer"));
                let is_known = told.failures + told.retried + told.gone_on > 0 || tool == "post";
                let repeats = *effect == Some(Effect::Once) && *attempt > 1 && !is_known;
                self.expect(11, !repeats, || format!("call {call}: made a second time"));
                self.expect(12, !told.is_awaiting, || format!("call {call} was made, and not approved"));
                told.attempts = *attempt;
            }
            Entry::ToolFailed { call, attempt, retry_at, .. } => {
                let told = calls.entry((run, *call)).or_default();
                self.expect(
                    11,
                    *attempt == told.attempts && retry_at.is_some_and(|at| at >= record.at),
                    || format!("call {call}: attempt {attempt} failed, again at {retry_at:?}"),
                );
                told.failures += 1;
            }
            Entry::ToolAnswered { call, error, result, .. } => {
                let told = calls.entry((run, *call)).or_default();
                told.answers += 1;
                told.has_result = result.is_some();
                told.code = match error {
                    Some(ToolError::Coded { code, .. }) => Some(code.clone()),
                    Some(ToolError::Text(_)) | None => None,
                };
                self.expect(13, !told.is_awaiting, || format!("call {call} was answered undecided"));
            }
            Entry::ToolPending { call, attempt, .. } => {
                let told = calls.entry((run, *call)).or_default();
                told.gone_on += 1;
                self.expect(11, *attempt == told.attempts, || {
                    format!("call {call}: attempt {attempt} goes on")
                });
            }
            Entry::ToolsListed { call, .. } => calls.entry((run, *call)).or_default().answers += 1,
            Entry::ApprovalRequested { call, effect, .. } => {
                let told = calls.entry((run, *call)).or_default();
                (told.effect, told.is_awaiting) = (*effect, true);
            }
            Entry::ApprovalResolved { call, decision, .. } => {
                let told = calls.entry((run, *call)).or_default();
                told.retried += u32::from(decision == "retried");
                told.gone_on += u32::from(decision == "authorized");
                told.is_settled |= decision == "settled";
                self.expect(12, told.is_awaiting, || format!("call {call} was decided twice"));
                told.is_awaiting = false;
            }
            // A model is asked when every call of the answer before has its own.
            Entry::ModelCalled { call, .. } => {
                let mut open = calls.iter().filter(|((of, _), told)| *of == run && told.answers == 0);
                let open = open.next().map(|((_, call), _)| *call);
                self.expect(13, open.is_none(), || format!("call {call} of a model beside {open:?}"));
            }
            // A run that waits for a person alone writes nothing.
            Entry::RunResumed { outstanding, .. } => {
                let waits = calls.iter().any(|((of, _), told)| *of == run && told.is_awaiting);
                let is_busy =
                    calls.iter().any(|((of, _), told)| *of == run && told.answers == 0 && !told.is_awaiting);
                self.expect(14, !waits || is_busy, || {
                    format!("run {run} was resumed with {outstanding:?} while it waited for a person")
                });
            }
            _ => {}
        }
    }

    /// A result that its entry has only head and tail of is stored whole, as long as its session is there, and no other is.
    pub(crate) fn large_results_are_kept_whole(&mut self, outside: &Outside) {
        let mut kept = outside.disk.results().clone();
        for record in outside.disk.records() {
            let Entry::ToolAnswered { call, result, result_bytes, result_digest, .. } = &record.entry else {
                continue;
            };
            let length = result.as_ref().map_or(0, |result| result.as_str().map_or(0, str::len));
            self.expect(5, length <= limits::RESULT_KEPT_BYTES_MAX, || {
                format!("call {call}: {length} bytes of its result are in its entry")
            });
            let whole = kept.remove(call);
            let is_there = whole.as_ref().map(|json| json.len() as u64);
            let is_due = result_digest.as_ref().and(*result_bytes);
            self.expect(5, is_there == is_due, || {
                format!("call {call}: of {is_due:?} bytes {is_there:?} are stored beside its entry")
            });
            let is_json = whole.is_none_or(|json| serde_json::from_slice::<Value>(json.as_bytes()).is_ok());
            self.expect(5, is_json, || format!("call {call}: its result is not stored whole"));
        }
        self.pieces_are_of_what_is_stored(outside);
        self.expect(5, kept.is_empty(), || format!("results of no entry: {:?}", kept.keys()));
    }

    /// What a model reads of a result is what is stored, from the place on that it asked for.
    fn pieces_are_of_what_is_stored(&mut self, outside: &Outside) {
        let mut asked: BTreeMap<CallId, (CallId, usize)> = BTreeMap::new();
        for record in outside.disk.records() {
            match &record.entry {
                Entry::ToolCalled { call, tool, arguments, .. } if tool == READ => {
                    let number = |name: &str| arguments[name].as_u64().unwrap_or_default();
                    let of = CallId(u32::try_from(number("call")).unwrap_or_default());
                    asked.insert(*call, (of, usize::try_from(number("offset")).unwrap_or_default()));
                }
                Entry::ToolAnswered { call, result: Some(Value::String(piece)), .. } => {
                    let Some((of, offset)) = asked.get(call) else { continue };
                    let whole = outside.disk.results().get(of).map_or("", |json| json);
                    self.expect(
                        5,
                        offset % READ_STEP == 0
                            && whole.get(*offset..).is_some_and(|rest| rest.starts_with(piece.as_str())),
                        || format!("call {call}: no piece of the result of call {of} from {offset} on"),
                    );
                }
                _ => {}
            }
        }
    }

    /// In every request each tool call of an answer is followed by exactly one result, in the same order.
    pub(crate) fn requests_have_each_result_once(&mut self, outside: &Outside) {
        for request in &outside.model.requests {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let parts = parts(&body);
            let mut awaited: VecDeque<(&str, &str)> = VecDeque::new();
            let mut is_right = true;
            for part in &parts {
                match part {
                    Part::Call { id, tool, arguments } => {
                        awaited.push_back((*id, *tool));
                        let is_own = |place| *tool == READ || *arguments == json!({"n": place});
                        is_right &= place_of(id).is_none_or(is_own);
                    }
                    Part::Result(id, text) => {
                        let own = awaited.pop_front();
                        is_right &= own.is_some_and(|(own, tool)| own == *id && is_of(tool, text));
                    }
                    Part::Text => is_right &= awaited.is_empty(),
                }
            }
            let results = parts.iter().filter(|part| matches!(part, Part::Result(..))).count();
            self.expect(13, is_right && awaited.is_empty(), || {
                format!("{}: calls and {results} results do not fit: {body}", request.key)
            });
        }
    }
}

/// What of a request says which tools were called.
enum Part<'a> {
    Call { id: &'a str, tool: &'a str, arguments: Value },
    Result(&'a str, &'a str),
    Text,
}

/// The parts of a request, whatever its format.
fn parts(body: &Value) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let items = ["messages", "input"].iter().find_map(|name| body[*name].as_array());
    for item in items.into_iter().flatten() {
        let blocks = item["content"].as_array().map_or(std::slice::from_ref(item), Vec::as_slice);
        for block in blocks {
            let text = |name: &str| block[name].as_str().unwrap_or_default();
            let arguments = || serde_json::from_slice(text("arguments").as_bytes()).unwrap_or_default();
            match (block["type"].as_str(), block["role"].as_str()) {
                (Some("thinking" | "reasoning"), _) => {}
                (Some("function_call"), _) => {
                    parts.push(Part::Call {
                        id: text("call_id"),
                        tool: text("name"),
                        arguments: arguments(),
                    });
                }
                (Some("function_call_output"), _) => {
                    parts.push(Part::Result(text("call_id"), text("output")));
                }
                (Some("tool_use"), _) => {
                    let arguments = block["input"].clone();
                    parts.push(Part::Call { id: text("id"), tool: text("name"), arguments });
                }
                (Some("tool_result"), _) => parts.push(Part::Result(text("tool_use_id"), text("content"))),
                (_, Some("tool")) => parts.push(Part::Result(text("tool_call_id"), text("content"))),
                _ => parts.push(Part::Text),
            }
        }
        for call in item["tool_calls"].as_array().into_iter().flatten() {
            let (function, id) = (&call["function"], call["id"].as_str().unwrap_or_default());
            let arguments = function["arguments"].as_str().unwrap_or_default();
            let arguments = serde_json::from_slice(arguments.as_bytes()).unwrap_or_default();
            parts.push(Part::Call { id, tool: function["name"].as_str().unwrap_or_default(), arguments });
        }
    }
    parts
}

/// Which call of its answer has this id, where the model gave it one: each model says it in the id, and in the arguments.
fn place_of(id: &str) -> Option<u64> {
    let (_, place) = id.rsplit_once('-')?;
    place.split('_').next()?.parse().ok()
}

/// Whether this may be what a tool returned: it says which one it is. What is told in its place says something, too.
fn is_of(tool: &str, result: &str) -> bool {
    let read: Value = serde_json::from_slice(result.as_bytes()).unwrap_or_default();
    !result.is_empty() && read["did"].as_str().is_none_or(|did| did == tool)
}
