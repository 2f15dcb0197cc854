/// What stands between a server's name and its tool's in the name that a model sees.
pub const NAME_SEPARATOR: &str = "__";

/// The name by which a model is offered a tool: `<server>__<tool>`.
pub fn offered_name(server: &str, tool: &str) -> String {
    format!("{server}{NAME_SEPARATOR}{tool}")
}
