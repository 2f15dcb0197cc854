//! The gate of a deployment: what its rules, the agent's and the tool's own say of a proposed call. The strictest holds.

use std::rc::Rc;

use longhaul_core::{Judge, OfferJudge, Proposed, Question, Verdict, limits, misfits, told_misfits};
use serde_json::Value;

use crate::{
    agent::Agents,
    config::Config,
    policy::{Policy, strictest},
    tool::{Declared, digest},
};

/// The rules of a deployment, of its agents and of their tools.
pub(crate) struct ToolJudge {
    pub(crate) agents: Rc<Agents>,
    pub(crate) policy: Option<Rc<Policy>>,
    /// How long a person has at most: an idle session is gone after it.
    pub(crate) expires_ms_max: u64,
}

impl Judge for ToolJudge {
    fn judge(&self, proposed: &Proposed<'_>) -> Verdict {
        let tool = self.code_of(proposed);
        let own = match tool {
            Some(tool) => tool.judge(proposed.arguments),
            None if proposed.offer.remote.is_some() => judge_by_schema(proposed),
            // Its code is gone, which the call itself will say.
            None => OfferJudge.judge(proposed),
        };
        let policies = [self.policy.as_deref(), self.agents.policy_of(proposed.agent)];
        let rules = policies.into_iter().flatten().map(|policy| policy.judge(proposed));
        match rules.chain([own]).reduce(strictest) {
            Some(Verdict::Ask(question)) => self.ask(question, tool, proposed.arguments),
            Some(verdict) => verdict,
            None => Verdict::Allow { rule: None },
        }
    }

    fn cost_usd(&self, proposed: &Proposed<'_>) -> Result<Option<f64>, String> {
        let tool = self.code_of(proposed);
        tool.map_or(Ok(None), |tool| tool.cost_usd(proposed.arguments))
    }
}

impl ToolJudge {
    /// The rules of a deployment that has these agents.
    pub(crate) fn new(agents: Rc<Agents>, config: &Config) -> Self {
        Self { agents, policy: config.tool_policy.clone(), expires_ms_max: config.retention_ms }
    }

    /// The tool's code; a server's tool has none here, whatever it is called.
    fn code_of(&self, proposed: &Proposed<'_>) -> Option<&Declared> {
        let is_local = proposed.offer.remote.is_none();
        self.agents.tool(proposed.agent, &proposed.offer.name).filter(|_| is_local)
    }

    /// What a person is asked, and what the tool says of it, whoever asks.
    fn ask(&self, question: Question, tool: Option<&Declared>, arguments: &Value) -> Verdict {
        let Some(digest) = digest(arguments) else {
            return Verdict::Invalid(
                "a whole number beyond 2^53 is not read alike everywhere: send it as a text".to_owned(),
            );
        };
        let expires_ms =
            [question.expires_ms, tool.and_then(|tool| tool.expires_ms)].into_iter().flatten().min();
        Verdict::Ask(Question {
            digest: Some(digest),
            summary: tool.map(|tool| tool.summary_of(arguments)),
            expires_ms: Some(expires_ms.unwrap_or(limits::APPROVAL_MS_DEFAULT).min(self.expires_ms_max)),
            by_another: question.by_another || tool.is_some_and(|tool| tool.by_another),
            ..question
        })
    }
}

/// What the schema of a server's tool says of a call, and whether the server's calls are asked about.
fn judge_by_schema(proposed: &Proposed<'_>) -> Verdict {
    let schema = proposed.offer.parameters.as_ref();
    let found = schema.map_or_else(Vec::new, |schema| misfits(schema, proposed.arguments));
    if found.is_empty() { OfferJudge.judge(proposed) } else { Verdict::Invalid(told_misfits(&found)) }
}

#[cfg(test)]
mod tests {
    use longhaul_core::{Effect, RunId, ToolOffer};
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::{Agent, Tool};

    /// Refunds an order.
    #[derive(Deserialize, JsonSchema)]
    struct Refund {
        order: String,
        cents: u64,
    }

    const HOUR_MS: u64 = 3_600_000;

    fn refund() -> Tool<Refund> {
        Tool::new("refund", |_: Refund, _| async { Ok(()) })
    }

    /// What a deployment's rules, an agent's and a tool's say together.
    fn said(
        deployment: Option<&Value>,
        agent: Option<&Value>,
        tool: Tool<Refund>,
        arguments: Value,
    ) -> Verdict {
        let mut shop = Agent::new("shop").tool(tool);
        if let Some(rules) = agent {
            shop = shop.tool_policy(&rules.to_string());
        }
        let parse = |rules: &Value| Rc::new(Policy::parse("TOOL_POLICY", &rules.to_string()).unwrap());
        let judge = ToolJudge {
            agents: Rc::new(Agents::new([shop])),
            policy: deployment.map(parse),
            expires_ms_max: 100 * HOUR_MS,
        };
        let offer = ToolOffer::new("refund", Effect::Once);
        judge.judge(&Proposed { run: RunId(1), agent: "shop", offer: &offer, arguments: &arguments })
    }

