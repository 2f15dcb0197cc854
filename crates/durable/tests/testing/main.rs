//! The test kit, used as a project uses it: on agents of its own, natively.

mod deaths;
mod faults;
mod guide;
mod people;
mod shop;
mod world;
