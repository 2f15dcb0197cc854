//! Provider formats as pure codecs: a request to bytes, bytes to a model output.
