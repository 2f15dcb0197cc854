use std::{
    fmt,
    future::ready,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{
    Effect, Found, InDoubt, OWN_TOOLS, OnExpiry, Question, ToolError as Told, ToolOffer, ToolOutcome,
    Verdict, limits, misfits, told_misfits,
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    context::ToolContext,
    error::{Reconciled, ToolError},
    schema::{self, Arguments},
};

/// What a call may say that it costs, in US dollars.
const COST_USD_MAX: f64 = 1e6;

/// Something that an agent can do: an async function of typed arguments. A model reads the doc comments of the
/// arguments and their schema; what it then sends is read with `serde`, and the model is told what does not fit.
///
/// ```
/// use longhaul::{Agent, Tool, ToolContext, ToolError};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// Says when the tide is high.
/// #[derive(Deserialize, JsonSchema)]
/// struct Tide {
///     /// The name of a port.
///     port: String,
/// }
///
/// #[derive(Serialize)]
/// struct High {
///     at: String,
/// }
///
/// async fn tide(args: Tide, _: ToolContext) -> Result<High, ToolError> {
///     if args.port != "Whitby" {
///         return Err(ToolError::failed("only the tides of Whitby are known"));
///     }
///     Ok(High { at: "09:12".to_owned() })
/// }
///
/// let sailor = Agent::new("sailor").tool(Tool::new("tide", tide).read());
/// ```
pub struct Tool<A> {
    declared: Declared,
    arguments: PhantomData<fn(A)>,
}

type Code = Rc<dyn Fn(Value, ToolContext) -> LocalBoxFuture<'static, ToolOutcome>>;
type Finder = Rc<dyn Fn(Value, ToolContext) -> LocalBoxFuture<'static, Found>>;
/// Whether arguments fit, and whether the tool's own rule asks a person about them.
type Check = Rc<dyn Fn(&Value) -> Result<bool, String>>;
/// What a call with these arguments does, for people; `None` where the tool cannot say it.
type Summary = Rc<dyn Fn(&Value) -> Option<String>>;
/// What a call with these arguments costs, in US dollars.
type Price = Rc<dyn Fn(&Value) -> Result<f64, String>>;

/// A tool, whatever its arguments are.
#[derive(Clone)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) effect: Effect,
    description: Option<String>,
    arguments: Rc<Arguments>,
    timeout_ms: Option<u64>,
    alone: bool,
    may_repeat: bool,
    always_asks: bool,
    pub(crate) by_another: bool,
    check: Check,
    summary: Option<Summary>,
    /// How long a person has, where the tool says so.
    pub(crate) expires_ms: Option<u64>,
    on_expiry: OnExpiry,
    in_doubt: InDoubt,
    finder: Option<Finder>,
    price: Option<Price>,
    /// The variables with its secrets.
    pub(crate) secrets: Rc<[String]>,
    code: Code,
}

