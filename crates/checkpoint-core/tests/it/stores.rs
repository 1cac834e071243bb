//! Artifacts in stores chosen by URL.

use std::io::Write as _;

use checkpoint_core::artifacts::{ArtifactStore, Staged};
use checkpoint_core::digest::Digests;
use checkpoint_core::{Error, Kind};
use futures_util::TryStreamExt as _;
use url::Url;

/// Every store that needs no account: a directory, and memory, which takes the way of the object stores.
fn stores() -> Vec<(ArtifactStore, tempfile::TempDir)> {
    let open = |url: fn(&std::path::Path) -> Url| {
        let directory = tempfile::tempdir().unwrap();
        let staging = directory.path().join("staging");
        (ArtifactStore::open(&url(directory.path()), &[], &staging).unwrap(), directory)
    };
    vec![
        open(|directory| Url::from_directory_path(directory).unwrap()),
        open(|_| Url::parse("memory:///artifacts").unwrap()),
    ]
}

fn stage(store: &ArtifactStore, bytes: &[u8]) -> Staged {
    let mut writing = store.staging().create().unwrap();
    writing.write_all(bytes).unwrap();
    writing.finish().unwrap()
}

#[tokio::test]
async fn a_store_gives_back_what_was_put_into_it() {
    // The last one is larger than what is uploaded in one piece.
    let all = [Vec::new(), b"small".to_vec(), (0..25_000_000u32).map(|n| (n % 251) as u8).collect()];
    for (store, _directory) in stores() {
        let staged: Vec<Staged> = all.iter().map(|bytes| stage(&store, bytes)).collect();
        store.put(staged).await.unwrap();
        for bytes in &all {
            let digests = Digests::of(bytes);
            store.check(&digests).await.unwrap();
            assert!(store.read(&digests.sha256).await.unwrap() == bytes[..]);
            let (from, to) = (bytes.len() as u64 / 3, bytes.len() as u64);
            if from < to {
                let part = store.stream(&digests.sha256, from..to).await.unwrap();
                let part: Vec<bytes::Bytes> = part.try_collect().await.unwrap();
                assert!(part.concat() == bytes[from as usize..]);
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_in_a_store_is_said_to_be_missing() {
    for (store, _directory) in stores() {
        let absent = Digests::of(b"absent");
        let errors = [
            store.read(&absent.sha256).await.map(drop).unwrap_err(),
            store.stream(&absent.sha256, 0..1).await.map(drop).unwrap_err(),
            store.check(&absent).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, Error::Corrupt(text) if text.contains("is missing")), "{error}");
        }
    }
}

#[tokio::test]
async fn nothing_stays_in_the_staging_area() {
    for (store, directory) in stores() {
        drop(stage(&store, b"given up"));
        store.put((0..20u8).map(|n| stage(&store, &[n])).collect()).await.unwrap();
        let left = std::fs::read_dir(directory.path().join("staging")).unwrap().count();
        assert_eq!(left, 0);
    }
}

#[test]
fn a_url_of_another_kind_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["ftp://example.org/x", "mailto:nobody@example.org"] {
        let opened = ArtifactStore::open(&Url::parse(url).unwrap(), &[], directory.path());
        let error = opened.map(drop).unwrap_err();
        assert!(error.kind() == Kind::Invalid && error.to_string().contains(url), "{error}");
    }
}
