//! The deployment's own secrets, taken out of whatever a far side sends.
//!
//! Bytes pass it as they arrive, and texts once more when they are decoded: a secret that is cut across two events of a
//! stream is whole only there. An automaton after Aho and Corasick (1975) finds them: its time is the sum of the sizes,
//! never their product. Its own code because the crate of that name is larger than all else that this feature adds.

use std::{collections::VecDeque, rc::Rc};

use futures::StreamExt;
use longhaul_core::{
    Fault, Found, Listed, Message, ModelAnswer, Observed, ToolCall, ToolError, ToolOutcome, Wait,
};
use serde_json::Value;

use crate::wire::{Body, WireFault, WireResponse};

/// What stands where a secret was.
pub const REMOVED: &str = "[secret removed]";
/// A shorter secret, in bytes, is left alone: to take it out would blank ordinary text.
pub const SECRET_BYTES_MIN: usize = 8;

/// Finds the deployment's secrets. A clone shares what was built.
#[derive(Clone, Default)]
pub struct SecretNet(Rc<Vec<Node>>);

/// What the latest bytes may be the beginning of. The first node is that of nothing.
#[derive(Default)]
struct Node {
    /// The next byte and its node, sorted.
    next: Vec<(u8, usize)>,
    /// The node of the longest end of this one that is a beginning too.
    fallback: usize,
    depth: usize,
    /// How long the longest secret is that ends here; 0 where none does.
    found: usize,
}

