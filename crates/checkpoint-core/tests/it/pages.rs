//! Directory pages, and paths with unusual names.

use std::collections::BTreeSet;

use checkpoint_core::engine::{Freshness, Resolution, Resolver};
use checkpoint_testkit::engine::Database;

use crate::support::{add_notes, engine_on, names, what};

/// The children of a directory, worked out from all paths one by one.
fn children(paths: &[String], directory: &str) -> Vec<String> {
    let inside = paths.iter().filter_map(|path| path.strip_prefix(directory));
    let child = |inside: &str| match inside.split_once('/') {
        Some((child, _)) => format!("{child}/"),
        None => inside.to_owned(),
    };
    inside.map(child).collect::<BTreeSet<_>>().into_iter().collect()
}

/// All directories above the paths, and the root.
fn directories(paths: &[String]) -> BTreeSet<String> {
    let above = |path: &String| {
        let slashes: Vec<_> = path.match_indices('/').map(|(at, _)| at).collect();
        let path = path.clone();
        slashes.into_iter().map(move |at| path[..=at].to_owned())
    };
    paths.iter().flat_map(above).chain([String::new()]).collect()
}

/// Publishes notes and compares every directory's page, and every file, with what the paths say.
async fn pages_are_right(database: Database, notes: &[String]) {
    let test = engine_on(database).await;
    let name = test.repository("r").await;
    let borrowed: Vec<&str> = notes.iter().map(String::as_str).collect();
    add_notes(&test, &name, &borrowed).await;
    let time = test.publish(&name, true).await.time;
    let resolver = Resolver::new(test.engine.clone());
    let mut paths: Vec<_> = notes.iter().map(|note| format!("notes/{note}_1")).collect();
    paths.extend(["index", "index.upper", "time"].map(str::to_owned));
    for root in ["r/live/".to_owned(), format!("r/dated/{time}/")] {
        for directory in directories(&paths) {
            let page = names(&resolver, &format!("{root}{directory}")).await;
            assert_eq!(page, children(&paths, &directory), "{root}{directory}");
            if let Some(without) = directory.strip_suffix('/') {
                let path = format!("{root}{without}");
                let file = paths.iter().any(|path| path == without);
                let expected = if file { "file" } else { "slash" };
                let found = what(&test, &resolver, &path).await;
                assert!(found.starts_with(expected), "{path} is {found}");
            }
        }
    }
    // A few of the files: the first, the last, and some between.
    for note in notes.iter().step_by(notes.len().div_ceil(20)).chain(notes.last()) {
        let path = format!("r/dated/{time}/notes/{note}_1");
        assert_eq!(what(&test, &resolver, &path).await, format!("file {note} 1\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_around_the_slash_in_byte_order_are_all_listed() {
    let notes = [
        "a",
        "a-b",
        "a-b/c",
        "a.b",
        "a.b/c",
        "a/b",
        "a/b/c",
        "a/0",
        "a0",
        "a0/b",
        "a00",
        "a_1/x",
        "A",
        "A/b",
        "-",
        "0",
        "a/-",
        "a/.x",
        "a/~",
        "a~",
        "aé",
        "a\u{7ff}/x",
    ]
    .map(str::to_owned);
    for database in Database::all() {
        pages_are_right(database, &notes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_more_files_than_are_read_at_once_is_listed_whole() {
    let mut notes: Vec<_> = (0..2100).map(|number| format!("many/n{number:04}")).collect();
    // What follows the thousandth in byte order begins like it.
    notes.extend(["many/n0999_1-y", "many/n0999_1.w", "many/n0999_1/z"].map(str::to_owned));
    notes.extend(["many/zz", "many-", "many0"].map(str::to_owned));
    for database in Database::all() {
        pages_are_right(database, &notes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn children_beside_a_directory_of_very_many_files_are_all_listed() {
    // The scan is cut inside `b`, and goes on behind it: what stands just before and after must not be lost.
    let mut notes: Vec<_> = (0..1050).map(|number| format!("b/c{}/n{number}", number % 7)).collect();
    notes.extend(["a", "b-", "b.", "b/-", "b", "b0", "b1", "b0/x", "c/d", "b/z"].map(str::to_owned));
    for database in Database::all() {
        pages_are_right(database, &notes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_as_many_files_as_are_read_at_once_are_listed() {
    for count in [999, 1000, 1001] {
        let notes: Vec<_> = (0..count).map(|number| format!("n{number:04}")).collect();
        for database in Database::all() {
            pages_are_right(database, &notes).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_characters_are_found_under_themselves_only() {
    let notes = [
        "ünï/cödé",
        "漢字/かな",
        "a+b",
        "a%2bb",
        "a%2Bb",
        "100%",
        "c++/x+y~z",
        "it's;\"quoted\"",
        "a?b#c&d=e",
        "*",
        "_",
        "%",
        "a%",
        "e\u{301}",
        "é",
        "😀",
        "<b>",
        "a:b@c",
        "[x]",
        "{y}",
        "$HOME",
        "..a",
        "...",
        "edge/\u{10FFFF}",
        "edge/\u{10FFFF}/x",
        "\u{10FFFF}",
    ]
    .map(str::to_owned);
    for database in Database::all() {
        pages_are_right(database, &notes).await;
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["a+b", "a%2bb", "x_y", "é"]).await;
        let time = test.publish(&name, true).await.time;
        let resolver = Resolver::new(test.engine.clone());
        for root in ["r/live".to_owned(), format!("r/dated/{time}")] {
            // Neither as a pattern, nor decoded once more, nor normalised, nor in another case.
            for other in ["a b_1", "a%2Bb_1", "x%", "x%y_1", "xzy_1", "e\u{301}_1", "É_1", "A+B_1", "a+b_1 "]
            {
                let path = format!("{root}/notes/{other}");
                assert_eq!(what(&test, &resolver, &path).await, "none", "{path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_paths_are_not_found() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["a"]).await;
        let time = test.publish(&name, true).await.time;
        let resolver = Resolver::new(test.engine.clone());
        for root in ["r/live".to_owned(), format!("r/dated/{time}")] {
            for path in [
                "/../live/index",
                "//index",
                "/notes//a_1",
                "/./index",
                "/notes/../index",
                "/index/",
                "/index/x",
                "/notes/a_1/",
                "/a\0b",
                "/notes/\0/",
                "/\\index",
                "/by-hash/SHA256/",
                "/by-hash/SHA256/zz",
                "/by-hash/SHA512/00",
                "/by-hash/MD5Sum/d41d8cd98f00b204e9800998ecf8427e",
                "/by-hash/",
            ] {
                let path = format!("{root}{path}");
                assert_eq!(what(&test, &resolver, &path).await, "none", "{path:?}");
            }
            let long = format!("{root}/{}", "x/".repeat(5000));
            assert_eq!(what(&test, &resolver, &long).await, "none");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_what_its_entries_are_and_how_long_it_holds() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        test.clock.advance(7);
        add_notes(&test, &name, &["a"]).await;
        let time = test.publish(&name, true).await.time;
        let resolver = Resolver::new(test.engine.clone());
        for (root, freshness) in
            [("r/live".to_owned(), Freshness::Changing), (format!("r/dated/{time}"), Freshness::Immutable)]
        {
            let Resolution::Directory(page) = resolver.resolve(&format!("{root}/")).await.unwrap() else {
                panic!("{root} is a directory");
            };
            let entries: Vec<_> =
                page.entries.iter().map(|entry| (entry.name.as_str(), entry.modified, entry.size)).collect();
            let expected = [
                ("index", Some(time), Some(4)),
                ("index.upper", Some(time), Some(4)),
                ("notes/", None, None),
                ("time", Some(time), Some(16)),
            ];
            assert_eq!((entries, page.freshness), (expected.to_vec(), freshness));
            let Resolution::Directory(page) = resolver.resolve(&format!("{root}/notes/")).await.unwrap()
            else {
                panic!("{root}/notes is a directory");
            };
            assert_eq!((page.entries[0].modified, page.entries[0].size), (Some(time), Some(4)));
        }
        // The same page, once live and once dated: what is remembered of one must not show in the other.
        let Resolution::Directory(live) = resolver.resolve("r/live/").await.unwrap() else {
            panic!("live is a directory");
        };
        assert_eq!(live.freshness, Freshness::Changing);
    }
}
