//! End to end tests, by topic. Each test has a workerd, a model server and an OTLP receiver of its own.

mod access;
mod budgets;
mod cancel;
mod compare;
mod durability;
mod examples;
mod faults;
mod gateway;
mod happy;
mod hooks;
mod index;
mod index_queries;
mod input;
mod limits;
mod matrix;
mod nexus;
mod openapi;
mod privacy;
mod sink;
mod stream;
