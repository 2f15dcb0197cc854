//! Webhooks as they are sent, a line of JSON each: `cargo run -p longhaul-trace --example webhooks -- FILE`. Somebody else's
//! code checks their signatures.

use std::{fs::File, io::Write, time::SystemTime};

use longhaul_core::{Life, Run, Seq, decode_row};
use longhaul_trace::{Capture, Origin, WebhookConfig, webhook_id};
use serde_json::json;

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="];
const ROW: &str = r#"[
    {"type":"run.accepted","at":0,"run":1,"task":"Pay.","agent":"shop","model":"m","max_iterations":6,"metadata":{},
     "settings":{"sentinel":"DONE","model_timeout_ms":1}},
    {"type":"approval.requested","at":1000,"run":1,"call":2,"tool":"pay","arguments":{"to":"潮 \"low\"\n"},"digest":"d1",
     "expires_at":2000,"tool_call_id":"c"},
    {"type":"run.ended","at":3000,"run":1,"status":"succeeded","stop_reason":"done","result":"Paid. ✓","error":null,
     "usage":{},"iterations":2}
]"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name the file to write")?;
    #[expect(clippy::disallowed_methods, reason = "receivers refuse what is not of now")]
    let now = SystemTime::now();
    let now = u64::try_from(now.duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?;
    let records = decode_row(Seq(1), ROW)?;
    let run = records.first().and_then(Run::accepted).ok_or("the first record accepts a run")?;
    let origin = Origin { object: "acme/s1", life: Some(Life(7)) };
    let mut file = File::create(path)?;
    for secrets in [SECRETS[0].to_owned(), SECRETS.join(" ")] {
        let lookup = |name: &str| match name {
            "WEBHOOK_URL" => Some("https://example.com/hook".to_owned()),
            "WEBHOOK_SECRET" => Some(secrets.clone()),
            _ => None,
        };
        let config = WebhookConfig::parse(&lookup).ok().flatten().ok_or("it is configured")?;
        for record in &records {
            let Some(body) = config.body(origin, &run.spec, record, Capture::Full) else { continue };
            let headers = config.headers(&webhook_id(origin, record.seq), now, &body);
            let headers: serde_json::Map<_, _> =
                headers.into_iter().map(|(name, value)| (name, value.into())).collect();
            let secrets: Vec<&str> = secrets.split(' ').collect();
            let line = json!({"secrets": secrets, "headers": headers, "body": String::from_utf8(body)?});
            writeln!(file, "{line}")?;
        }
    }
    Ok(())
}