impl SecretNet {
    /// A net for these secrets: those of fewer than [`SECRET_BYTES_MIN`] bytes are left out. Each is looked for as it is,
    /// as JSON writes it, and each of its words by itself (`Basic …` is repeated without its scheme).
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut nodes = vec![Node::default()];
        for secret in secrets {
            let json = serde_json::Value::from(secret).to_string();
            let words = secret.split_ascii_whitespace();
            for text in words.chain([secret, json.trim_matches('"')]) {
                if text.len() >= SECRET_BYTES_MIN {
                    add(&mut nodes, text.as_bytes());
                }
            }
        }
        link(&mut nodes);
        Self(Rc::new(nodes))
    }

    fn is_empty(&self) -> bool {
        self.0.len() <= 1
    }

    /// The text without secrets; `None` where there is none in it.
    pub fn text(&self, text: &str) -> Option<String> {
        let mut sieve = self.sieve();
        let mut clean = sieve.push(text.as_bytes());
        clean.extend(sieve.finish());
        sieve.has_found.then(|| string(clean))
    }

    /// For a text that comes in pieces.
    pub(crate) fn sieve(&self) -> Sieve {
        let (held, found) = (VecDeque::new(), VecDeque::new());
        Sieve { net: self.clone(), node: 0, held, first: 0, found, has_found: false }
    }

    /// Cleans a text in its place.
    pub(crate) fn clean(&self, text: &mut String) {
        if let Some(clean) = self.text(text) {
            *text = clean;
        }
    }

    /// What a model's server chose, before it becomes an event.
    pub(crate) fn answer(&self, answer: &mut ModelAnswer) {
        let ModelAnswer { message, finish_reason: _, usage: _, response_id, response_model } = answer;
        let Message { role: _, content, thoughts, tool_calls, tool_call_id, opaque } = message;
        self.clean(content);
        self.clean(thoughts);
        for ToolCall { id, name, arguments } in tool_calls {
            [id, name].into_iter().for_each(|text| self.clean(text));
            self.arguments(arguments);
        }
        for text in [response_id, response_model, tool_call_id].into_iter().flatten() {
            self.clean(text);
        }
        // What is signed has no use once it is changed.
        if let Some(opaque) = opaque {
            opaque.items.retain_mut(|item| !self.value(&mut item.item));
        }
        opaque.take_if(|opaque| opaque.items.is_empty());
    }

    /// What a tool gave, or why it gave nothing.
    pub fn returned(&self, outcome: &mut ToolOutcome) {
        match outcome {
            ToolOutcome::Done(value) => {
                self.value(value);
            }
            ToolOutcome::Failed(error) => self.clean(error.message_mut()),
            ToolOutcome::Retry { message, .. } | ToolOutcome::Fatal(message) => self.clean(message),
            ToolOutcome::Listed(listed) => self.listed(listed),
            ToolOutcome::Unauthorized { message, .. } => self.clean(message),
            ToolOutcome::Pending(pending) => {
                if self.value(&mut pending.handle) {
                    // It must go back as it came, and no secret is stored.
                    let why = "the server put a secret of this deployment into what the call goes on with";
                    *outcome = ToolOutcome::Failed(ToolError::failed(why));
                } else if let Wait::Input { message, schema, url } = &mut pending.wait {
                    [Some(message), url.as_mut()].into_iter().flatten().for_each(|it| self.clean(it));
                    if let Some(schema) = schema {
                        self.value(schema);
                    }
                }
            }
            ToolOutcome::CutOff => {}
        }
    }

    /// What a server says of its tools.
    fn listed(&self, listed: &mut Listed) {
        let Listed { tools, dropped, changed, digest: _ } = listed;
        for tool in tools {
            tool.description.iter_mut().for_each(|it| self.clean(it));
            let extra = tool.remote.as_mut().map(|remote| &mut remote.extra);
            for value in tool.parameters.iter_mut().chain(extra) {
                self.value(value);
            }
        }
        let names = dropped.iter_mut().flat_map(|it| [&mut it.name, &mut it.why]);
        names.chain(changed).for_each(|it| self.clean(it));
    }

    /// What a tool found out about a call that was cut off.
    pub(crate) fn found(&self, found: &mut Found) {
        match found {
            Found::Done(value) => {
                self.value(value);
            }
            Found::NotDone | Found::Unknown => {}
        }
    }

    /// Arguments are JSON that is decoded later: an escape may hide a secret in it.
    fn arguments(&self, arguments: &mut String) {
        self.clean(arguments);
        let decoded = serde_json::from_slice::<Value>(arguments.as_bytes());
        if let Ok(mut decoded) = decoded
            && self.value(&mut decoded)
        {
            *arguments = decoded.to_string();
        }
    }

    /// Cleans each text of a value, names of members too; whether there was a secret.
    fn value(&self, value: &mut Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
            Value::String(text) => {
                let clean = self.text(text);
                let has_found = clean.is_some();
                *text = clean.unwrap_or_else(|| std::mem::take(text));
                has_found
            }
            Value::Array(items) => items.iter_mut().fold(false, |found, item| self.value(item) | found),
            Value::Object(members) => {
                let mut has_found = false;
                for (mut name, mut value) in std::mem::take(members) {
                    let clean = self.text(&name);
                    has_found |= clean.is_some() | self.value(&mut value);
                    name = clean.unwrap_or(name);
                    members.insert(name, value);
                }
                has_found
            }
        }
    }

    /// Why a call failed, in whoever's words. They were cut before they came here.
    pub(crate) fn fault(&self, fault: &mut Fault) {
        self.clean_cut(&mut fault.message);
    }

    /// The text without what begins as a secret does, for [`SECRET_BYTES_MIN`] bytes or more; `None` where nothing does.
    fn without_beginnings(&self, text: &str) -> Option<String> {
        let depth = |node: usize| self.0.get(node).map_or(0, |node| node.depth);
        let (mut node, mut clean, mut copied) = (0, String::new(), 0);
        for at in 0..=text.len() {
            let next = text.as_bytes().get(at).map_or(0, |byte| step(&self.0, node, *byte));
            let length = depth(node);
            if length >= SECRET_BYTES_MIN && depth(next) <= length {
                let end = (at..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
                if at - length >= copied {
                    clean.push_str(&text[copied..at - length]);
                    clean.push_str(REMOVED);
                }
                copied = end;
            }
            node = next;
        }
        (copied > 0).then(|| clean + &text[copied..])
    }

    /// What the gateway said beside the answer, and what the agent's own code said in its spans. Their texts were cut before
    /// they came here.
    pub(crate) fn observed(&self, observed: &mut Observed) {
        if let Some(log_id) = observed.gateway.as_mut().and_then(|gateway| gateway.log_id.as_mut()) {
            self.clean(log_id);
        }
        for span in &mut observed.spans {
            self.clean_cut(&mut span.name);
            for field in span.fields.values_mut() {
                if let Value::String(text) = field {
                    self.clean_cut(text);
                }
            }
        }
    }

    /// Cleans a text that was cut, perhaps within a secret: so its beginning is taken out as well.
    fn clean_cut(&self, text: &mut String) {
        self.clean(text);
        if let Some(clean) = self.without_beginnings(text) {
            *text = clean;
        }
    }

    /// What a far side sent, its head and its body as it arrives.
    pub(crate) fn outcome(
        &self,
        outcome: Result<WireResponse, WireFault>,
    ) -> Result<WireResponse, WireFault> {
        if self.is_empty() {
            return outcome;
        }
        let mut response = outcome.map_err(|fault| self.wire_fault(fault))?;
        let head = [&mut response.content_type, &mut response.retry_after, &mut response.gateway_log_id];
        let resets = response.resets.iter_mut().map(|(_, text)| text);
        head.into_iter().flatten().chain(resets).for_each(|text| self.clean(text));
        response.body = self.body(response.body);
        Ok(response)
    }

    fn wire_fault(&self, fault: WireFault) -> WireFault {
        let clean = |mut text: String| {
            self.clean(&mut text);
            text
        };
        match fault {
            WireFault::Connection(text) => WireFault::Connection(clean(text)),
            WireFault::Unreadable(text) => WireFault::Unreadable(clean(text)),
            WireFault::Binding(text) => WireFault::Binding(clean(text)),
            WireFault::NotConfigured(text) => WireFault::NotConfigured(clean(text)),
        }
    }

    fn body(&self, body: Body) -> Body {
        let state = (body, self.clone(), Some(self.sieve()));
        let chunks = futures::stream::unfold(state, |(mut body, net, sieve)| async move {
            let mut sieve = sieve?;
            match body.next().await {
                Some(Ok(chunk)) => Some((Ok(sieve.push(&chunk)), (body, net, Some(sieve)))),
                Some(Err(fault)) => Some((Err(net.wire_fault(fault)), (body, net, Some(sieve)))),
                None => {
                    let rest = sieve.finish();
                    (!rest.is_empty()).then_some((Ok(rest), (body, net, None)))
                }
            }
        });
        chunks.boxed_local()
    }
}

