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
