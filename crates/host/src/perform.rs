use std::{
    cell::{Cell, RefCell},
    panic::AssertUnwindSafe,
    rc::Rc,
};

use futures::{
    FutureExt, StreamExt,
    future::{Either, select},
};
use longhaul_core::{
    CallRef, Fault, FaultKind, Found, Gateway, Input, ModelAnswer, ModelCall, ModelRequest, Observed, Run,
    Session, Timing, ToolOutcome, limits,
};
use longhaul_models::{
    Decoder, Format, ModelName, Provider, RequestForm, Script, ScriptOutcome, fault_of_status, told_headers,
    workers_ai,
};
use longhaul_trace::{Origin, redact::observed as redact_observed, span_id, trace_id};
use tracing::{Instrument, Span};

use crate::{
    deployment::{Deployment, WorkersAi},
    hooks::CallInfo,
    live::{DeltaKind, Live},
    net::{SecretNet, Sieve},
    ports::{Clock, Ports, ToolJob},
    spans::{call_span, finish},
    wire::{Body, GatewayRequest, HttpRequest, Method, WireFault, WireRequest, WireResponse},
    wish::wish,
};

/// How long a server may take to end a body that said that it is whole, in milliseconds.
const CLOSING_MS_MAX: u64 = 20;
/// How long the body of an error is waited for, in milliseconds.
const ERROR_BODY_MS_MAX: u64 = 2_000;
/// How long an answer that has its finish reason is waited on for its usage and its end, in milliseconds.
const TRAILER_WAIT_MS_MAX: u64 = 10_000;
/// What is left of an attempt's time then, so that the answer is taken before it runs out, in milliseconds.
const COMMIT_MARGIN_MS: u64 = 100;
/// After this many interruptions of one call the storage must show that it takes an answer, before the call is made again:
/// storing the answer may be what ended the object.
const INTERRUPTIONS_TRUSTED: u32 = 1;
/// What is read of an error's body, in bytes.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// A call as it is promised, with all that its flight needs: nothing reads the session while it is under way.
pub(crate) struct CallOrder<'a> {
    pub(crate) promised: ModelCall,
    /// The request, or why it cannot be made.
    pub(crate) prepared: Result<Prepared, Fault>,
    /// The text of the answer at most, in bytes.
    pub(crate) bytes_max: usize,
    /// How often a crash cut the call off.
    pub(crate) interruptions: u32,
    /// The tokens that the request counts as, as estimated; where no budget asks what was used, none.
    pub(crate) sent_tokens: Option<u64>,
    /// The request once more, where the server refused its form.
    pub(crate) reform: Box<Reform<'a>>,
}

/// Encodes a call's request in another form, as long as the call is awaited.
pub(crate) type Reform<'a> = dyn Fn(RequestForm) -> Result<Prepared, Fault> + 'a;

/// The way to the model.
pub(crate) enum Prepared {
    /// A request, and its form where there is a choice.
    Wire(Format, WireRequest, Option<RequestForm>),
    Scripted(Script),
}

/// An attempt under way, as far as its span needs it.
struct Attempt {
    call: CallRef,
    give_up_at: u64,
    /// The text of the answer at most.
    bytes_max: usize,
    first_chunk_at: Cell<Option<u64>>,
    /// Holds back the end of the answer's text that may begin a secret.
    sieve: RefCell<Sieve>,
    /// The same of the thoughts.
    thoughts_sieve: RefCell<Sieve>,
    /// When the latest piece of the answer had arrived, where that was not just now.
    arrived_at: RefCell<Rc<Cell<Option<u64>>>>,
    /// When the server said that the answer is whole.
    whole_at: Cell<Option<u64>>,
    /// The AI Gateway that the request goes through.
    gateway: RefCell<Option<Gateway>>,
    /// How the request is written, where there is a choice.
    form: Cell<Option<RequestForm>>,
    /// The server refused the form, and this is another one.
    other_form: Cell<Option<RequestForm>>,
}