/// Takes secrets out of a text that comes in pieces. It holds back what may be the beginning of one, and no more.
pub(crate) struct Sieve {
    net: SecretNet,
    node: usize,
    /// The latest bytes, as many as the node is deep.
    held: VecDeque<u8>,
    /// The place of the first of them.
    first: usize,
    /// Where secrets are, from place to place: those that overlap are one.
    found: VecDeque<(usize, usize)>,
    has_found: bool,
}

impl Sieve {
    /// Takes the next bytes, and gives those that can be a part of no secret any more.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held.len() + bytes.len());
        for &byte in bytes {
            self.node = step(&self.net.0, self.node, byte);
            self.held.push_back(byte);
            let (depth, length) = self.net.0.get(self.node).map_or((0, 0), |node| (node.depth, node.found));
            if length > 0 {
                self.mark(length);
            }
            while self.held.len() > depth {
                self.release(&mut out);
            }
        }
        out
    }

    /// What was held back, now that nothing more comes.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held.len());
        while !self.held.is_empty() {
            self.release(&mut out);
        }
        self.node = 0;
        out
    }

    /// The same for a text.
    pub(crate) fn push_text(&mut self, text: &str) -> String {
        string(self.push(text.as_bytes()))
    }

    /// The same for a text.
    pub(crate) fn finish_text(&mut self) -> String {
        string(self.finish())
    }

    fn mark(&mut self, length: usize) {
        self.has_found = true;
        let end = self.first + self.held.len();
        let mut start = end - length;
        while let Some((from, _)) = self.found.pop_back_if(|(_, until)| *until >= start) {
            start = start.min(from);
        }
        self.found.push_back((start, end));
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        let Some(byte) = self.held.pop_front() else { return };
        let place = self.first;
        self.first += 1;
        match self.found.front() {
            Some((start, end)) if *start <= place => {
                if *start == place {
                    out.extend_from_slice(REMOVED.as_bytes());
                }
                if *end == self.first {
                    self.found.pop_front();
                }
            }
            _ => out.push(byte),
        }
    }
}

