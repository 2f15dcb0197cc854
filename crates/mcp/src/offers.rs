//! What of a server's list a run is offered.

use longhaul_core::{Dropped, Effect, Listed, Remote, ToolOffer, limits::APPROVAL_MS_DEFAULT};
use sha2::{Digest, Sha256};

use crate::{
    client::{Definition, Listing},
    limits::DEFINITIONS_BYTES_MAX,
    names::offered_name,
    servers::Server,
};

/// The tools that runs are offered of a server's list. `changed` has the names of those that are not what the tenant saw last.
pub fn offers(server: &Server, listing: Listing, changed: Vec<String>) -> Listed {
    let mut listed = Listed { changed, ..Listed::default() };
    let dropped = listing.dropped.into_iter().map(|(name, why)| Dropped { name, why });
    listed.dropped = dropped.collect();
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    for tool in listing.tools {
        hash.update(tool.digest.as_bytes());
        let size = tool.input_schema.to_string().len() + tool.description.as_ref().map_or(0, String::len);
        let why = if !server.offers(&tool.name) {
            Some("the deployment does not offer it")
        } else if server.pin && listed.changed.contains(&tool.name) {
            Some("it changed under the same name, and the deployment pins this server's tools")
        } else if bytes + size > DEFINITIONS_BYTES_MAX {
            Some("the server's tools are too long together")
        } else {
            None
        };
        match why {
            Some(why) => listed.dropped.push(Dropped { name: tool.name, why: why.to_owned() }),
            None => {
                bytes += size;
                listed.tools.push(offer(server, tool));
            }
        }
    }
    listed.digest = Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
    listed
}

fn offer(server: &Server, tool: Definition) -> ToolOffer {
    let name = offered_name(&server.name, &tool.name);
    let offer = ToolOffer::new(name, effect_of(server, &tool));
    let Definition { name: tool, description, input_schema, extra, digest, .. } = tool;
    ToolOffer {
        description,
        parameters: Some(input_schema),
        approval_ms: server.asks.then_some(APPROVAL_MS_DEFAULT),
        remote: Some(Box::new(Remote { server: server.name.clone(), tool, extra, digest })),
        ..offer
    }
}

/// What a crash may do to calls of a tool: what the deployment says, else what a server says that it trusts, else the worst.
fn effect_of(server: &Server, tool: &Definition) -> Effect {
    let declared = server.effects.iter().find(|(name, _)| *name == tool.name);
    match declared {
        Some((_, effect)) => *effect,
        None if server.trust && tool.is_read_only => Effect::Read,
        None if server.trust && tool.is_idempotent => Effect::Idempotent,
        None => Effect::Once,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(name: &str) -> Definition {
        Definition {
            name: name.to_owned(),
            input_schema: json!({"type": "object"}),
            digest: format!("digest of {name}"),
            ..Definition::default()
        }
    }

    fn listed(server: &Server, tools: Vec<Definition>, changed: &[&str]) -> (Vec<ToolOffer>, Vec<String>) {
        let listing = Listing { tools, dropped: vec![("odd".to_owned(), "why".to_owned())], ttl_ms: None };
        let listed = offers(server, listing, changed.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(listed.changed, changed);
        (listed.tools, listed.dropped.into_iter().map(|it| it.name).collect())
    }

    #[test]
    fn an_effect_is_the_deployments_word_then_a_trusted_servers_and_else_once() {
        let mut server = Server::new("crm", "https://h/mcp");
        server.effects = vec![("say".to_owned(), Effect::Idempotent)];
        let tools = || {
            let read = Definition { is_read_only: true, is_idempotent: true, ..definition("look") };
            vec![definition("say"), read, Definition { is_idempotent: true, ..definition("set") }]
        };
        let effects =
            |server: &Server| listed(server, tools(), &[]).0.iter().map(|it| it.effect).collect::<Vec<_>>();
        assert_eq!(effects(&server), [Effect::Idempotent, Effect::Once, Effect::Once]);
        server.trust = true;
        assert_eq!(effects(&server), [Effect::Idempotent, Effect::Read, Effect::Idempotent]);
    }

    #[test]
    fn what_is_denied_pinned_or_too_long_is_left_out_by_name() {
        let mut server = Server::new("crm", "https://h/mcp");
        server.deny = vec!["*_all".to_owned()];
        let tools = || vec![definition("erase_all"), definition("look"), definition("set")];
        let (offered, dropped) = listed(&server, tools(), &["look"]);
        let names = |offered: &[ToolOffer]| offered.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&offered), ["crm__look", "crm__set"]);
        assert_eq!(dropped, ["odd", "erase_all"]);
        server.pin = true;
        let (offered, dropped) = listed(&server, tools(), &["look"]);
        assert_eq!((names(&offered), dropped.len()), (vec!["crm__set".to_owned()], 3));
        let long = |name: &str| Definition {
            description: Some("x".repeat(DEFINITIONS_BYTES_MAX / 2)),
            ..definition(name)
        };
        let (offered, dropped) = listed(&server, vec![long("a"), long("b"), definition("c")], &[]);
        assert_eq!(
            (names(&offered), dropped),
            (vec!["crm__a".to_owned(), "crm__c".to_owned()], vec!["odd".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn an_offer_says_where_its_tool_is_and_whether_a_person_is_asked() {
        let mut server = Server::new("crm", "https://h/mcp");
        server.asks = true;
        let (offered, _) = listed(&server, vec![definition("look")], &[]);
        let remote = offered[0].remote.as_ref().unwrap();
        assert_eq!((remote.server.as_str(), remote.tool.as_str()), ("crm", "look"));
        assert_eq!(offered[0].approval_ms, Some(APPROVAL_MS_DEFAULT));
    }
}
