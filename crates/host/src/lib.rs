//! The ports of the agent runtime and the one loop that drives a session.
