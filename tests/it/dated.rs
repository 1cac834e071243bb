//! Checkpoints over HTTP: the cases of Pulp's own tests and what debpoint promises beyond them, for every plugin.

mod kinds;
mod live;

use checkpoint_core::digest::Digests;
use checkpoint_core::time::Timestamp;
use checkpoint_testkit::http::Answer;
use percent_encoding::percent_decode_str;

use crate::support::{Debpoint, Server, after, now};
use kinds::{FEW, Item, KINDS, Kind, MANY, escape, repositories, target, times_on};

/// Five publications, two of them checkpoints: N0 C1 N2 C3 N4, each with one thing more.
struct Past<'a> {
    kind: &'static Kind,
    server: &'a Server,
    times: Vec<String>,
    /// The index as of each.
    indices: Vec<Vec<u8>>,
}

const N0: usize = 0;
const C1: usize = 1;
const N2: usize = 2;
const C3: usize = 3;
const N4: usize = 4;

impl Past<'_> {
    fn publish(&mut self, debpoint: &Debpoint, n: u32) {
        let kind = self.kind;
        kind.add(debpoint, n);
        self.times.push(debpoint.publish(kind.plugin, n % 2 == 1));
        let index = self.server.get(&kind.live(kind.index));
        assert_eq!(index.status, 200);
        assert!(!self.indices.contains(&index.body), "the index is that of before");
        self.indices.push(index.body);
    }

    fn url(&self, which: usize, path: &str) -> String {
        self.kind.dated(&self.times[which], path)
    }

    fn get(&self, which: usize, path: &str) -> Answer {
        self.server.get(&self.url(which, path))
    }
}

#[test]
fn a_date_shows_what_its_checkpoint_has() {
    let debpoint = repositories();
    let server = debpoint.serve();
    let past = |kind| Past { kind, server: &server, times: Vec::new(), indices: Vec::new() };
    let mut pasts: Vec<_> = KINDS.iter().map(past).collect();
    for n in 0..5 {
        pasts.iter_mut().for_each(|past| past.publish(&debpoint, n));
    }
    for past in &pasts {
        eprintln!("{}", past.kind.plugin);
        the_root_lists_the_checkpoints(past);
        a_date_is_a_directory(past);
        what_is_no_date_is_not_found(past);
        any_other_time_moves_to_the_checkpoint_before_it(past);
        a_move_keeps_the_rest_of_the_path(past);
        a_dated_file_is_answered_like_any_other(past);
        a_checkpoint_has_nothing_of_a_later_one(past);
    }
    let restarted = debpoint.serve();
    pasts.iter().for_each(|past| another_server_answers_the_same(past, &restarted));
}

fn the_root_lists_the_checkpoints(past: &Past<'_>) {
    let root = past.kind.root();
    let page = past.server.get(&root);
    assert_eq!(times_on(&page), [past.times[C1].clone(), past.times[C3].clone()], "ascending");
    assert!(page.text().contains(&format!("<h1>Index of /pulp/content/{root}</h1>")));
    let time: Timestamp = past.times[C1].parse().unwrap();
    let line = format!("<a href=\"./{time}/\">{time}/</a>{}{}  \n", " ".repeat(83), time.for_listing());
    assert!(page.text().contains(&line), "{}", page.text());
    assert!(page.header("cache-control").unwrap().contains("max-age=0"), "the next one may come at any time");

    let slashless = past.server.get(root.trim_end_matches('/'));
    assert_eq!(target(&slashless), root);
    let head = past.server.request("HEAD", &root, &[]);
    assert_eq!((head.status, head.header("content-length")), (200, page.header("content-length")));
}

fn a_date_is_a_directory(past: &Past<'_>) {
    for which in [C1, C3] {
        let url = past.url(which, "");
        let page = past.server.get(&url);
        assert!(page.text().contains(&format!("<h1>Index of /pulp/content/{url}</h1>")), "{}", page.text());
        let top = past.kind.index.split('/').next().unwrap();
        assert!(page.text().contains(&format!("<a href=\"./{top}")), "{}", page.text());
        let slashless = past.server.get(url.trim_end_matches('/'));
        assert_eq!(target(&slashless), url);
        if let Some((directory, _)) = past.kind.index.rsplit_once('/') {
            assert_eq!(target(&past.get(which, directory)), past.url(which, &format!("{directory}/")));
            assert_eq!(past.get(which, &format!("{directory}/")).status, 200);
        }
    }
}

