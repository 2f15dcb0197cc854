use std::{cell::Cell, rc::Rc, time::Duration};

use longhaul_core::{CallId, CallRef, RunId, TimeMs, limits};
use longhaul_host::SecretNet;
use serde::Serialize;
use worker::Env;

use super::{
    egress::{Egress, FetchError},
    error::ToolError,
    fetch::{FetchRequest, FetchResponse, fetch},
    outlet::Outlet,
};

/// What a tool's code gets beside its arguments: whom it works for, under which key, and the way to bindings and secrets.
/// A clone is of the same call.
#[derive(Clone)]
pub struct ToolContext(Rc<Called>);

/// An attempt of a call.
pub(crate) struct Called {
    pub(crate) call: CallRef,
    pub(crate) key: String,
    pub(crate) tenant: String,
    pub(crate) session: String,
    pub(crate) outlet: Outlet,
    /// The variables that the tool declared as its secrets.
    pub(crate) secrets: Rc<[String]>,
    /// Where the agent's tools may send requests.
    pub(crate) egress: Egress,
    pub(crate) voice: Voice,
}

impl ToolContext {
    pub(crate) fn new(called: Called) -> Self {
        Self(Rc::new(called))
    }

    /// The call's idempotency key: the same in each attempt of this call, and that of no other call. Give it to the far
    /// side, which then does the same thing once.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// Whose run it is.
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// The session's id.
    pub fn session(&self) -> &str {
        &self.0.session
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.0.call.run
    }

    /// The call.
    pub fn call(&self) -> CallId {
        self.0.call.call
    }

    /// The attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.call.attempt
    }

    /// Every binding, variable and secret of the deployment. What a tool gives of it to a model is out: declare secrets
    /// with [`Tool::secrets`](crate::Tool::secrets) and read them with [`secret`](Self::secret), then they are taken out.
    ///
    /// # Panics
    /// In a native test, which has no platform: [`var`](Self::var) and [`secret`](Self::secret) work in both.
    pub fn env(&self) -> &Env {
        self.0.outlet.env()
    }

    /// A variable of the deployment that is no secret, as it is set.
    ///
    /// # Errors
    /// When the deployment has not set it.
    pub fn var(&self, name: &str) -> Result<String, ToolError> {
        let unset = || ToolError::failed(format!("the deployment has not set the variable {name}"));
        self.0.outlet.variable(name).ok_or_else(unset)
    }

    /// A secret that the tool declared.
    ///
    /// # Errors
    /// When the tool did not declare it, or the deployment has not set it.
    pub fn secret(&self, name: &str) -> Result<String, ToolError> {
        if !self.0.secrets.iter().any(|known| known == name) {
            return Err(ToolError::failed(format!("the tool does not declare the secret {name}")));
        }
        let unset = || ToolError::failed(format!("the deployment has not set the secret {name}"));
        self.0.outlet.variable(name).ok_or_else(unset)
    }

    /// Sends a request to one of the hosts that the agent may reach ([`Agent::egress`](crate::Agent::egress)); a text is the
    /// address of a GET. At most five redirects are followed, each only where the list allows, and to another host without
    /// credentials. This guards a tool from what a model puts into an address; what a listed name resolves to is the
    /// platform's.
    ///
    /// # Errors
    /// When the list does not allow the address, or no answer comes. An answer of any status is none.
    pub async fn fetch(&self, request: impl Into<FetchRequest>) -> Result<FetchResponse, FetchError> {
        fetch(&self.0.outlet, &self.0.egress, request.into()).await
    }

    /// Waits. Its time counts against the tool's [`timeout`](crate::Tool::timeout).
    pub async fn sleep(&self, time: Duration) {
        self.0.outlet.sleep(time).await;
    }

    /// Shows those who watch how far the call is. It is not stored. A text of more than 2 KiB is cut, and more than ten of
    /// them in a second are dropped.
    pub fn progress(&self, text: &str) {
        self.0.voice.say(self.0.call, text);
    }
}

/// The way of a call's progress to those who watch.
pub(crate) struct Voice {
    publish: Box<dyn Fn(&Progress)>,
    now: fn() -> TimeMs,
    secrets: SecretNet,
    /// When the current second began, and how often the call spoke in it.
    second: Cell<(TimeMs, u32)>,
}

impl Voice {
    pub(crate) fn new(
        publish: impl Fn(&Progress) + 'static,
        now: fn() -> TimeMs,
        secrets: SecretNet,
    ) -> Self {
        Self { publish: Box::new(publish), now, secrets, second: Cell::default() }
    }

    fn say(&self, call: CallRef, text: &str) {
        const SECOND_MS: TimeMs = 1_000;
        let (now, (began, times)) = ((self.now)(), self.second.get());
        let (began, times) = if now.saturating_sub(began) < SECOND_MS { (began, times) } else { (now, 0) };
        if times >= limits::PROGRESS_PER_SECOND_MAX {
            return;
        }
        self.second.set((began, times + 1));
        // A secret that the cut would part is looked for first.
        let clean = self.secrets.text(text);
        let text = clean.as_deref().unwrap_or(text);
        let text = &text[..text.floor_char_boundary(limits::PROGRESS_BYTES_MAX)];
        let CallRef { run, call, attempt } = call;
        (self.publish)(&Progress { run: run.0, call: call.0, attempt, text: text.to_owned() });
    }
}

/// What a tool says of its progress, as a frame between events. It is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename = "tool.progress")]
pub(crate) struct Progress {
    /// The run.
    pub(crate) run: u32,
    /// The call.
    pub(crate) call: u32,
    /// The attempt.
    pub(crate) attempt: u32,
    /// What the tool says, at most 2 KiB.
    pub(crate) text: String,
}

impl Progress {
    /// The name of the frame.
    pub(crate) const WORD: &str = "tool.progress";
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static NOW: Cell<TimeMs> = const { Cell::new(50) };
    }

    #[test]
    fn progress_is_cut_cleared_and_limited_in_rate() {
        let said: Rc<RefCell<Vec<String>>> = Rc::default();
        let heard = Rc::clone(&said);
        let publish = move |progress: &Progress| heard.borrow_mut().push(progress.text.clone());
        let voice = Voice::new(publish, || NOW.get(), SecretNet::new(["key-of-the-ledger"]));
        let call = CallRef { run: RunId(1), call: CallId(2), attempt: 1 };
        voice.say(call, "with key-of-the-ledger");
        voice.say(call, &"é".repeat(limits::PROGRESS_BYTES_MAX));
        assert_eq!(said.borrow()[0], "with [secret removed]");
        assert_eq!(said.borrow()[1].len(), limits::PROGRESS_BYTES_MAX);
        let most = limits::PROGRESS_PER_SECOND_MAX as usize;
        (0..20).for_each(|_| voice.say(call, "x"));
        assert_eq!(said.borrow().len(), most);
        NOW.set(1_050);
        (0..20).for_each(|_| voice.say(call, "x"));
        assert_eq!(said.borrow().len(), 2 * most);
        let frame = serde_json::to_value(Progress { run: 1, call: 2, attempt: 3, text: "x".into() }).unwrap();
        let expected =
            serde_json::json!({"type": Progress::WORD, "run": 1, "call": 2, "attempt": 3, "text": "x"});
        assert_eq!(frame, expected);
    }
}
