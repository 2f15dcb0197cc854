//! `tools/list`, page by page.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    Client, Definition, Failure, Listing,
    era::Rpc,
    headers,
    rpc::{Said, shown},
};
use crate::{
    limits::{DEFINITION_BYTES_MAX, LISTED_MAX, PAGES_MAX, TOOL_NAME_BYTES_MAX},
    wire::Wire,
};

pub(super) async fn list<W: Wire>(client: &Client<'_, W>) -> Result<Listing, Failure> {
    let mut listing = Listing::default();
    let mut cursor: Option<String> = None;
    for page in 0..PAGES_MAX {
        let mut params = Map::new();
        params.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor.into())));
        let rpc = Rpc { method: "tools/list", params, name: None, headers: Vec::new(), traceparent: None };
        let result = match client.request(&rpc).await {
            Said::Result(result) => result,
            said => return Err(failed(said)),
        };
        let Some(tools) = result["tools"].as_array() else {
            return Err(Failure::Permanent(
                "the server lists no tools: its answer has no \"tools\"".to_owned(),
            ));
        };
        if page == 0 {
            listing.ttl_ms = result["ttlMs"].as_u64();
        }
        for tool in tools {
            if listing.tools.len() + listing.dropped.len() >= LISTED_MAX {
                let why =
                    format!("the server has more than {LISTED_MAX} tools: what comes after them is left out");
                listing.dropped.push(("*".to_owned(), why));
                return Ok(listing);
            }
            take(&mut listing, tool, client.has_sessions());
        }
        match result["nextCursor"].as_str() {
            None => return Ok(listing),
            Some(next) => cursor = Some(next.to_owned()),
        }
    }
    let why =
        format!("the server has more than {PAGES_MAX} pages of tools: what comes after them is left out");
    listing.dropped.push(("*".to_owned(), why));
    Ok(listing)
}

fn failed(said: Said) -> Failure {
    match said {
        Said::Unauthorized(challenge) => Failure::Unauthorized(challenge),
        Said::Busy { message, after_ms } => {
            Failure::Transient(format!("the server is busy: {message}"), after_ms)
        }
        Said::Lost(why) => Failure::Transient(format!("the server did not answer: {why}"), None),
        Said::Nonsense(why) => {
            Failure::Permanent(format!("the server is no MCP server, or a broken one: {why}"))
        }
        Said::Refused { message, .. } => Failure::Permanent(format!("the server refuses: {message}")),
        Said::Error { code, message, .. } => {
            Failure::Permanent(format!("the server refuses ({code}): {message}"))
        }
        Said::Result(_) | Said::Asked(_) | Said::Taken => {
            Failure::Permanent("the server answered what was not asked".to_owned())
        }
    }
}

/// Takes a tool into the list, or says why not.
fn take(listing: &mut Listing, tool: &Value, has_sessions: bool) {
    let name = tool["name"].as_str().unwrap_or_default();
    let read = if name.is_empty() || name.len() > TOOL_NAME_BYTES_MAX {
        Err(format!("its name has not 1 to {TOOL_NAME_BYTES_MAX} bytes"))
    } else if listing.tools.iter().any(|known| known.name == name) {
        Err("another tool of the server has this name".to_owned())
    } else {
        definition(tool, name, has_sessions)
    };
    match read {
        Ok(definition) => listing.tools.push(definition),
        Err(why) => {
            let name = shown(&name[..name.floor_char_boundary(TOOL_NAME_BYTES_MAX)]);
            listing.dropped.push((name, why));
        }
    }
}

fn definition(tool: &Value, name: &str, has_sessions: bool) -> Result<Definition, String> {
    let whole = tool.to_string();
    if whole.len() > DEFINITION_BYTES_MAX {
        return Err(format!("its definition has more than {DEFINITION_BYTES_MAX} bytes"));
    }
    let input_schema = tool["inputSchema"].clone();
    if !input_schema.is_object() || input_schema["type"] != "object" {
        return Err("the schema of its arguments is none of an object".to_owned());
    }
    let mut extra = Map::new();
    if has_sessions {
        extra.insert("sessions".to_owned(), true.into());
    } else {
        let headers = headers::annotations(&input_schema)?;
        extra.extend((!headers.is_empty()).then(|| ("headers".to_owned(), headers.into())));
    }
    if tool["outputSchema"].is_object() {
        extra.insert("output".to_owned(), tool["outputSchema"].clone());
    }
    let text = |field: &Value| field.as_str().map(shown).filter(|text| !text.is_empty());
    let title = text(&tool["title"]).or_else(|| text(&tool["annotations"]["title"]));
    let description = match (title, text(&tool["description"])) {
        (Some(title), Some(said)) if title != said => Some(format!("{title}. {said}")),
        (title, said) => said.or(title),
    };
    let hint = |name: &str| tool["annotations"][name] == true;
    Ok(Definition {
        name: name.to_owned(),
        description,
        input_schema,
        is_read_only: hint("readOnlyHint"),
        is_idempotent: hint("idempotentHint"),
        extra: if extra.is_empty() { json!(null) } else { extra.into() },
        // The keys of an object are in order.
        digest: Sha256::digest(whole.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