fn what_is_no_date_is_not_found(past: &Past<'_>) {
    let checkpoint = &past.times[C1];
    let texts = [
        "invalid_ts",
        "20259928T092752Z",
        "99990115T181699Z",
        "20250229T000000Z",
        "20240101T240000Z",
        "20161231T235960Z",
        "20250318T140442",
        "2025-03-18T14:04:42Z",
        "20250318t140442z",
        "+0250318T140442Z",
        "%20250318T140442Z",
        "%D9%A20250318T140442Z",
        "%D9%A2%D9%A025%D9%A0318T140442Z",
        "99991231T235959Z",
        "latest",
        ".",
    ];
    let mut dates: Vec<String> = texts.map(str::to_owned).to_vec();
    dates.extend([format!("{checkpoint}foo"), format!("{checkpoint}%20"), checkpoint.replace('Z', ".0Z")]);
    // Before the first, and in the future.
    dates.extend([past.times[N0].clone(), after(&past.times[N0], -1), after(checkpoint, -1)]);
    dates.extend([after(&now(), 86_400), after(&now(), 60)]);
    for date in dates {
        for rest in ["", "/", "/none", &format!("/{}", past.kind.index)] {
            let answer = past.server.get(&format!("{}{date}{rest}", past.kind.root()));
            assert_eq!(answer.status, 404, "{date}{rest}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{date}{rest}");
        }
    }
}

fn any_other_time_moves_to_the_checkpoint_before_it(past: &Past<'_>) {
    let times = &past.times;
    let cases = [
        (times[N2].clone(), C1),
        (after(&times[C1], 1), C1),
        (after(&times[C3], -1), C1),
        (times[N4].clone(), C3),
        (after(&times[C3], 1), C3),
        (now(), C3),
    ];
    let index = past.kind.index;
    for (asked, expected) in cases {
        for path in ["", index] {
            let moved = past.server.get(&past.kind.dated(&asked, path));
            assert_eq!(target(&moved), past.url(expected, path), "{asked}");
            let control = moved.header("cache-control").unwrap();
            let age: u32 = control.rsplit_once("max-age=").unwrap().1.parse().unwrap();
            assert!((1..=300).contains(&age), "{control}");
        }
        let slashless = past.server.get(past.kind.dated(&asked, "").trim_end_matches('/'));
        assert_eq!(target(&slashless), past.url(expected, ""), "one redirect is enough");
        let served = past.server.follow(&past.kind.dated(&asked, index));
        assert_eq!(served.body, past.indices[expected], "{asked}");
        assert_eq!(past.get(expected, index).body, past.indices[expected], "as it was then");
    }
    let listed = |name: &str| past.get(C1, index).text().contains(name);
    assert!(listed(&past.kind.path(0)) && listed(&past.kind.path(1)) && !listed(&past.kind.path(2)));
}

fn a_move_keeps_the_rest_of_the_path(past: &Past<'_>) {
    let Item { path, bytes, .. } = (past.kind.item)(0);
    let lower = escape(&path, MANY).to_ascii_lowercase();
    for written in [escape(&path, FEW), escape(&path, MANY), lower] {
        for query in ["", "?", "?a=/b&c"] {
            let moved = past.get(N2, &format!("{written}{query}"));
            let inside = target(&moved).strip_prefix(&past.url(C1, "")).unwrap();
            assert_eq!(percent_decode_str(inside).decode_utf8().unwrap(), path, "{written}");
            assert_eq!(past.server.get(target(&moved)).body, bytes, "{written}");
            assert_eq!(past.get(C1, &format!("{written}{query}")).body, bytes, "{written}");
        }
    }
    let rest = "there is/none/%252B%25/%2e%2e/é/".replace(' ', "%20");
    let moved = past.get(N2, &rest);
    let inside = target(&moved).strip_prefix(&past.url(C1, "")).unwrap();
    assert_eq!(percent_decode_str(inside).decode_utf8().unwrap(), "there is/none/%2B%/../é/");
    assert_eq!(past.server.get(target(&moved)).status, 404);
}