impl<A: DeserializeOwned + JsonSchema + 'static> Tool<A> {
    /// A tool of this name. Unless it says otherwise each call of it happens at most once, whatever dies in between.
    ///
    /// # Panics
    /// When the name is not 1 to 64 of `[A-Za-z0-9_-]`, or one of the runtime's own (`finish`, `read_result`), and when the
    /// arguments are no struct with named fields: mistakes in the deployment's own code.
    #[track_caller]
    pub fn new<R, F, Fut>(name: &str, code: F) -> Self
    where
        F: Fn(A, ToolContext) -> Fut + 'static,
        Fut: Future<Output = Result<R, ToolError>> + 'static,
        R: Serialize,
    {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let max = limits::TOOL_NAME_BYTES_MAX;
        assert!(
            (1..=max).contains(&name.len()) && name.bytes().all(is_letter),
            "a tool's name has 1 to {max} of [A-Za-z0-9_-]"
        );
        assert!(!OWN_TOOLS.contains(&name), "{name} is a tool of the runtime's own");
        let arguments =
            schema::arguments::<A>().expect("the arguments of a tool are a struct with named fields");
        let code = Rc::new(code);
        let schema = Rc::clone(&arguments);
        let call = move |given: Value, cx: ToolContext| {
            let (code, schema) = (Rc::clone(&code), Rc::clone(&schema));
            async move {
                match read::<A>(&schema, given) {
                    Ok(args) => given_back(code(args, cx).await),
                    Err(wrong) => ToolOutcome::Failed(Told::invalid_arguments(wrong)),
                }
            }
            .boxed_local()
        };
        let schema = Rc::clone(&arguments);
        let check = move |given: &Value| read::<A>(&schema, given.clone()).map(|_| false);
        let declared = Declared {
            name: name.to_owned(),
            effect: Effect::Once,
            description: arguments.description.clone(),
            arguments,
            timeout_ms: None,
            alone: false,
            may_repeat: false,
            always_asks: false,
            by_another: false,
            check: Rc::new(check),
            summary: None,
            expires_ms: None,
            on_expiry: OnExpiry::default(),
            in_doubt: InDoubt::default(),
            finder: None,
            price: None,
            secrets: Rc::default(),
            code: Rc::new(call),
        };
        Self { declared, arguments: PhantomData }
    }

    /// What it does, for the model, in place of the doc comment of its arguments.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        self.declared.description = Some(text.to_owned());
        self
    }

    /// It changes nothing: a call that a crash cut off is made again.
    #[must_use]
    pub fn read(mut self) -> Self {
        self.declared.effect = Effect::Read;
        self
    }

    /// Called twice with the same [`key`](ToolContext::key) it does one thing: a call that a crash cut off is made again,
    /// under the same key.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.declared.effect = Effect::Idempotent;
        self
    }

    /// Each call happens at most once, which is the default. One that a crash cut off is never made again, unless
    /// [`reconcile`](Self::reconcile) finds that it was not done.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.declared.effect = Effect::Once;
        self
    }

    /// Finds out what became of a call that was cut off, and may have happened. It gets what the call got, changes nothing,
    /// and is itself asked again after a crash. Where it fails, the answer is unknown.
    #[must_use]
    pub fn reconcile<R, F, Fut>(mut self, finder: F) -> Self
    where
        F: Fn(A, ToolContext) -> Fut + 'static,
        Fut: Future<Output = Result<Reconciled<R>, ToolError>> + 'static,
        R: Serialize,
    {
        let (finder, schema) = (Rc::new(finder), Rc::clone(&self.declared.arguments));
        self.declared.finder = Some(Rc::new(move |given, cx| {
            let (finder, schema) = (Rc::clone(&finder), Rc::clone(&schema));
            async move {
                match read::<A>(&schema, given) {
                    Ok(args) => found(finder(args, cx).await),
                    Err(_) => Found::Unknown,
                }
            }
            .boxed_local()
        }));
        self
    }

    /// What becomes of a call that may have happened, when nobody knows: the model is told, unless this says otherwise.
    #[must_use]
    pub fn in_doubt(mut self, then: InDoubt) -> Self {
        self.declared.in_doubt = then;
        self
    }

    /// How long an attempt of a call may take: a minute, unless this says otherwise. What is stopped then may have
    /// happened, as after a crash.
    ///
    /// # Panics
    /// When it is not 1 millisecond to 14 minutes.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        assert!((1..=limits::TOOL_TIMEOUT_MS_MAX).contains(&ms), "a tool has 1 millisecond to 14 minutes");
        self.declared.timeout_ms = Some(ms);
        self
    }

    /// No other call is under way beside one of it: it waits for those that the answer names before it, and those after it
    /// wait for it.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.declared.alone = true;
        self
    }

    /// The same call over and over is no loop, as of a tool that a model polls.
    #[must_use]
    pub fn may_repeat(mut self) -> Self {
        self.declared.may_repeat = true;
        self
    }

    /// A person must approve each call before it is made.
    #[must_use]
    pub fn always_ask(mut self) -> Self {
        self.declared.always_asks = true;
        self
    }

    /// A person must approve the calls whose arguments `rule` holds for. It looks at nothing but the arguments. Where it
    /// panics, it holds.
    #[must_use]
    pub fn ask_when(mut self, rule: impl Fn(&A) -> bool + 'static) -> Self {
        let schema = Rc::clone(&self.declared.arguments);
        self.declared.check = Rc::new(move |given| {
            let args = read::<A>(&schema, given.clone())?;
            Ok(catch_unwind(AssertUnwindSafe(|| rule(&args))).unwrap_or(true))
        });
        self
    }

    /// What a call does, in a sentence for whoever is asked about it. Without it they read the tool's name and the arguments.
    /// It looks at nothing but the arguments, and no model has a say in it.
    #[must_use]
    pub fn summary(mut self, say: impl Fn(&A) -> String + 'static) -> Self {
        let schema = Rc::clone(&self.declared.arguments);
        self.declared.summary = Some(Rc::new(move |given| {
            let args = read::<A>(&schema, given.clone()).ok()?;
            catch_unwind(AssertUnwindSafe(|| say(&args))).ok()
        }));
        self
    }

    /// Whoever started the run cannot approve its calls.
    #[must_use]
    pub fn approved_by_another(mut self) -> Self {
        self.declared.by_another = true;
        self
    }

    /// What becomes of a call about which nobody decided in time: it is denied, unless this says otherwise.
    #[must_use]
    pub fn on_expiry(mut self, then: OnExpiry) -> Self {
        self.declared.on_expiry = then;
        self
    }

    /// How long a person has to decide about a call: a week, unless this says otherwise.
    ///
    /// # Panics
    /// When it is not 1 second to 30 days.
    #[must_use]
    pub fn expires_in(mut self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        assert!(
            (limits::APPROVAL_MS_MIN..=limits::DEADLINE_MS_MAX).contains(&ms),
            "a person has 1 second to 30 days"
        );
        self.declared.expires_ms = Some(ms);
        self
    }

    /// What an attempt of a call costs in US dollars, by its arguments: `|_| 0.01` where it is always the same. A run's budget
    /// of dollars counts it, and a call is not made for which too little is left. Where this panics or gives no amount, the
    /// call is not made.
    #[must_use]
    pub fn costs(mut self, dollars: impl Fn(&A) -> f64 + 'static) -> Self {
        let schema = Rc::clone(&self.declared.arguments);
        self.declared.price = Some(Rc::new(move |given| {
            let args = read::<A>(&schema, given.clone())?;
            let cost = catch_unwind(AssertUnwindSafe(|| dollars(&args))).ok();
            cost.filter(|cost| (0.0..=COST_USD_MAX).contains(cost))
                .ok_or_else(|| "the call was not made: the tool cannot say what it costs".to_owned())
        }));
        self
    }

    /// Variables of the deployment that [`ToolContext::secret`] may read. Their values are taken out of what the tool
    /// gives, says of its progress and fails with, like the deployment's own secrets.
    #[must_use]
    pub fn secrets<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.declared.secrets = names.into_iter().map(str::to_owned).collect();
        self
    }

    pub(crate) fn into_declared(self) -> Declared {
        self.declared
    }
}

