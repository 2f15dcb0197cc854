//! An agent runtime for Cloudflare Durable Objects: durable runs, one trace each.
