//! Whether what a project names is there: providers, MCP servers and sinks. A probe says nothing and offers no key: what it
//! shows is that somebody answers, and in which words.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use super::{Finding, bad, good, warning};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Something that the project names.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// The variable, and what it is for.
    what: String,
    url: String,
    /// An empty request of OTLP, which has no span in it; else a GET.
    is_otlp: bool,
}

/// Asks each of what these variables name, from this machine.
pub(super) fn findings(vars: &[(String, String)]) -> Vec<Finding> {
    let config =
        Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(TIMEOUT));
    let agent: Agent = config.build().into();
    places(vars).iter().map(|place| finding(&agent, place)).collect()
}

fn places(vars: &[(String, String)]) -> Vec<Place> {
    let var = |name: &str| {
        vars.iter()
            .rev()
            .find(|(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    };
    let mut places = Vec::new();
    let mut add = |what: String, url: String, is_otlp| places.push(Place { what, url, is_otlp });
    for name in ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"] {
        if let Some(url) = var(name) {
            add(format!("the provider of {name}"), format!("{}/models", url.trim_end_matches('/')), false);
        }
    }
    for (long, kind, key) in
        [("PROVIDERS", "the provider", "base_url"), ("MCP_SERVERS", "the MCP server", "url")]
    {
        let parts = (2..=9).map(|n| format!("{long}_{n}"));
        let text: String =
            std::iter::once(long.to_owned()).chain(parts).filter_map(|name| var(&name)).collect();
        let servers: Value = serde_json::from_str(&text).unwrap_or_default();
        for (name, server) in servers.as_object().into_iter().flatten() {
            if let Some(url) = server[key].as_str() {
                add(format!("{kind} {name}"), url.to_owned(), false);
            }
        }
    }
    let full = var("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").map(str::to_owned);
    let base = || Some(format!("{}/v1/traces", var("OTEL_EXPORTER_OTLP_ENDPOINT")?.trim_end_matches('/')));
    if let Some(url) = full.or_else(base) {
        add("the OTLP sink".to_owned(), url, true);
    }
    if let Some(url) = var("NEXUS_URL") {
        add("the Nexus sink".to_owned(), url.to_owned(), false);
    }
    if let Some(url) = var("WEBHOOK_URL") {
        add("the webhook".to_owned(), url.to_owned(), false);
    }
    places
}

fn finding(agent: &Agent, Place { what, url, is_otlp }: &Place) -> Finding {
    let asked = if *is_otlp {
        agent.post(url).header("content-type", "application/json").send("{\"resourceSpans\":[]}")
    } else {
        agent.get(url).call()
    };
    let shown = url.split('?').next().unwrap_or(url);
    match asked.map(|answer| answer.status().as_u16()) {
        Ok(status) => said(what, shown, status, *is_otlp),
        Err(error) => bad(format!("{what} does not answer at {shown}, asked from this machine: {error}")),
    }
}

/// What an answer to nothing means.
fn said(what: &str, url: &str, status: u16, is_otlp: bool) -> Finding {
    match status {
        401 | 403 => good(format!("{what} answers, and wants a key ({status})")),
        404 if is_otlp => {
            bad(format!("{what} answers that there is nothing at {url} (404): is the path right?"))
        }
        // A GET is not what it is for.
        200..=499 => good(format!("{what} answers ({status})")),
        _ => warning(format!("{what} answers with an error of its own ({status})")),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::{super::Health, *};

    fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn everything_that_is_named_is_asked() {
        let found = places(&vars(&[
            ("OPENAI_BASE_URL", "http://o/v1/"),
            ("PROVIDERS", r#"{"groq": {"base_url": "http://g"}}"#),
            ("MCP_SERVERS", r#"{"crm": {"url": "http://m"}}"#),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://t"),
            ("NEXUS_URL", "http://n"),
            ("WEBHOOK_URL", "http://w"),
            ("WEBHOOK_URL", "http://later"),
        ]));
        let urls: Vec<&str> = found.iter().map(|place| place.url.as_str()).collect();
        assert_eq!(
            urls,
            ["http://o/v1/models", "http://g", "http://m", "http://t/v1/traces", "http://n", "http://later"]
        );
        assert!(places(&vars(&[("WEBHOOK_URL", ""), ("PROVIDERS", "{")])).is_empty());
    }

    #[test]
    fn an_answer_is_told_in_words_and_nothing_is_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let mut asked = Vec::new();
            for status in ["401 Unauthorized", "404 Not Found", "500 Oops"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 2048];
                let mut text = String::new();
                while !text.contains("\r\n\r\n") {
                    let count = stream.read(&mut head).unwrap();
                    text += &String::from_utf8_lossy(&head[..count]);
                }
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .unwrap();
                asked.push(text);
            }
            asked
        });
        let named = [
            ("NEXUS_URL", url.as_str()),
            ("NEXUS_API_KEY", "hush"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("OTEL_EXPORTER_OTLP_HEADERS", "k=hush"),
            ("WEBHOOK_URL", &url),
        ];
        let found = findings(&vars(&named));
        let healths: Vec<Health> = found.iter().map(|it| it.health).collect();
        // In the order of the places: OTLP, Nexus, the webhook.
        assert_eq!(healths, [Health::Good, Health::Good, Health::Warning], "{:?}", found[0].what);
        assert!(found[0].what.contains("wants a key (401)") && found[2].what.contains("the webhook"));
        for text in asked.join().unwrap() {
            assert!(!text.contains("hush"), "{text}");
        }
        assert_eq!(said("a", "u", 404, true).health, Health::Bad);
        let nobody = findings(&vars(&[("NEXUS_URL", "http://127.0.0.1:1")]));
        assert!(nobody[0].health == Health::Bad && nobody[0].what.contains("asked from this machine"));
    }
}