impl Declared {
    /// What a run is offered.
    pub(crate) fn offer(&self) -> ToolOffer {
        ToolOffer {
            approval_ms: self.always_asks.then_some(self.expires_ms.unwrap_or(limits::APPROVAL_MS_DEFAULT)),
            description: self.description.clone(),
            parameters: Some(self.arguments.schema.clone()),
            timeout_ms: self.timeout_ms,
            alone: self.alone,
            may_repeat: self.may_repeat,
            reconciles: self.finder.is_some(),
            in_doubt: self.in_doubt,
            on_expiry: self.on_expiry,
            ..ToolOffer::new(self.name.clone(), self.effect)
        }
    }

    pub(crate) fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    pub(crate) fn schema(&self) -> &Value {
        &self.arguments.schema
    }

    /// What the tool's own rules say of a call.
    pub(crate) fn judge(&self, arguments: &Value) -> Verdict {
        let asks = match (self.check)(arguments) {
            Ok(asks) => asks,
            Err(wrong) => return Verdict::Invalid(wrong),
        };
        let rule = match (self.always_asks, asks) {
            (true, _) => "always_ask",
            (false, true) => "ask_when",
            (false, false) => return Verdict::Allow { rule: None },
        };
        Verdict::Ask(Question { rule: Some(format!("{}.{rule}", self.name)), ..Question::default() })
    }

