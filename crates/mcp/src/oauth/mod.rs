//! OAuth 2.1, as far as a client of MCP servers needs it.
