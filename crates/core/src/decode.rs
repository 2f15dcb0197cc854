use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::{Map, Value};

use crate::{
    entry::{Entry, Record},
    ids::Seq,
    tool::ToolError,
};

// By hand, because the derived code for a tagged enum inside a flattened record is four times as large, and a twelfth of
// the deployed wasm.
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields(Map::deserialize(deserializer)?).record().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields(Map::deserialize(deserializer)?).entry().map_err(D::Error::custom)
    }
}

/// The members of an entry's object. What an entry does not know it leaves: a later version may have written it.
struct Fields(Map<String, Value>);

impl Fields {
    /// The position is not stored: the row's, and the place in the row, give it.
    fn record(&mut self) -> Result<Record, serde_json::Error> {
        Ok(Record { seq: Seq::default(), run: self.take("run")?, at: self.take("at")?, entry: self.entry()? })
    }

    fn entry(&mut self) -> Result<Entry, serde_json::Error> {
        let kind: String = self.take("type")?;
        Ok(match kind.as_str() {
            "run.accepted" => Entry::RunAccepted {
                task: self.take("task")?,
                agent: self.take("agent")?,
                model: self.take("model")?,
                models: self.or_default("models")?,
                max_iterations: self.take("max_iterations")?,
                metadata: self.take("metadata")?,
                settings: self.take("settings")?,
                sampled_out: self.or_default("sampled_out")?,
                idempotency: self.or_default("idempotency")?,
                by: self.or_default("by")?,
                life: self.or_default("life")?,
            },
            "model.called" => Entry::ModelCalled {
                call: self.take("call")?,
                attempt: self.take("attempt")?,
                iteration: self.take("iteration")?,
                model: self.take("model")?,
                fallback_from: self.or_default("fallback_from")?,
                message_count: self.take("message_count")?,
                dropped_messages: self.or_default("dropped_messages")?,
                reserved: self.or_default("reserved")?,
                last: self.or_default("last")?,
            },
            "model.answered" => Entry::ModelAnswered {
                call: self.take("call")?,
                attempt: self.take("attempt")?,
                iteration: self.take("iteration")?,
                message: self.take("message")?,
                finish_reason: self.take("finish_reason")?,
                usage: self.take("usage")?,
                cost_usd: self.or_default("cost_usd")?,
                latency_ms: self.take("latency_ms")?,
                r#final: self.or_default("final")?,
                output_error: self.or_default("output_error")?,
                timing: self.take("timing")?,
                response_id: self.or_default("response_id")?,
                response_model: self.or_default("response_model")?,
                observed: self.or_default("observed")?,
            },
            "model.failed" => Entry::ModelFailed {
                call: self.take("call")?,
                attempt: self.take("attempt")?,
                error_type: self.take("error_type")?,
                message: self.take("message")?,
                retry_at: self.or_default("retry_at")?,
                usage: self.or_default("usage")?,
                begun: self.or_default("begun")?,
                timing: self.take("timing")?,
                observed: self.or_default("observed")?,
            },
            "tool.called" => Entry::ToolCalled {
                call: self.take("call")?,
                attempt: self.or_default("attempt")?,
                iteration: self.or_default("iteration")?,
                tool: self.take("tool")?,
                server: self.or_default("server")?,
                arguments: self.take("arguments")?,
                effect: self.or_default("effect")?,
                verdict: self.or_default("verdict")?,
                rule: self.or_default("rule")?,
                cost_usd: self.or_default("cost_usd")?,
                tool_call_id: self.or_default("tool_call_id")?,
            },
            "tool.answered" => Entry::ToolAnswered {
                call: self.take("call")?,
                attempt: self.or_default("attempt")?,
                tool: self.take("tool")?,
                result: self.or_default("result")?,
                error: self.tool_error()?,
                rule: self.or_default("rule")?,
                by: self.or_default("by")?,
                result_bytes: self.or_default("result_bytes")?,
                result_digest: self.or_default("result_digest")?,
                latency_ms: self.take("latency_ms")?,
                tool_call_id: self.or_default("tool_call_id")?,
                observed: self.or_default("observed")?,
            },
            "tool.failed" => Entry::ToolFailed {
                call: self.take("call")?,
                attempt: self.take("attempt")?,
                tool: self.take("tool")?,
                error: self.tool_error()?.ok_or_else(|| Error::missing_field("error"))?,
                retry_at: self.or_default("retry_at")?,
                latency_ms: self.take("latency_ms")?,
                observed: self.or_default("observed")?,
            },
            "tools.listed" => Entry::ToolsListed {
                call: self.take("call")?,
                attempt: self.take("attempt")?,
                server: self.take("server")?,
                count: self.take("count")?,
                dropped: self.or_default("dropped")?,
                changed: self.or_default("changed")?,
                digest: self.or_default("digest")?,
                error: self.tool_error()?,
                offers: self.or_default("offers")?,
                latency_ms: self.take("latency_ms")?,
                observed: self.or_default("observed")?,
            },
            "tool.pending" => Entry::ToolPending {
                call: self.take("call")?,
                attempt: self.take("attempt")?,
                tool: self.take("tool")?,
                retry_at: self.or_default("retry_at")?,
                handle: self.take("handle")?,
                repeatable: self.or_default("repeatable")?,
                latency_ms: self.take("latency_ms")?,
                observed: self.or_default("observed")?,
            },
            "approval.requested" => Entry::ApprovalRequested {
                call: self.take("call")?,
                attempt: self.or_default("attempt")?,
                kind: self.or_default("kind")?,
                tool: self.take("tool")?,
                arguments: self.take("arguments")?,
                digest: self.or_default("digest")?,
                summary: self.or_default("summary")?,
                schema: self.or_default("schema")?,
                url: self.or_default("url")?,
                rule: self.or_default("rule")?,
                by_another: self.or_default("by_another")?,
                effect: self.or_default("effect")?,
                expires_at: self.or_default("expires_at")?,
                tool_call_id: self.or_default("tool_call_id")?,
            },
            "approval.resolved" => Entry::ApprovalResolved {
                call: self.take("call")?,
                decision: self.take("decision")?,
                arguments: self.or_default("arguments")?,
                input: self.or_default("input")?,
                reason: self.or_default("reason")?,
                by: self.take("by")?,
            },
            "run.resumed" => {
                Entry::RunResumed { cause: self.take("cause")?, outstanding: self.take("outstanding")? }
            }
            "run.steered" => Entry::RunSteered {
                message: self.take("message")?,
                by: self.take("by")?,
                idempotency: self.or_default("idempotency")?,
            },
            "cancel.requested" => Entry::CancelRequested { by: self.take("by")? },
            "run.ended" => Entry::RunEnded {
                status: self.take("status")?,
                stop_reason: self.take("stop_reason")?,
                result: self.or_default("result")?,
                output: self.or_default("output")?,
                error: self.or_default("error")?,
                usage: self.take("usage")?,
                iterations: self.take("iterations")?,
            },
            "trace.sent" => Entry::TraceSent {
                sink: self.take("sink")?,
                part: self.take("part")?,
                remote_id: self.take("remote_id")?,
            },
            "trace.flushed" => Entry::TraceFlushed {
                sink: self.take("sink")?,
                spans: self.take("spans")?,
                attempt: self.take("attempt")?,
                rejected: self.or_default("rejected")?,
                message: self.or_default("message")?,
                event: self.or_default("event")?,
            },
            "trace.failed" => Entry::TraceFailed {
                sink: self.take("sink")?,
                status: self.or_default("status")?,
                attempt: self.take("attempt")?,
                retry_at: self.or_default("retry_at")?,
                event: self.or_default("event")?,
            },
            unknown => return Err(Error::unknown_variant(unknown, &[])),
        })
    }

    /// A text in the first version, an object now.
    fn tool_error(&mut self) -> Result<Option<ToolError>, serde_json::Error> {
        match self.0.remove("error") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => ToolError::read(value)
                .map(Some)
                .ok_or_else(|| Error::custom("a tool's error is a text, or a code and a message")),
        }
    }

    /// A member that every entry of its type has.
    fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, serde_json::Error> {
        match self.0.remove(name) {
            Some(value) => serde_json::from_value(value),
            None => Err(Error::missing_field(name)),
        }
    }

    /// A member that may be absent.
    fn or_default<T: DeserializeOwned + Default>(&mut self, name: &str) -> Result<T, serde_json::Error> {
        self.0.remove(name).map_or_else(|| Ok(T::default()), serde_json::from_value)
    }
}
