//! An agent of one's own: it writes haiku.
