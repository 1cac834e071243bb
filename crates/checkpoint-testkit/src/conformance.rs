//! What every plugin owes the core, as a suite to run against each.

use std::collections::BTreeMap;
use std::sync::Arc;

use checkpoint_core::Kind;
use checkpoint_core::engine::{Resolution, Resolver};
use checkpoint_core::plugin::Plugin;
use checkpoint_core::time::Timestamp;

use crate::engine::TestEngine;

/// Files to try a plugin with.
pub struct Samples {
    /// A file, and the same thing in a newer version (or, where things have no versions, with other bytes).
    pub thing: [(&'static str, Vec<u8>); 2],
    /// A file of another thing.
    pub other: (&'static str, Vec<u8>),
    /// Files that are not content of this kind.
    pub invalid: Vec<(&'static str, Vec<u8>)>,
}

/// Runs the whole suite.
pub async fn run(plugin: Arc<dyn Plugin>, samples: Samples) {
    declares_itself_well(&*plugin);
    let test = TestEngine::new(plugin).await;
    let suite = Suite { test, samples };
    suite.an_empty_repository_can_be_published().await;
    suite.what_is_invalid_is_refused_and_changes_nothing().await;
    suite.the_same_file_again_changes_nothing().await;
    suite.every_checkpoint_keeps_its_bytes().await;
    suite.publishing_twice_differs_in_time_only().await;
    suite.changes_are_told_apart().await;
    suite.a_client_is_told_the_url().await;
}

fn declares_itself_well(plugin: &dyn Plugin) {
    let declaration = plugin.declaration();
    assert!(!declaration.about.is_empty());
    declaration.repository.check("repository", &serde_json::json!({})).expect("every option has a default");
    declaration.publication.check("publication", &serde_json::json!({})).expect("every option has a default");
    let unknown = serde_json::json!({ "no such option": 1 });
    assert!(declaration.repository.check("repository", &unknown).is_err(), "unknown options are refused");
    for content in &declaration.content {
        let prefix = format!("{}.", declaration.name);
        assert!(content.name.starts_with(&prefix), "{} begins with the plugin's name", content.name);
        content.upload.check("upload", &serde_json::json!({})).expect("every option has a default");
    }
    let kinds = [Some(&declaration.repository), Some(&declaration.publication), declaration.remote.as_ref()];
    let described =
        |(name, description): (String, String)| assert!(!description.is_empty(), "{name} is described");
    kinds.into_iter().flatten().flat_map(|kind| kind.fields()).for_each(described);
}

struct Suite {
    test: TestEngine,
    samples: Samples,
}

impl Suite {
    async fn an_empty_repository_can_be_published(&self) {
        let name = self.test.repository("empty").await;
        let publication = self.test.publish(&name, true).await;
        let resolver = Resolver::new(self.test.engine.clone());
        let page = resolver.resolve(&format!("empty/dated/{}/", publication.time)).await.unwrap();
        assert!(matches!(page, Resolution::Directory(_)), "{page:?}");
    }

    async fn what_is_invalid_is_refused_and_changes_nothing(&self) {
        let name = self.test.repository("invalid").await;
        let (good, bytes) = (self.samples.other.0, &self.samples.other.1);
        for (file, invalid) in &self.samples.invalid {
            let error = self.test.add(&name, &[(good, bytes), (file, invalid)], &[]).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{file}: {error}");
            assert!(error.to_string().contains(file), "the sentence names the file: {error}");
        }
        assert_eq!(self.test.engine.repository(&name).await.unwrap().latest_version, 0);
    }

    async fn the_same_file_again_changes_nothing(&self) {
        let name = self.test.repository("again").await;
        let (file, bytes) = (self.samples.other.0, &self.samples.other.1);
        let first = self.test.add(&name, &[(file, bytes)], &[]).await.unwrap();
        let second = self.test.add(&name, &[(file, bytes)], &[]).await.unwrap();
        assert_eq!((first.version, first.added), (1, 1));
        assert_eq!((second.version, second.added, second.removed), (1, 0, 0));
    }

    /// Adds the first version, makes a checkpoint, adds the second one and the other thing, makes another.
    async fn two_checkpoints(&self, name: &str) -> [Timestamp; 2] {
        let name = self.test.repository(name).await;
        let [old, new] = &self.samples.thing;
        self.test.add(&name, &[(old.0, &old.1)], &[]).await.unwrap();
        let first = self.test.publish(&name, true).await.time;
        let other = &self.samples.other;
        self.test.add(&name, &[(new.0, &new.1), (other.0, &other.1)], &[]).await.unwrap();
        [first, self.test.publish(&name, true).await.time]
    }

    async fn every_checkpoint_keeps_its_bytes(&self) {
        let name = self.test.repository("kept").await;
        let resolver = Resolver::new(self.test.engine.clone());
        let [old, new] = &self.samples.thing;
        self.test.add(&name, &[(old.0, &old.1)], &[]).await.unwrap();
        let first = self.test.publish(&name, true).await.time;
        let before = self.tree(&resolver, &format!("kept/dated/{first}/")).await;
        assert!(before.values().any(|bytes| *bytes == old.1), "the file itself is published");
        let other = &self.samples.other;
        self.test.add(&name, &[(new.0, &new.1), (other.0, &other.1)], &[]).await.unwrap();
        let second = self.test.publish(&name, true).await.time;
        let fresh = Resolver::new(self.test.engine.clone());
        for resolver in [&resolver, &fresh] {
            assert_eq!(self.tree(resolver, &format!("kept/dated/{first}/")).await, before);
        }
        let after = self.tree(&resolver, &format!("kept/dated/{second}/")).await;
        assert!(after.values().any(|bytes| *bytes == new.1) && after.values().any(|bytes| *bytes == other.1));
        assert_eq!(self.tree(&resolver, "kept/live/").await, after, "the newest is live");
        for path in after.keys().filter(|path| !before.contains_key(*path)) {
            let early = resolver.resolve(&format!("kept/dated/{first}/{path}")).await.unwrap();
            assert!(matches!(early, Resolution::NotFound(_)), "{path} leaks into the first checkpoint");
        }
    }

    async fn publishing_twice_differs_in_time_only(&self) {
        let name = self.test.repository("twice").await;
        let other = &self.samples.other;
        self.test.add(&name, &[(other.0, &other.1)], &[]).await.unwrap();
        let first = self.test.publish(&name, true).await;
        let second = self.test.publish(&name, true).await;
        assert_eq!(first.version, second.version);
        let resolver = Resolver::new(self.test.engine.clone());
        let first = self.tree(&resolver, &format!("twice/dated/{}/", first.time)).await;
        let second = self.tree(&resolver, &format!("twice/dated/{}/", second.time)).await;
        assert!(first.keys().eq(second.keys()));
    }

    async fn changes_are_told_apart(&self) {
        let [first, second] = self.two_checkpoints("changes").await;
        let name = "changes".parse().unwrap();
        let diff = self.test.engine.diff(&name, first, second).await.unwrap();
        let mut kinds: Vec<_> = diff.changes.iter().map(|change| format!("{:?}", change.change)).collect();
        kinds.sort();
        assert_eq!(kinds.len(), 2, "{diff:?}");
        assert_eq!(kinds[0], "Added");
        assert!(kinds[1] == "Upgraded" || kinds[1] == "Changed", "{diff:?}");
        assert_eq!(self.test.engine.diff(&name, first, first).await.unwrap().changes, []);
    }

    async fn a_client_is_told_the_url(&self) {
        let [first, _] = self.two_checkpoints("pinned").await;
        let public = "http://archive.example.org";
        for (distribution, time, path) in [
            ("pinned-dated", Some(first), format!("pinned/dated/{first}/")),
            ("pinned-live", None, "pinned/live/".to_owned()),
        ] {
            let text = self.test.engine.pin(&distribution.parse().unwrap(), time, public).await.unwrap();
            assert!(text.contains(&format!("{public}/pulp/content/{path}")), "{text}");
        }
    }

    /// All files below a path, by walking its pages.
    async fn tree(&self, resolver: &Resolver, root: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![String::new()];
        while let Some(directory) = directories.pop() {
            let Resolution::Directory(page) = resolver.resolve(&format!("{root}{directory}")).await.unwrap()
            else {
                panic!("{root}{directory} is not a directory");
            };
            for entry in &page.entries {
                let path = format!("{directory}{}", entry.name);
                if path.ends_with('/') {
                    directories.push(path);
                } else {
                    let bytes = self.test.read(resolver, &format!("{root}{path}")).await;
                    files.insert(
                        path.clone(),
                        bytes.unwrap_or_else(|| panic!("{root}{path} is listed but not there")),
                    );
                }
            }
        }
        files
    }
}
