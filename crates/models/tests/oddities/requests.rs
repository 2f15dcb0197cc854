//! What servers demand of a request that others do not.

use longhaul_core::{Message, ModelRequest, Role, ToolCall};
use longhaul_models::RequestForm;

use super::*;

/// The ids of a call and of its result, in a request to this model after another one made the call.
fn ids(format: Format, model: &str, id: &str, form: RequestForm) -> [String; 2] {
    let call = ToolCall { id: id.to_owned(), name: "look".to_owned(), arguments: "{}".to_owned() };
    let messages = [
        Message::text(Role::User, "Look."),
        Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") },
        Message { tool_call_id: Some(id.to_owned()), ..Message::text(Role::Tool, "sea") },
    ];
    let request = ModelRequest {
        model,
        system: None,
        messages: messages.as_slice().into(),
        task: "t",
        sentinel: Some("DONE"),
        iteration: 2,
        attempt: 1,
        max_output_tokens: None,
        temperature: None,
        tools: &[],
        forbids_tools: false,
    };
    let body: Value = serde_json::from_str(&format.body(model, &request, form)).expect("a request is JSON");
    let [call, result] = [&body["messages"][1]["tool_calls"][0]["id"], &body["messages"][2]["tool_call_id"]];
    [call, result].map(|id| id.as_str().expect("an id").to_owned())
}

#[test]
fn mistral_gets_ids_of_nine_letters_whoever_made_them() {
    let usual = RequestForm::usual(Format::Chat, "x");
    let is_short = |id: &str| id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    for model in
        ["mistral:mistral-large-latest", "mistral:x", "openrouter:mistralai/devstral-2", "vllm:Ministral-8B"]
    {
        for id in ["call_abc_123456789012345", "toolu_01ABC", "functions.look:0", "call_0", "D681PevKs"] {
            let [call, result] = ids(Format::Chat, model, id, usual);
            assert!(is_short(&call) && call == result, "{model} {id}: {call} {result}");
            assert_eq!(is_short(id), call == id, "{model} {id}: {call}");
        }
    }
    let workers = "@cf/mistralai/mistral-small-3.1-24b-instruct";
    let [call, result] =
        ids(Format::WorkersAi, workers, "call_0", RequestForm::usual(Format::WorkersAi, workers));
    assert!(is_short(&call) && call == result, "{call}");
    assert_eq!(ids(Format::Chat, "openai:gpt-4o", "call_0", usual), ["call_0", "call_0"]);
    // Under another name the server says so.
    let refusal = json!({"object": "error", "message": "Tool call id was call_0 but must be a-z, A-Z, 0-9, with a length of 9.", "code": "3280"});
    let other = usual.without_what_is_refused(400, refusal.to_string().as_bytes()).expect("another form");
    let [call, result] = ids(Format::Chat, "openai:mine", "call_0", other);
    assert!(is_short(&call) && call == result, "{call}");
    assert_eq!(other.without_what_is_refused(400, refusal.to_string().as_bytes()), None);
}
