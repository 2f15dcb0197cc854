//! The formats that the model server speaks.

use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};

/// Which API a call was made in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    OpenAi,
    Responses,
    Messages,
    WorkersAi,
}

impl Dialect {
    pub(crate) fn of(request: &Request<Bytes>) -> Option<Dialect> {
        match (request.method().as_str(), request.uri().path()) {
            ("POST", "/v1/chat/completions") => Some(Dialect::OpenAi),
            ("POST", "/v1/responses") => Some(Dialect::Responses),
            ("POST", "/v1/messages") => Some(Dialect::Messages),
            ("POST", "/ai") => Some(Dialect::WorkersAi),
            _ => None,
        }
    }

    pub(crate) fn streams_usage(self, request: &Value) -> bool {
        self != Dialect::OpenAi || request["stream_options"]["include_usage"] == true
    }

    pub(crate) fn whole(self, text: &str, usage: Option<(u64, u64)>, finish_reason: &str) -> Value {
        let mut body = match self {
            Dialect::OpenAi => json!({"id": "chatcmpl-test", "object": "chat.completion", "model": "tiny-0",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
                             "finish_reason": finish_reason}]}),
            Dialect::Responses => response(text, finish_reason),
            Dialect::Messages => {
                let mut message = message(json!([{"type": "text", "text": text}]));
                message["stop_reason"] = json!(stop_reason(finish_reason));
                message
            }
            Dialect::WorkersAi => json!({"response": text}),
        };
        if let Some(usage) = usage {
            body["usage"] = self.counted(usage);
        }
        body
    }

    /// What a stream says before the first piece of the text.
    pub(crate) fn head(self, usage: Option<(u64, u64)>) -> String {
        match self {
            Dialect::OpenAi | Dialect::WorkersAi => String::new(),
            Dialect::Responses => typed(&json!({"type": "response.created",
                "response": {"id": "resp_test", "object": "response", "status": "in_progress", "output": []}})),
            Dialect::Messages => {
                let mut message = message(json!([]));
                if let Some((input, _)) = usage {
                    message["usage"] = self.counted((input, 1));
                }
                let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
                typed(&json!({"type": "message_start", "message": message})) + &typed(&block)
            }
        }
    }

    pub(crate) fn delta(self, text: &str) -> String {
        match self {
            Dialect::OpenAi => event(&openai_chunk(json!([{"index": 0,
                "delta": {"role": "assistant", "content": text}, "finish_reason": null}]))),
            Dialect::Responses => typed(&json!({"type": "response.output_text.delta", "item_id": "msg_test",
                "output_index": 0, "content_index": 0, "delta": text})),
            Dialect::Messages => typed(&json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": text}})),
            Dialect::WorkersAi => event(&json!({"response": text})),
        }
    }

    /// A piece of what the model thinks, as the servers of each API say it.
    pub(crate) fn thought(self, text: &str) -> String {
        match self {
            Dialect::OpenAi => event(&openai_chunk(json!([{"index": 0,
                "delta": {"role": "assistant", "reasoning_content": text}, "finish_reason": null}]))),
            Dialect::Responses => {
                typed(&json!({"type": "response.reasoning_text.delta", "item_id": "rs_test",
                "output_index": 0, "content_index": 0, "delta": text}))
            }
            Dialect::Messages => typed(&json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "thinking_delta", "thinking": text}})),
            Dialect::WorkersAi => event(&json!({"reasoning": text})),
        }
    }

    pub(crate) fn tail(self, text: &str, usage: Option<(u64, u64)>, finish_reason: &str) -> Vec<String> {
        match self {
            Dialect::OpenAi => {
                let end = json!([{"index": 0, "delta": {}, "finish_reason": finish_reason}]);
                let counted = usage.map(|usage| {
                    let mut last = openai_chunk(json!([]));
                    last["usage"] = self.counted(usage);
                    event(&last)
                });
                [event(&openai_chunk(end))].into_iter().chain(counted).chain([done()]).collect()
            }
            Dialect::Responses => {
                let whole = self.whole(text, usage, finish_reason);
                let kind = format!("response.{}", whole["status"].as_str().unwrap_or_default());
                vec![typed(&json!({"type": kind, "response": whole}))]
            }
            Dialect::Messages => {
                let mut end =
                    json!({"type": "message_delta", "delta": {"stop_reason": stop_reason(finish_reason)}});
                if let Some((_, output)) = usage {
                    end["usage"] = json!({"output_tokens": output});
                }
                let stop = json!({"type": "content_block_stop", "index": 0});
                [stop, end, json!({"type": "message_stop"})].iter().map(typed).collect()
            }
            Dialect::WorkersAi => {
                let last = |usage| event(&json!({"response": "", "usage": self.counted(usage)}));
                usage.map(last).into_iter().chain([done()]).collect()
            }
        }
    }

    fn counted(self, (input, output): (u64, u64)) -> Value {
        match self {
            Dialect::OpenAi | Dialect::WorkersAi => {
                json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
            }
            Dialect::Responses => {
                json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output})
            }
            Dialect::Messages => json!({"input_tokens": input, "output_tokens": output}),
        }
    }
}

fn openai_chunk(choices: Value) -> Value {
    json!({"id": "chatcmpl-test", "object": "chat.completion.chunk", "model": "tiny-0", "choices": choices})
}

fn response(text: &str, finish_reason: &str) -> Value {
    let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
    let output = json!([{"type": "message", "id": "msg_test", "role": "assistant", "content": content}]);
    let is_cut = finish_reason == "length";
    let status = if is_cut { "incomplete" } else { "completed" };
    let details = if is_cut { json!({"reason": "max_output_tokens"}) } else { Value::Null };
    json!({"id": "resp_test", "object": "response", "model": "tiny-0", "status": status,
        "incomplete_details": details, "output": output})
}

fn message(content: Value) -> Value {
    json!({"id": "msg_test", "type": "message", "role": "assistant", "model": "tiny-0", "content": content,
        "stop_reason": null, "stop_sequence": null})
}

/// Anthropic's word for one of OpenAI's.
fn stop_reason(finish_reason: &str) -> &str {
    match finish_reason {
        "stop" => "end_turn",
        "length" => "max_tokens",
        other => other,
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event that has its type as its name.
fn typed(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

fn done() -> String {
    "data: [DONE]\n\n".to_owned()
}