fn add(nodes: &mut Vec<Node>, secret: &[u8]) {
    let mut at = 0;
    for &byte in secret {
        at = match nodes[at].next.binary_search_by_key(&byte, |(next, _)| *next) {
            Ok(place) => nodes[at].next[place].1,
            Err(place) => {
                let new = nodes.len();
                nodes[at].next.insert(place, (byte, new));
                nodes.push(Node { depth: nodes[at].depth + 1, ..Node::default() });
                new
            }
        };
    }
    nodes[at].found = secret.len();
}

/// Gives each node its fallback, those that are less deep first.
fn link(nodes: &mut [Node]) {
    let mut queue: VecDeque<usize> = VecDeque::from([0]);
    while let Some(at) = queue.pop_front() {
        for (byte, next) in nodes[at].next.clone() {
            let fallback = if at == 0 { 0 } else { step(nodes, nodes[at].fallback, byte) };
            nodes[next].fallback = fallback;
            // Its own is longer than any that its end is.
            if nodes[next].found == 0 {
                nodes[next].found = nodes[fallback].found;
            }
            queue.push_back(next);
        }
    }
}

/// The node after this one after a byte. A step back is paid for by a step that was made.
fn step(nodes: &[Node], mut at: usize, byte: u8) -> usize {
    loop {
        let Some(node) = nodes.get(at) else { return 0 };
        match node.next.binary_search_by_key(&byte, |(next, _)| *next) {
            Ok(place) => return node.next[place].1,
            Err(_) if at == 0 => return 0,
            Err(_) => at = node.fallback,
        }
    }
}

