//! The core held against its promises, on every database that is there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

mod accounts;
mod checkpoints;
mod concurrency;
mod distributions;
mod pages;
mod past;
mod stores;
mod tasks;
mod versions;

use std::sync::Arc;

use checkpoint_testkit::conformance::{self, Samples};
use checkpoint_testkit::fake::{FakePlugin, note};

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_plugin_conforms() {
    let samples = Samples {
        thing: [("a", note("a", 1)), ("a", note("a", 2))],
        other: ("b", note("b", 1)),
        invalid: vec![("long", b"three words here".to_vec()), ("empty", Vec::new())],
    };
    conformance::run(Arc::new(FakePlugin::default()), samples).await;
}