    fn rules(verdict: &str) -> Value {
        json!({"rules": [{"tool": "refund", "verdict": verdict}]})
    }

    fn args() -> Value {
        json!({"order": "7", "cents": 6_000})
    }

    #[test]
    fn the_strictest_of_deployment_agent_and_tool_holds() {
        let words = ["allow", "ask", "deny"];
        for (deployment, agent, tool) in
            (0..3).flat_map(|a| (0..3).flat_map(move |b| (0..2).map(move |c| (a, b, c))))
        {
            let own = if tool == 1 { refund().always_ask() } else { refund() };
            let verdict = said(Some(&rules(words[deployment])), Some(&rules(words[agent])), own, args());
            let found = match &verdict {
                Verdict::Allow { rule } => (0, rule.clone()),
                Verdict::Ask(question) => (1, question.rule.clone()),
                Verdict::Deny { rule, .. } => (2, rule.clone()),
                Verdict::Invalid(wrong) => panic!("{wrong}"),
            };
            let strictest = deployment.max(agent).max(tool);
            let rule = match strictest {
                it if it == deployment => "TOOL_POLICY/rules/0",
                it if it == agent => "shop/rules/0",
                _ => "refund.always_ask",
            };
            assert_eq!(found, (strictest, Some(rule.to_owned())));
        }
    }

    #[test]
    fn whoever_asks_the_person_gets_the_digest_the_summary_and_the_time_of_the_tool() {
        let tool = || refund().summary(|args| format!("Refund {} cents of order {}", args.cents, args.order));
        let Verdict::Ask(asked) = said(Some(&rules("ask")), None, tool(), args()) else {
            panic!("it is asked")
        };
        assert_eq!(asked.summary.as_deref(), Some("Refund 6000 cents of order 7"));
        assert_eq!((asked.digest, asked.by_another), (digest(&args()), false));
        assert_eq!(asked.expires_ms, Some(100 * HOUR_MS), "a week, and the retention before it");
        let quick = tool().expires_in(std::time::Duration::from_secs(3_600)).approved_by_another();
        let rule = json!({"rules": [{"tool": "*", "verdict": "ask", "expires_ms": 2 * HOUR_MS}]});
        let Verdict::Ask(asked) = said(Some(&rule), None, quick, args()) else { panic!("it is asked") };
        assert_eq!((asked.expires_ms, asked.by_another), (Some(HOUR_MS), true));
        let Verdict::Ask(asked) = said(None, Some(&rule), refund(), args()) else { panic!("it is asked") };
        assert_eq!(asked.expires_ms, Some(2 * HOUR_MS));
        assert_eq!(asked.summary.as_deref(), Some("refund {\"cents\":6000,\"order\":\"7\"}"));
    }

    #[test]
    fn a_summary_hides_nothing_and_fails_nothing() {
        let summary = |tool: Tool<Refund>, order: &str| match said(
            Some(&rules("ask")),
            None,
            tool,
            json!({"order": order, "cents": 1}),
        ) {
            Verdict::Ask(question) => question.summary.unwrap(),
            other => panic!("{other:?}"),
        };
        let plain = || refund().summary(|args| args.order.clone());
        assert_eq!(
            summary(plain(), "7\u{202e}\n8\u{200b}\u{e0041}é👍"),
            "7\\u{202e}\\u{a}8\\u{200b}\\u{e0041}é👍"
        );
        assert_eq!(summary(plain(), &"x".repeat(400)), "x".repeat(limits::SUMMARY_CHARS_MAX) + "…");
        let broken = refund().summary(|_| panic!("a mistake"));
        assert_eq!(summary(broken, "7\u{202e}"), "refund {\"cents\":1,\"order\":\"7\\u{202e}\"}");
    }

    #[test]
    fn arguments_that_do_not_fit_are_told_before_any_rule_speaks() {
        let wrong = json!({"order": "7"});
        assert!(matches!(said(Some(&rules("deny")), None, refund(), wrong), Verdict::Invalid(_)));
        let large = json!({"order": "7", "cents": 1_u64 << 53});
        assert!(matches!(said(Some(&rules("ask")), None, refund(), large.clone()), Verdict::Invalid(_)));
        assert_eq!(said(None, None, refund(), large), Verdict::Allow { rule: None });
    }
}
