//! debpoint as its users meet it: the command, its server, real apt.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

mod support;

mod apt;
mod architecture;
mod cli;
mod clients;
mod content_server;
mod dated;
mod demo;
mod durability;
mod mirror;
mod pulp;
mod signatures;
mod sync;
