//! What operators read in the log of what a session has stored: how each run ended, and what a sink did not take. No line
//! has a text of people or models.

use longhaul_core::{
    DeliveryState, Entry, INDEX_SINK, Record, Run, RunStatus, Seq, Session, TimeMs, WEBHOOK_SINK,
};
use longhaul_trace::{iso8601, trace_id};

use crate::{
    deployment::{Deployment, NEXUS_SINK, OTLP_SINK},
    ports::Ports,
    runtime::Runtime,
};

/// An event of the level that its run's end deserves.
macro_rules! ended {
    ($level:ident, $($fields:tt)*) => {
        tracing::$level!(parent: None, $($fields)*, "the run ended")
    };
}

impl<P: Ports> Runtime<P> {
    /// Says of new records which runs they end, and what a sink did not take.
    pub(crate) fn report(&self, session: &Session, records: &[Record]) {
        for record in records {
            match &record.entry {
                Entry::RunEnded { .. } => {
                    if let Some(run) = session.run(record.run) {
                        self.report_end(session, run);
                    }
                }
                Entry::TraceFailed { sink, status, attempt, retry_at, event } => {
                    let host = host(&self.deployment, sink);
                    let said = trouble((sink, host, *event), *status, *attempt, *retry_at);
                    let session = &self.deployment.session;
                    tracing::warn!(parent: None, session, run = record.run.0, sink, host, "{said}");
                }
                Entry::RunAccepted { .. }
                | Entry::ModelCalled { .. }
                | Entry::ModelAnswered { .. }
                | Entry::ModelFailed { .. }
                | Entry::ToolCalled { .. }
                | Entry::ToolAnswered { .. }
                | Entry::ToolFailed { .. }
                | Entry::ToolsListed { .. }
                | Entry::ToolPending { .. }
                | Entry::ApprovalRequested { .. }
                | Entry::ApprovalResolved { .. }
                | Entry::RunResumed { .. }
                | Entry::RunSteered { .. }
                | Entry::CancelRequested { .. }
                | Entry::TraceSent { .. }
                | Entry::TraceFlushed { .. } => {}
            }
        }
    }

    /// Says again what a process may have died over: of each run whose end nobody outside has been told of.
    pub(crate) fn report_untold(&self, session: &Session) {
        let is_untold = |run: &&Run| {
            let first = run.deliveries.get(INDEX_SINK).or_else(|| run.deliveries.values().next());
            !run.is_imported
                && first.is_some_and(|it| it.attempts == 0 && matches!(it.state, DeliveryState::Due(_)))
        };
        session.runs().iter().filter(is_untold).for_each(|run| self.report_end(session, run));
    }

    fn report_end(&self, session: &Session, run: &Run) {
        let (Some(ending), Some(ended_at)) = (run.ending(), run.ended_at) else { return };
        let object = &self.deployment.object_name;
        let tenant = object.split_once('/').map_or("", |(tenant, _)| tenant);
        let trace = trace_id(self.deployment.origin(session), run.id).to_string();
        let session = &self.deployment.session;
        let status = match ending.status {
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Succeeded => "succeeded",
        };
        let (stop_reason, usage) = (ending.stop_reason.as_str(), &run.usage);
        let error = ending.error.as_ref().map(|error| error.code.as_str());
        let (agent, model) = (run.spec.agent.as_str(), run.spec.model.as_str());
        let ms = ended_at.saturating_sub(run.accepted_at);
        let (tokens, cost_usd) = (usage.total_tokens, usage.cost_usd);
        let run = run.id.0;
        if ending.status == RunStatus::Failed {
            ended!(
                error,
                status,
                stop_reason,
                error,
                model,
                ms,
                cost_usd,
                tokens,
                trace,
                session,
                run,
                tenant,
                agent
            );
        } else {
            ended!(
                info,
                status,
                stop_reason,
                error,
                model,
                ms,
                cost_usd,
                tokens,
                trace,
                session,
                run,
                tenant,
                agent
            );
        }
    }
}

/// What a sink did with a delivery, as a sentence.
fn trouble(
    (sink, host, event): (&str, Option<&str>, Option<Seq>),
    status: Option<u16>,
    attempt: u32,
    retry_at: Option<TimeMs>,
) -> String {
    let at = host.map(|host| format!(" at {host}")).unwrap_or_default();
    let what = event.map(|event| format!(" to event {event}")).unwrap_or_default();
    let answer = match status {
        Some(status) => format!("answered {status}{what}"),
        None => format!("took nothing{what}: it did not answer, or is not configured"),
    };
    let times = if attempt == 1 { "once".to_owned() } else { format!("{attempt} times") };
    match retry_at {
        Some(next) => format!("{sink}{at} {answer}; tried {times}, next at {}", iso8601(next)),
        None => format!("{sink}{at} {answer}; tried {times}, given up"),
    }
}

/// The host that a sink is at; never its path, which may be a secret.
fn host<'a>(deployment: &'a Deployment, sink: &str) -> Option<&'a str> {
    let url = match sink {
        OTLP_SINK => deployment.otlp.as_ref()?.url(),
        NEXUS_SINK => deployment.nexus.as_ref()?.url(),
        WEBHOOK_SINK => deployment.webhook.as_ref()?.url(),
        _ => return None,
    };
    Some(host_of(url))
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_with_the_host_and_the_next_try() {
        let otlp = ("otlp", Some("otel.example.com"), None);
        assert_eq!(
            trouble(otlp, Some(503), 3, Some(0)),
            "otlp at otel.example.com answered 503; tried 3 times, next at 1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            trouble(("webhook", Some("h:1"), Some(Seq(7))), Some(410), 1, None),
            "webhook at h:1 answered 410 to event 7; tried once, given up"
        );
        assert_eq!(
            trouble(("index", None, None), None, 2, None),
            "index took nothing: it did not answer, or is not configured; tried 2 times, given up"
        );
    }

    #[test]
    fn a_host_has_no_path_and_no_password() {
        for (url, host) in [
            ("https://otel.example.com/v1/traces?key=s", "otel.example.com"),
            ("http://u:p@127.0.0.1:4318", "127.0.0.1:4318"),
            ("https://h?key=s", "h"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
