//! The deployable Worker: the fetch event and the shell of the Session object.
