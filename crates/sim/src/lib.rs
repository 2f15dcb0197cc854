//! Fakes with fault switches and a scripted world, to test the runtime natively.