    /// What a call with these arguments does, for whoever is asked about it: on one line, and with nothing in it that a
    /// reader does not see.
    pub(crate) fn summary_of(&self, arguments: &Value) -> String {
        let said = self.summary.as_ref().and_then(|say| say(arguments));
        visible(&said.unwrap_or_else(|| format!("{} {arguments}", self.name)))
    }

    /// What the tool says that a call costs.
    pub(crate) fn cost_usd(&self, arguments: &Value) -> Result<Option<f64>, String> {
        self.price.as_ref().map(|price| price(arguments)).transpose()
    }

    /// Runs its code, if the arguments fit.
    pub(crate) fn call(&self, arguments: Value, cx: ToolContext) -> LocalBoxFuture<'static, ToolOutcome> {
        (self.code)(arguments, cx)
    }

    /// Asks what became of a call.
    pub(crate) fn find(&self, arguments: Value, cx: ToolContext) -> LocalBoxFuture<'static, Found> {
        match &self.finder {
            Some(finder) => finder(arguments, cx),
            None => ready(Found::Unknown).boxed_local(),
        }
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).field("effect", &self.effect).finish_non_exhaustive()
    }
}

/// A text as it is, cut; what changes how it looks, and is not seen itself, by its number.
fn visible(text: &str) -> String {
    let mut seen = String::new();
    for (index, char) in text.chars().enumerate() {
        if index == limits::SUMMARY_CHARS_MAX {
            seen.push('…');
            break;
        }
        match char {
            // Directions, joiners and other marks without a width, and letters of tags.
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}' => {
                seen.push_str(&format!("\\u{{{:x}}}", u32::from(char)));
            }
            char if char.is_control() => seen.push_str(&format!("\\u{{{:x}}}", u32::from(char))),
            char => seen.push(char),
        }
    }
    seen
}

/// The arguments as the tool's type; or what is wrong with them, for the model.
fn read<A: DeserializeOwned>(arguments: &Arguments, given: Value) -> Result<A, String> {
    let misfits = misfits(&arguments.schema, &given);
    if !misfits.is_empty() {
        return Err(told_misfits(&misfits));
    }
    serde_json::from_value(given).map_err(|error| error.to_string())
}

fn given_back<R: Serialize>(returned: Result<R, ToolError>) -> ToolOutcome {
    let result = match returned {
        Ok(result) => result,
        Err(error) => return error.outcome(),
    };
    let result = match serde_json::to_value(result) {
        Ok(result) => result,
        Err(error) => return ToolError::failed(format!("the result is no JSON: {error}")).outcome(),
    };
    ToolOutcome::Done(result)
}

