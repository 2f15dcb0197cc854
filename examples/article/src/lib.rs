//! A Workers AI agent: six turns at most, Continue., DONE, one trace.
