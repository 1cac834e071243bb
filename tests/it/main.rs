//! debpoint as its users meet it: the command, its server, real apt.

#![allow(unreachable_pub)]

mod support;

mod apt;
mod architecture;
mod cli;
mod content_server;
mod dated;
mod demo;
mod durability;
mod signatures;
mod sync;