impl Attempt {
    fn new(order: &CallOrder<'_>, secrets: &SecretNet) -> Self {
        Self {
            call: order.promised.call,
            give_up_at: order.promised.give_up_at,
            bytes_max: order.bytes_max,
            first_chunk_at: Cell::new(None),
            sieve: RefCell::new(secrets.sieve()),
            thoughts_sieve: RefCell::new(secrets.sieve()),
            arrived_at: RefCell::default(),
            whole_at: Cell::new(None),
            gateway: RefCell::new(None),
            form: Cell::new(None),
            other_form: Cell::new(None),
        }
    }
}

/// Who makes model calls: it has the ports and the configuration, and not the session.
pub(crate) struct Caller<'a, P: Ports> {
    pub(crate) ports: &'a P,
    pub(crate) deployment: &'a Deployment,
    pub(crate) live: &'a RefCell<Live>,
}

impl<P: Ports> Caller<'_, P> {
    /// One attempt of a model call, from the request to the whole answer or a fault, with the spans that the
    /// deployment's own code opens around it.
    pub(crate) async fn call_model(&self, order: CallOrder<'_>) -> Input {
        let promised = order.promised.call;
        let CallRef { run, call, attempt } = promised;
        let info = CallInfo {
            session: self.deployment.session.clone(),
            run,
            call,
            attempt,
            model: order.promised.model.clone(),
        };
        let span = call_span(&self.deployment.session, promised);
        let attempt = Attempt::new(&order, &self.deployment.secrets);
        let (outcome, timing) = async {
            let (outcome, timing) = self.attempt(order, &attempt, &info).await;
            self.deployment.hooks.after_call(&info, outcome.as_ref()).await;
            (outcome, timing)
        }
        .instrument(span.clone())
        .await;
        let observed = self.observed(attempt.gateway.take(), &span);
        let call = promised;
        match outcome {
            Ok(answer) => Input::Answered { call, answer, timing, observed },
            Err(fault) => Input::Failed { call, fault, timing, observed },
        }
    }

    /// One attempt of a tool call. Whatever stops it under way is the same as a death: its outcome is unknown.
    pub(crate) async fn call_tool(&self, job: &ToolJob) -> Input {
        let order = &job.order;
        let started_at = self.ports.now();
        let span = call_span(&self.deployment.session, order.call);
        // Its code may panic before it awaits anything.
        let calling = async { self.ports.call_tool(job).await }.instrument(span.clone());
        let returned = AssertUnwindSafe(calling).catch_unwind();
        let allowed = self.ports.sleep(order.give_up_at.saturating_sub(started_at));
        let mut outcome = match select(Box::pin(returned), allowed).await {
            Either::Left((Ok(outcome), _)) => outcome,
            Either::Left((Err(_), _)) => {
                let (session, run, call) =
                    (self.deployment.session.as_str(), order.call.run.0, order.call.call.0);
                tracing::error!(session, run, call, tool = order.ask.tool, "a tool panicked");
                ToolOutcome::CutOff
            }
            Either::Right(_) => ToolOutcome::CutOff,
        };
        self.deployment.secrets.returned(&mut outcome);
        let timing = Timing { started_at, ended_at: self.ports.now(), first_chunk_at: None };
        Input::Returned { call: order.call, outcome, timing, observed: self.observed(None, &span) }
    }

    /// What was seen around an attempt, which ends now.
    fn observed(&self, gateway: Option<Gateway>, span: &Span) -> Observed {
        let mut observed = Observed { gateway, spans: finish(span) };
        self.deployment.secrets.observed(&mut observed);
        redact_observed(&mut observed, &|text| self.deployment.redacted(text));
        observed
    }

    /// Asks a tool what became of a call that was cut off. What goes wrong with that leaves it unknown.
    pub(crate) async fn reconcile(&self, job: &ToolJob) -> Input {
        let started_at = self.ports.now();
        let asking = async { self.ports.reconcile(job).await };
        let allowed = self.ports.sleep(job.order.give_up_at.saturating_sub(started_at));
        let mut found = match select(Box::pin(AssertUnwindSafe(asking).catch_unwind()), allowed).await {
            Either::Left((Ok(found), _)) => found,
            Either::Left((Err(_), _)) | Either::Right(_) => Found::Unknown,
        };
        self.deployment.secrets.found(&mut found);
        let timing = Timing { started_at, ended_at: self.ports.now(), first_chunk_at: None };
        Input::Reconciled { call: job.order.call, found, timing }
    }

    async fn attempt(
        &self,
        order: CallOrder<'_>,
        attempt: &Attempt,
        info: &CallInfo,
    ) -> (Result<ModelAnswer, Fault>, Timing) {
        let CallOrder { promised, prepared, interruptions, sent_tokens, reform, .. } = order;
        if let Ok(Prepared::Wire(_, WireRequest::WorkersAi { gateway: Some(gateway), .. }, _)) = &prepared {
            attempt.gateway.replace(Some(Gateway { id: gateway.id.clone(), log_id: None }));
        }
        let started_at = self.ports.now();
        let allowed_ms = promised.give_up_at.saturating_sub(started_at);
        let outcome = match prepared {
            Err(fault) => Err(fault),
            Ok(prepared) => {
                let exchange = Box::pin(async {
                    self.make_sure_of_room(interruptions).await?;
                    self.deployment.hooks.before_call(info).await;
                    self.exchange_in_any_form(prepared, attempt, &*reform).await
                });
                match select(exchange, self.ports.sleep(allowed_ms)).await {
                    Either::Left((outcome, _)) => outcome,
                    Either::Right(_) => {
                        Err(Fault::new(FaultKind::Timeout, format!("no whole answer within {allowed_ms} ms")))
                    }
                }
            }
        };
        let ended_at = attempt.whole_at.get().unwrap_or_else(|| self.ports.now());
        let timing = Timing { started_at, ended_at, first_chunk_at: attempt.first_chunk_at.get() };
        let outcome = match outcome {
            Ok(mut answer) => {
                answer.made_by(&promised.model);
                self.deployment.secrets.answer(&mut answer);
                if let Some(sent) = sent_tokens {
                    answer.usage.estimate(sent, answer.message.estimated_tokens());
                }
                answer.usage.cost_usd = self.deployment.prices.cost_usd(&promised.model, &answer.usage);
                Ok(answer)
            }
            Err(mut fault) => {
                if let Some(sent) = sent_tokens.filter(|_| fault.may_be_paid_for()) {
                    let usage = fault.usage.get_or_insert_default();
                    usage.estimate(sent, self.live.borrow().estimated_tokens(attempt.call));
                }
                if let Some(usage) = &mut fault.usage {
                    usage.cost_usd = self.deployment.prices.cost_usd(&promised.model, usage);
                }
                Err(self.without_secrets(fault))
            }
        };
        (outcome, timing)
    }

    /// A call is paid for: it is not made again and again because its answer can not be stored.
    async fn make_sure_of_room(&self, interruptions: u32) -> Result<(), Fault> {
        if interruptions <= INTERRUPTIONS_TRUSTED {
            return Ok(());
        }
        let room = self.ports.make_sure_of_room().await;
        room.map_err(|error| {
            let text = format!(
                "the storage takes no answer, so the model was not called: {}",
                shorten(&error.to_string())
            );
            Fault::new(FaultKind::Connection, text)
        })
    }

    /// A refusal of a field that the request can do without is no outcome: the request goes out once more without it.
    async fn exchange_in_any_form(
        &self,
        mut prepared: Prepared,
        attempt: &Attempt,
        reform: &Reform<'_>,
    ) -> Result<ModelAnswer, Fault> {
        loop {
            let outcome = self.exchange(prepared, attempt).await;
            match attempt.other_form.take() {
                Some(form) => prepared = reform(form)?,
                None => return outcome,
            }
        }
    }

    /// The request of a call, encoded in the usual form or in another one.
    pub(crate) fn encode(
        &self,
        promised: &ModelCall,
        request: &ModelRequest<'_>,
        session: &Session,
        form: Option<RequestForm>,
    ) -> Result<Prepared, Fault> {
        let name = ModelName::parse(request.model)
            .map_err(|error| Fault::new(FaultKind::NotConfigured, error.to_string()))?;
        let missing = |text: &str| Fault::new(FaultKind::NotConfigured, text);
        let CallRef { run, call, .. } = promised.call;
        let mut key = self.deployment.key_of_call(session.life(), run, call);
        // Another model is another request.
        let fallen_back = session.run(run).map_or(0, Run::fallen_back);
        if fallen_back > 0 {
            key.push_str(&format!("~m{fallen_back}"));
        }
        let key = ("Idempotency-Key".to_owned(), key);
        match name.provider() {
            Provider::Scripted => Ok(Prepared::Scripted(Script::for_request(request))),
            Provider::Server => {
                let endpoint = self.deployment.endpoints.get(name.prefix()).map_err(|text| missing(&text))?;
                let format = endpoint.format;
                let form = form.unwrap_or_else(|| match RequestForm::usual(format, name.wire_name()) {
                    usual if endpoint.system_in_first_user => usual.with_system_in_first_user(),
                    usual => usual,
                });
                let (key_name, mut key) = key;
                if form.changes() > 0 {
                    key.push_str(&format!("~{}", form.changes()));
                }
                let mut headers =
                    vec![(key_name, key), ("Content-Type".to_owned(), "application/json".to_owned())];
                headers.push(("Accept".to_owned(), "text/event-stream, application/json".to_owned()));
                headers.extend(endpoint.headers());
                let url = endpoint.url();
                let body = format.body(name.wire_name(), request, form).into_bytes();
                let method = Method::Post;
                let request = HttpRequest { method, url, headers, body };
                Ok(Prepared::Wire(format, WireRequest::Http(request), Some(form)))
            }
            Provider::WorkersAi => {
                let binding = self.deployment.workers_ai.as_ref().ok_or_else(|| missing("bind AI"))?;
                let (gateway, trace_headers) =
                    self.gateway_request(binding, promised.call, self.deployment.origin(session)).unzip();
                let headers = std::iter::once(key).chain(trace_headers.into_iter().flatten()).collect();
                let format = Format::WorkersAi;
                let form = RequestForm::usual(format, name.wire_name());
                let request = WireRequest::WorkersAi {
                    model: request.model.to_owned(),
                    input: format.body(name.wire_name(), request, form).into_bytes(),
                    gateway,
                    headers,
                };
                Ok(Prepared::Wire(format, request, None))
            }
        }
    }

    /// What the AI Gateway is told, where there is one: labels for its log, and our trace, which it then joins.
    fn gateway_request(
        &self,
        binding: &WorkersAi,
        call: CallRef,
        origin: Origin<'_>,
    ) -> Option<(GatewayRequest, [(String, String); 2])> {
        let id = binding.gateway_id.clone()?;
        let trace = trace_id(origin, call.run);
        let span = span_id(trace, Some((call.call, call.attempt)));
        let metadata = vec![
            ("session", self.deployment.session.clone()),
            ("run", call.run.to_string()),
            ("call", call.call.to_string()),
            ("attempt", call.attempt.to_string()),
        ];
        let headers = [
            ("cf-aig-otel-trace-id".to_owned(), trace.to_string()),
            ("cf-aig-otel-parent-span-id".to_owned(), span.to_string()),
        ];
        Some((GatewayRequest { id, metadata }, headers))
    }

    async fn exchange(&self, prepared: Prepared, attempt: &Attempt) -> Result<ModelAnswer, Fault> {
        match prepared {
            Prepared::Wire(format, request, form) => {
                attempt.form.set(form);
                let response = self.deployment.send(self.ports, request).await.map_err(fault_of_wire)?;
                self.receive(format, response, attempt).await
            }
            Prepared::Scripted(script) => self.perform_script(script, attempt).await,
        }
    }

    async fn receive(
        &self,
        format: Format,
        mut response: WireResponse,
        attempt: &Attempt,
    ) -> Result<ModelAnswer, Fault> {
        if let Some(gateway) = &mut *attempt.gateway.borrow_mut() {
            gateway.log_id = response.gateway_log_id.take();
        }
        if !(200..300).contains(&response.status) {
            let now = self.ports.now();
            let body = read_for_a_while(self.ports, &mut response.body, ERROR_BODY_BYTES_MAX).await;
            let told = told_headers(&body);
            let wish = wish(response.retry_after.as_deref(), &response.resets, &told, now);
            let form = attempt.form.get();
            attempt
                .other_form
                .set(form.and_then(|form| form.without_what_is_refused(response.status, &body)));
            let fault = fault_of_status(response.status, &body, wish.asked_ms);
            return Err(Fault { retry_after_ms: fault.retry_after_ms.or(wish.anew_ms), ..fault });
        }
        attempt.arrived_at.replace(Rc::clone(&response.arrived_at));
        let mut decoder = Decoder::new(format, response.content_type.as_deref());
        while let Some(chunk) = self.next_chunk(&mut response.body, &decoder, attempt).await {
            let chunk = chunk.map_err(|fault| decoder.broken_off(fault_of_wire(fault)))?;
            self.take_chunk(&mut decoder, &chunk, attempt)?;
            if decoder.has_ended() {
                attempt.whole_at.set(Some(self.arrived_at(attempt)));
                self.read_to_end(response.body).await;
                break;
            }
        }
        self.finish_answer(decoder, attempt)
    }

    /// The next piece of an answer. After its finish reason there may come the usage and an end, but nothing that would be
    /// worth asking for the answer again: neither a connection that is lost there nor one that stays open. Where text followed
    /// the reason the answer goes on, and only the end of its stream makes it whole.
    async fn next_chunk(
        &self,
        body: &mut Body,
        decoder: &Decoder,
        attempt: &Attempt,
    ) -> Option<Result<Vec<u8>, WireFault>> {
        if !decoder.is_whole() {
            // Text may have followed what looked like the end.
            attempt.whole_at.set(None);
            return body.next().await;
        }
        let now = self.ports.now();
        if attempt.whole_at.get().is_none() {
            attempt.whole_at.set(Some(self.arrived_at(attempt)));
        }
        let left_ms = attempt.give_up_at.saturating_sub(now).saturating_sub(COMMIT_MARGIN_MS);
        match select(body.next(), self.ports.sleep(left_ms.min(TRAILER_WAIT_MS_MAX))).await {
            Either::Left((chunk, _)) => chunk.filter(Result::is_ok),
            Either::Right(_) => None,
        }
    }

    /// The answer is whole; a body that is read to its end leaves the connection for the next call. A server that
    /// keeps it open is not waited for.
    async fn read_to_end(&self, mut body: Body) {
        let rest = Box::pin(async move { while let Some(Ok(_)) = body.next().await {} });
        select(rest, self.ports.sleep(CLOSING_MS_MAX)).await;
    }

    /// When the latest piece of an answer arrived.
    fn arrived_at(&self, attempt: &Attempt) -> u64 {
        attempt.arrived_at.borrow().get().unwrap_or_else(|| self.ports.now())
    }

    fn take_chunk(&self, decoder: &mut Decoder, chunk: &[u8], attempt: &Attempt) -> Result<(), Fault> {
        let known = decoder.thoughts().len();
        let text = decoder.push(chunk)?;
        let thoughts = &decoder.thoughts()[known..];
        if !(text.is_empty() && thoughts.is_empty()) && attempt.first_chunk_at.get().is_none() {
            attempt.first_chunk_at.set(Some(self.arrived_at(attempt)));
        }
        let thoughts = attempt.thoughts_sieve.borrow_mut().push_text(thoughts);
        self.publish_text(DeltaKind::Thought, &thoughts, attempt)?;
        let text = attempt.sieve.borrow_mut().push_text(&text);
        self.publish_text(DeltaKind::Answer, &text, attempt)
    }

    /// The answer is whole: what was held back of its texts begins no secret.
    fn finish_answer(&self, decoder: Decoder, attempt: &Attempt) -> Result<ModelAnswer, Fault> {
        let answer = decoder.finish()?;
        let thoughts = attempt.thoughts_sieve.borrow_mut().finish_text();
        self.publish_text(DeltaKind::Thought, &thoughts, attempt)?;
        let rest = attempt.sieve.borrow_mut().finish_text();
        self.publish_text(DeltaKind::Answer, &rest, attempt)?;
        Ok(answer)
    }

    fn publish_text(&self, kind: DeltaKind, text: &str, attempt: &Attempt) -> Result<(), Fault> {
        if !text.is_empty() {
            let bytes_max = attempt.bytes_max;
            if self.live.borrow().bytes(attempt.call) + text.len() > bytes_max {
                let text = format!("an answer of this comparison may have {bytes_max} bytes");
                return Err(Fault::new(FaultKind::TooLarge, text));
            }
            let deltas = self.live.borrow_mut().extend(attempt.call, kind, text);
            deltas.iter().for_each(|delta| self.ports.publish_delta(delta));
        }
        Ok(())
    }

    /// Plays the embedded script, which is no model, through the decoder of a real one.
    async fn perform_script(&self, script: Script, attempt: &Attempt) -> Result<ModelAnswer, Fault> {
        if script.latency_ms > 0 {
            self.ports.sleep(script.latency_ms.into()).await;
        }
        match script.outcome {
            ScriptOutcome::Stream(chunks) => {
                let mut decoder = Decoder::new(Format::Chat, Some("text/event-stream"));
                for chunk in chunks {
                    if script.chunk_ms > 0 {
                        self.ports.sleep(script.chunk_ms.into()).await;
                    }
                    self.take_chunk(&mut decoder, &chunk, attempt)?;
                }
                self.finish_answer(decoder, attempt)
            }
            ScriptOutcome::Status { status, retry_after_s, body } => {
                Err(fault_of_status(status, body.as_bytes(), retry_after_s.map(|s| u64::from(s) * 1_000)))
            }
            ScriptOutcome::Hang => futures::future::pending().await,
            ScriptOutcome::Panic => {
                #[expect(
                    clippy::panic,
                    reason = "the fault that the task asked for, to see the run survive it"
                )]
                {
                    panic!("the scripted model was told to panic")
                }
            }
            ScriptOutcome::ResetObject => {
                self.ports.reset();
                futures::future::pending().await
            }
        }
    }

    /// A server's error may quote the credentials that it was sent, and secrets that somebody put into its address.
    fn without_secrets(&self, mut fault: Fault) -> Fault {
        self.deployment.secrets.fault(&mut fault);
        let message = self.deployment.redaction.text(&fault.message);
        let message = message.chars().take(limits::ERROR_CHARS_MAX).collect();
        Fault { message, ..fault }
    }
}