fn a_dated_file_is_answered_like_any_other(past: &Past<'_>) {
    let url = past.url(C1, past.kind.index);
    let (server, all) = (past.server, past.server.get(&url));
    let (etag, modified) = (all.header("etag").unwrap(), all.header("last-modified").unwrap());
    let time: Timestamp = past.times[C1].parse().unwrap();
    assert_eq!(modified, time.http_date());
    assert_eq!(all.header("cache-control"), Some("public, max-age=31536000, immutable"));

    let head = server.request("HEAD", &url, &[]);
    assert_eq!((head.status, head.header("etag")), (200, Some(etag)));
    assert_eq!(head.header("content-length"), Some(all.body.len().to_string().as_str()));
    let part = server.request("GET", &url, &[("Range", "bytes=3-9")]);
    assert_eq!((part.status, &part.body[..]), (206, &all.body[3..10]));
    for (name, value) in [("If-None-Match", etag), ("If-Modified-Since", modified)] {
        let known = server.request("GET", &url, &[(name, value)]);
        assert_eq!((known.status, known.body.len()), (304, 0), "{name}");
        // The redirect is one whatever the client has.
        let moved = server.request("GET", &past.url(N2, past.kind.index), &[(name, value)]);
        assert_eq!(target(&moved), url, "{name}");
    }
    let moved = server.request("HEAD", &past.url(N2, past.kind.index), &[]);
    assert_eq!(target(&moved), url);
}

fn a_checkpoint_has_nothing_of_a_later_one(past: &Past<'_>) {
    let kind = past.kind;
    for (n, in_c1, in_c3) in [(0, 200, 200), (1, 200, 200), (2, 404, 200), (3, 404, 200), (4, 404, 404)] {
        let path = escape(&kind.path(n), FEW);
        let live = past.server.get(&kind.live(&path));
        let statuses = (past.get(C1, &path).status, past.get(C3, &path).status, live.status);
        assert_eq!(statuses, (in_c1, in_c3, 200), "{path}");
    }
    for (which, index) in past.indices.iter().enumerate() {
        let digests = Digests::of(index);
        let (sha256, md5) = (digests.sha256.to_string(), digests.md5.to_string());
        for path in [kind.by_hash("SHA256", &sha256), kind.by_hash("MD5Sum", &md5)] {
            assert_eq!(past.server.get(&kind.live(&path)).body, *index, "live, {which}: {path}");
            for checkpoint in [C1, C3] {
                let answer = past.get(checkpoint, &path);
                assert_eq!(answer.status, if checkpoint == which { 200 } else { 404 }, "{which}: {path}");
                assert!(answer.status == 404 || answer.body == *index);
            }
        }
        for path in [kind.by_hash("SHA512", &sha256), kind.by_hash("MD5Sum", &sha256)] {
            assert_eq!(past.server.get(&kind.live(&path)).status, 404, "{path}");
        }
        let elsewhere = kind.live(&format!("elsewhere/by-hash/SHA256/{sha256}"));
        assert_eq!(past.server.get(&elsewhere).status, 404);
    }
}

fn another_server_answers_the_same(past: &Past<'_>, other: &Server) {
    let mut urls = vec![past.kind.root(), past.kind.live(""), past.kind.live(past.kind.index)];
    for which in [N0, C1, N2, C3, N4] {
        urls.extend([past.url(which, ""), past.url(which, past.kind.index)]);
        urls.extend((0..5).map(|n| past.url(which, &escape(&past.kind.path(n), FEW))));
    }
    for url in urls {
        let same = |mut answer: Answer| {
            answer.headers.retain(|(name, _)| name != "date");
            answer.headers.sort();
            (answer.status, answer.headers, answer.body)
        };
        assert_eq!(same(other.get(&url)), same(past.server.get(&url)), "{url}");
    }
}
