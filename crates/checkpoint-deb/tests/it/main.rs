//! The Debian plugin held against the conformance suite.

use checkpoint_core::plugin::Registry;
use checkpoint_testkit::conformance::{self, Samples};
use checkpoint_testkit::debs::{deb, deb_with};

#[tokio::test(flavor = "multi_thread")]
async fn the_deb_plugin_conforms() {
    let mut registry = Registry::default();
    checkpoint_deb::register(&mut registry);
    let whole = deb("whole", "1");
    let samples = Samples {
        thing: [("a.deb", deb("hello", "1:1.0~rc1-1")), ("b.deb", deb("hello", "1:1.0-1"))],
        other: ("c.deb", deb_with("other", "2", "amd64", "")),
        invalid: vec![
            ("empty.deb", Vec::new()),
            ("text.deb", b"this is not a package".to_vec()),
            ("cut.deb", whole[..whole.len() - 10].to_vec()),
        ],
    };
    conformance::run(registry.get("deb").unwrap(), samples).await;
}
