//! The file plugin held against the conformance suite.

use checkpoint_core::plugin::Registry;
use checkpoint_testkit::conformance::{self, Samples};

#[tokio::test(flavor = "multi_thread")]
async fn the_file_plugin_conforms() {
    let mut registry = Registry::default();
    checkpoint_file::register(&mut registry);
    let samples = Samples {
        thing: [("1.iso", b"first".to_vec()), ("1.iso", b"second".to_vec())],
        other: ("mit leer & ä+.iso", b"other".to_vec()),
        invalid: vec![("a\\b.iso", b"a backslash".to_vec())],
    };
    conformance::run(registry.get("file").unwrap(), samples).await;
}