fn found<R: Serialize>(answer: Result<Reconciled<R>, ToolError>) -> Found {
    match answer {
        Ok(Reconciled::Done(result)) => match serde_json::to_value(result) {
            Ok(result) => Found::Done(result),
            Err(_) => Found::Unknown,
        },
        Ok(Reconciled::NotDone) => Found::NotDone,
        Ok(Reconciled::Unknown) => Found::Unknown,
        Err(error) => {
            tracing::warn!(?error, "a tool cannot tell what became of a call");
            Found::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use longhaul_core::{CallId, CallRef, RunId};
    use longhaul_host::SecretNet;
    use serde::Deserialize;
    use serde_json::json;
    use wasm_bindgen::{JsCast, JsValue};

    use super::*;
    use crate::tool::{Called, Outlet, Voice};

    /// Refunds an order.
    #[derive(Deserialize, JsonSchema)]
    struct Refund {
        order: String,
        cents: u64,
    }

    fn context() -> ToolContext {
        ToolContext::new(Called {
            call: CallRef { run: RunId(1), call: CallId(2), attempt: 1 },
            key: "life-session-1-2".to_owned(),
            tenant: "acme".to_owned(),
            session: "session".to_owned(),
            outlet: Outlet::Platform(JsValue::UNDEFINED.unchecked_into()),
            secrets: Rc::default(),
            egress: crate::tool::Egress::default(),
            voice: Voice::new(|_| {}, || 0, SecretNet::default()),
        })
    }

    fn call(tool: &Declared, arguments: Value) -> ToolOutcome {
        tool.call(arguments, context()).now_or_never().expect("its code awaits nothing")
    }

    fn code(outcome: ToolOutcome) -> (String, String) {
        match outcome {
            ToolOutcome::Failed(Told::Coded { code, message }) => (code, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_tool_is_offered_by_its_doc_comment_and_its_schema_and_happens_once() {
        let refund = Tool::new("refund", |_: Refund, _| async { Ok(()) });
        let offer = refund.declared.offer();
        assert_eq!((offer.name.as_str(), offer.effect, offer.approval_ms), ("refund", Effect::Once, None));
        assert_eq!(offer.description.as_deref(), Some("Refunds an order."));
        assert_eq!(offer.parameters.unwrap()["required"], json!(["order", "cents"]));
        let asks = refund.read().description("x").always_ask().expires_in(Duration::from_secs(60));
        let offer = asks.declared.offer();
        assert_eq!((offer.effect, offer.approval_ms), (Effect::Read, Some(60_000)));
        assert_eq!(offer.description.as_deref(), Some("x"));
    }

    #[test]
    fn arguments_that_do_not_fit_are_told_and_the_code_is_not_run() {
        let refund = Tool::new("refund", |args: Refund, cx: ToolContext| async move {
            Ok(json!({"refunded": args.cents, "order": args.order, "key": cx.key(), "run": cx.run().0}))
        })
        .into_declared();
        let done = call(&refund, json!({"order": "7", "cents": 100}));
        let result = json!({"refunded": 100, "order": "7", "key": "life-session-1-2", "run": 1});
        assert_eq!(done, ToolOutcome::Done(result));
        for (arguments, told) in [
            (json!({"order": "7"}), "/cents is missing"),
            (
                json!({"order": 7, "cents": "many"}),
                "/cents must be a whole number, not a string; /order must be a string",
            ),
            (json!({"order": "7", "cents": -1}), "/cents must be at least 0"),
            (json!({"order": "7", "cents": 1e30}), "expected u64"),
            (json!({"order": "7", "cents": 1, "to": "me"}), "/to is not in the schema"),
            (json!(["7", 1]), "it must be an object"),
        ] {
            let (code, message) = code(call(&refund, arguments));
            assert_eq!(code, "invalid_arguments");
            assert!(message.contains(told), "{message}");
        }
    }

    #[test]
    fn an_error_is_told() {
        let fails = Tool::new("parse", |args: Refund, _| async move {
            let cents: u64 = args.order.parse()?;
            Ok("x".repeat(usize::try_from(cents).unwrap()))
        })
        .into_declared();
        let failed = code(call(&fails, json!({"order": "seven", "cents": 1})));
        assert_eq!(failed, ("failed".to_owned(), "invalid digit found in string".to_owned()));
        let error = context().secret("LEDGER_KEY").unwrap_err();
        assert_eq!(error, ToolError::failed("the tool does not declare the secret LEDGER_KEY"));
    }

    #[test]
    fn mistakes_of_a_deployment_are_named() {
        let long = "x".repeat(limits::TOOL_NAME_BYTES_MAX + 1);
        for name in ["", "a b", "é", "finish", "read_result", long.as_str()] {
            let made = std::panic::catch_unwind(|| Tool::new(name, |_: Refund, _| async { Ok(()) }));
            assert!(made.is_err(), "{name}");
        }
        let no_object = std::panic::catch_unwind(|| Tool::new("a", |_: String, _| async { Ok(()) }));
        assert!(no_object.is_err());
        let twice = || Tool::new("a", |_: Refund, _| async { Ok(()) });
        let twice = std::panic::catch_unwind(|| crate::Agent::new("x").tool(twice()).tool(twice()));
        assert!(twice.is_err());
    }
}
