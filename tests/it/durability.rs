//! Nothing is lost: not by kill -9, not by ten writers at once.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use checkpoint_testkit::debs::{deb, deb_with, file_name};

use crate::support::{Debpoint, text};

/// Begins a command and kills it after each of these times, until it was quick enough to end before.
fn kill_at_every_point(debpoint: &Debpoint, args: &[&str]) -> usize {
    let (mut killed, mut wait) = (0, Duration::from_millis(5));
    loop {
        let mut command = debpoint.command();
        let mut child = command.args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(wait);
        // Closer together where a command has only begun; and not without end where the machine is slow.
        wait = wait * 9 / 8 + Duration::from_millis(2);
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
            return killed;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        debpoint.ok(&["verify"]);
    }
}

#[test]
fn the_store_verifies_clean_after_a_kill_at_any_point_and_the_command_runs_again() {
    let debpoint = Debpoint::new();
    debpoint.repository("vendor", "deb");
    let package = |number: usize| {
        let name = format!("p{number}");
        debpoint.file(&file_name(&name, "1", "amd64"), deb_with(&name, "1", "amd64", ""))
    };
    let files: Vec<String> = (0..60).map(package).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let killed = kill_at_every_point(&debpoint, &[&["content", "add", "vendor"], &files[..]].concat());
    assert!(killed > 0, "it was killed while it worked");
    let listed = debpoint.json(&["content", "list", "vendor"]);
    assert_eq!(listed.as_array().unwrap().len(), 60);
    let killed = kill_at_every_point(&debpoint, &["publish", "vendor", "--checkpoint"]);
    assert!(killed > 0, "it was killed while it worked");
    let server = debpoint.serve();
    let checkpoints = debpoint.json(&["checkpoint", "list", "vendor"]);
    for checkpoint in checkpoints.as_array().unwrap() {
        let date = checkpoint["time"].as_str().unwrap();
        let packages = server.get(&format!("vendor/dated/{date}/dists/stable/main/binary-amd64/Packages"));
        assert_eq!(packages.text().matches("Package: p").count(), 60, "every checkpoint is whole");
    }
    debpoint.ok(&["verify"]);
}

#[test]
fn ten_writers_and_a_reader_at_once_lose_nothing() {
    let debpoint = Debpoint::new();
    debpoint.repository("shared", "deb");
    let server = debpoint.serve();
    let done = AtomicBool::new(false);
    let published = |debpoint: &Debpoint| {
        let list = debpoint.json(&["publication", "list", "shared"]);
        list.as_array().unwrap().iter().map(|p| p["time"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let write = |writer: usize| {
            let debpoint = &debpoint;
            move || {
                for round in 0..3 {
                    let name = format!("w{writer}-{round}");
                    let file = debpoint.file(&file_name(&name, "1", "all"), deb(&name, "1"));
                    debpoint.ok(&["content", "add", "shared", &file]);
                    if round == 1 {
                        debpoint.publish("shared", writer.is_multiple_of(2));
                    }
                }
            }
        };
        let writers: Vec<_> = (0..10).map(|writer| scope.spawn(write(writer))).collect();
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let count = debpoint.json(&["content", "list", "shared"]).as_array().unwrap().len();
                assert!(count >= seen, "content only grows");
                seen = count;
                let answer = server.get("shared/live/dists/stable/main/binary-amd64/Packages");
                assert!([200, 404].contains(&answer.status), "{}", answer.status);
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(debpoint.json(&["content", "list", "shared"]).as_array().unwrap().len(), 30);
    let times = published(&debpoint);
    assert_eq!(times.len(), 10);
    assert_eq!(times.iter().collect::<BTreeSet<_>>().len(), 10, "no two have the same time");
    debpoint.publish("shared", false);
    let packages = server.get("shared/live/dists/stable/main/binary-amd64/Packages").text();
    assert_eq!(packages.matches("Package: w").count(), 30);
    debpoint.ok(&["verify"]);
}

#[test]
fn two_commands_that_both_need_the_first_key_get_the_same_one() {
    let debpoint = Debpoint::new();
    let keys: Vec<String> = std::thread::scope(|scope| {
        let export = || debpoint.ok(&["key", "export"]);
        let exports: Vec<_> = (0..4).map(|_| scope.spawn(export)).collect();
        exports.into_iter().map(|export| export.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn a_checkpoint_costs_its_change() {
    let debpoint = Debpoint::new();
    debpoint.repository("vendor", "deb");
    let stored = || {
        let store = std::fs::read_dir(debpoint.data().join("store/artifact")).unwrap();
        let count = |directory: std::fs::DirEntry| std::fs::read_dir(directory.path()).unwrap().count();
        store.map(|directory| count(directory.unwrap())).sum::<usize>()
    };
    for suite in ["one", "two"] {
        let file = debpoint.file(&file_name(suite, "1", "amd64"), deb_with(suite, "1", "amd64", ""));
        debpoint.ok(&["content", "add", "vendor", &file, "--suite", suite]);
    }
    debpoint.publish("vendor", true);
    let before = stored();
    debpoint.publish("vendor", true);
    assert_eq!(stored() - before, 2 * 3, "Release, InRelease and Release.gpg of each suite");
    let before = stored();
    let file = debpoint.file(&file_name("more", "1", "amd64"), deb_with("more", "1", "amd64", ""));
    debpoint.ok(&["content", "add", "vendor", &file, "--suite", "two"]);
    debpoint.publish("vendor", true);
    let package_and_indices = 1 + 3;
    assert_eq!(stored() - before, 2 * 3 + package_and_indices, "the other suite's indices are used again");
}