/// A secret is UTF-8, so it begins and ends where characters do.
fn string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .expect("a text is cut where a secret begins or ends, which is between characters")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn sieved(net: &SecretNet, pieces: &[&str]) -> Vec<String> {
        let mut sieve = net.sieve();
        let mut out: Vec<String> = pieces.iter().map(|piece| sieve.push_text(piece)).collect();
        out.push(sieve.finish_text());
        out
    }

    #[test]
    fn a_secret_is_taken_out_wherever_it_is_cut() {
        let net = SecretNet::new(["sk-secret-1", "tøken-ünd"]);
        assert_eq!(
            net.text("the key is sk-secret-1, sk-secret-2"),
            Some("the key is [secret removed], sk-secret-2".into())
        );
        assert_eq!(net.text("sk-secret-"), None, "a part is not one");
        assert_eq!(sieved(&net, &["a sk-", "secret", "-1 b"]), ["a ", "", "[secret removed] b", ""]);
        assert_eq!(
            sieved(&net, &["a sk-secret", "-2 sk"]),
            ["a ", "sk-secret-2 ", "sk"],
            "no more is held back"
        );
        assert_eq!(sieved(&net, &["ein tøk", "en-ünd!"]), ["ein ", "[secret removed]!", ""]);
        assert_eq!(sieved(&net, &["sk-secret-1sk-secret-1"])[0].matches(REMOVED).count(), 1);
    }

    #[test]
    fn no_escape_hides_a_secret_in_the_arguments_of_a_tool() {
        let net = SecretNet::new(["sk-secret/1"]);
        for (sent, kept) in [
            (r#"{"result":"\u0073k-secret\/1 x"}"#, r#"{"result":"[secret removed] x"}"#),
            (r#"{"a":[{"\u0073k-secret/1":1}]}"#, r#"{"a":[{"[secret removed]":1}]}"#),
            (r#"{"b": "\u0073", "a": 1.0}"#, r#"{"b": "\u0073", "a": 1.0}"#),
            ("not JSON", "not JSON"),
        ] {
            let mut arguments = sent.to_owned();
            net.arguments(&mut arguments);
            assert_eq!(arguments, kept, "{sent}");
        }
    }

    #[test]
    fn an_error_that_was_cut_keeps_no_beginning_of_a_secret() {
        let net = SecretNet::new(["sk-secret-1", "tøken-ünd"]);
        for (said, kept) in [
            ("bad key sk-secret…", "bad key [secret removed]…"),
            ("bad key sk-secret-", "bad key [secret removed]"),
            ("sk-secresk-secret-xsk-secret-1", "[secret removed][secret removed]x[secret removed]"),
            ("sk-secr is short", "sk-secr is short"),
            ("ein tøken-ø", "ein [secret removed]"),
        ] {
            let mut fault = Fault::new(longhaul_core::FaultKind::BadRequest, said);
            net.fault(&mut fault);
            assert_eq!(fault.message, kept, "{said}");
        }
    }

    #[test]
    fn of_secrets_that_overlap_nothing_is_left() {
        let net = SecretNet::new(["abcdefgh", "abcdefghij", "ghijklmnop", "cdefghij"]);
        assert_eq!(net.text("-abcdefghij-").unwrap(), "-[secret removed]-");
        assert_eq!(net.text("-abcdefghijklmnop-").unwrap(), "-[secret removed]-");
        assert_eq!(net.text("abcdefghi").unwrap(), "[secret removed]i");
    }

    #[test]
    fn a_secret_is_found_as_json_writes_it_and_without_its_scheme() {
        let net = SecretNet::new(["pass\"word\\1", "Basic dXNlcjpwYXNz", "short"]);
        assert_eq!(net.text(r#"{"a":"pass\"word\\1"}"#).unwrap(), r#"{"a":"[secret removed]"}"#);
        assert_eq!(net.text("got dXNlcjpwYXNz").unwrap(), "got [secret removed]");
        assert_eq!(net.text("Basic short"), None);
        assert_eq!(SecretNet::new([]).text("anything"), None);
    }

    proptest! {
        /// Held against the plain way, which tries every secret at every place.
        #[test]
        fn the_net_agrees_with_a_search(
            secrets in prop::collection::vec("[ab]{8,11}", 0..4),
            pieces in prop::collection::vec(prop_oneof![Just("a".to_owned()), "[abc]{0,30}"], 0..8),
            cut in any::<bool>(),
        ) {
            let text = pieces.concat();
            let mut is_secret = vec![false; text.len()];
            for secret in &secrets {
                for start in 0..text.len() {
                    if text[start..].starts_with(secret.as_str()) {
                        is_secret[start..start + secret.len()].fill(true);
                    }
                }
            }
            let kept: String = text.chars().zip(&is_secret).filter(|(_, is)| !**is).map(|(c, _)| c).collect();
            let net = SecretNet::new(secrets.iter().map(String::as_str));
            let whole = [text.as_str()];
            let parts: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let out = sieved(&net, if cut { &parts } else { &whole }).concat();
            prop_assert_eq!(out.replace(REMOVED, ""), kept);
            prop_assert_eq!(out.contains(REMOVED), is_secret.contains(&true));
            prop_assert!(secrets.iter().all(|secret| !out.contains(secret.as_str())));
        }
    }
}
