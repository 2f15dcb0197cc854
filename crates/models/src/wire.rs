//! What requests have in common.

use std::borrow::Cow;

use longhaul_core::{Message, Role};
use serde::Serialize;

/// A message as chat models take it.
#[derive(Debug, Serialize)]
pub(crate) struct WireMessage<'a> {
    role: Role,
    content: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct WireToolCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: WireFunction<'a>,
}

#[derive(Debug, Serialize)]
struct WireFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// How the instructions reach the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SystemPlace {
    /// As a message of their own, the first.
    #[default]
    System,
    /// At the beginning of the first message of the user: some models know no other role.
    FirstUser,
}

/// What stands between messages that are joined.
const BETWEEN: &str = "\n\n";

/// The conversation, the instructions first. Neighbours of one role are one message: after a run that was cancelled or that
/// failed two tasks follow each other, and many models demand that roles alternate.
pub(crate) fn messages<'a>(
    system: Option<&'a str>,
    place: SystemPlace,
    messages: &'a [Message],
) -> Vec<WireMessage<'a>> {
    let role = match place {
        SystemPlace::System => Role::System,
        SystemPlace::FirstUser => Role::User,
    };
    let system = system.map(|text| WireMessage {
        role,
        content: Cow::Borrowed(text),
        tool_calls: Vec::new(),
        tool_call_id: None,
    });
    let mut joined: Vec<WireMessage<'a>> = Vec::with_capacity(messages.len() + 1);
    for message in system.into_iter().chain(messages.iter().map(wire_message)) {
        match joined.last_mut() {
            Some(last) if can_join(last, &message) => {
                let text = last.content.to_mut();
                text.push_str(BETWEEN);
                text.push_str(&message.content);
            }
            _ => joined.push(message),
        }
    }
    joined
}

/// Whether two messages are one turn. What a tool is asked, and what it says, stands alone.
fn can_join(last: &WireMessage<'_>, next: &WireMessage<'_>) -> bool {
    let is_text = |message: &WireMessage<'_>| message.role != Role::Tool && message.tool_calls.is_empty();
    last.role == next.role && is_text(last) && is_text(next)
}

fn wire_message(message: &Message) -> WireMessage<'_> {
    let tool_calls = message
        .tool_calls
        .iter()
        .map(|call| WireToolCall {
            id: &call.id,
            r#type: "function",
            function: WireFunction { name: &call.name, arguments: &call.arguments },
        })
        .collect();
    let tool_call_id = message.tool_call_id.as_deref();
    WireMessage { role: message.role, content: Cow::Borrowed(&message.content), tool_calls, tool_call_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(messages: &[WireMessage<'_>]) -> Vec<(Role, String)> {
        messages.iter().map(|message| (message.role, message.content.to_string())).collect()
    }

    #[test]
    fn neighbours_of_one_role_are_joined() {
        let conversation = [
            Message::text(Role::User, "one"),
            Message::text(Role::User, "two"),
            Message::text(Role::Assistant, "a"),
            Message::text(Role::Assistant, "b"),
            Message::text(Role::User, "three"),
        ];
        let sent = messages(Some("s"), SystemPlace::System, &conversation);
        let expected = [
            (Role::System, "s"),
            (Role::User, "one\n\ntwo"),
            (Role::Assistant, "a\n\nb"),
            (Role::User, "three"),
        ];
        assert_eq!(told(&sent), expected.map(|(role, text)| (role, text.to_owned())));
        let sent = messages(Some("s"), SystemPlace::FirstUser, &conversation);
        assert_eq!(told(&sent)[0], (Role::User, "s\n\none\n\ntwo".to_owned()));
    }

    #[test]
    fn results_of_tools_stand_alone() {
        let conversation = [Message::text(Role::Tool, "one"), Message::text(Role::Tool, "two")];
        assert_eq!(messages(None, SystemPlace::System, &conversation).len(), 2);
    }

    #[test]
    fn thoughts_are_not_sent_back() {
        let mut message = Message::text(Role::Assistant, "said");
        message.thoughts = "secret thought".to_owned();
        let sent = serde_json::to_string(&messages(None, SystemPlace::System, &[message])).unwrap();
        assert_eq!(sent, r#"[{"role":"assistant","content":"said"}]"#);
    }
}