/// What comes of a body before its limit, its end, or [`ERROR_BODY_MS_MAX`]: the status says enough.
pub(crate) async fn read_for_a_while(clock: &impl Clock, body: &mut Body, bytes_max: usize) -> Vec<u8> {
    let mut read = Vec::new();
    let reading = Box::pin(read_at_most(body, &mut read, bytes_max));
    select(reading, clock.sleep(ERROR_BODY_MS_MAX)).await;
    read
}

/// The first bytes of a body; a body that breaks off gives what had come.
pub(crate) async fn read_at_most(body: &mut Body, read: &mut Vec<u8>, bytes_max: usize) {
    while let Some(Ok(chunk)) = body.next().await {
        let room = bytes_max - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if read.len() == bytes_max {
            break;
        }
    }
}

fn fault_of_wire(fault: WireFault) -> Fault {
    match fault {
        WireFault::Connection(text) => Fault::new(FaultKind::Connection, shorten(&text)),
        WireFault::Unreadable(text) => Fault::new(FaultKind::Malformed, shorten(&text)),
        WireFault::NotConfigured(text) => Fault::new(FaultKind::NotConfigured, shorten(&text)),
        WireFault::Binding(text) => workers_ai::fault_of_binding_error(&text),
    }
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(limits::ERROR_CHARS_MAX).collect()
}
