//! Files: parts, conditions, types, and how long answers hold.

use checkpoint_core::digest::Digests;
use checkpoint_core::time::Timestamp;
use checkpoint_testkit::http::Answer;
use debian_format::release::Release;

use super::{Site, noise, without_date};
use crate::support::{after, now};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const CHANGING: &str = "public, max-age=0, must-revalidate";

#[test]
fn bytes_arrive_as_they_are_whatever_their_number() {
    let sizes = [0, 1, 262_143, 262_144, 262_145, (1 << 20) + 1];
    let files = sizes.map(|size| (format!("{size}.iso"), noise(size)));
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    let site = Site::of_files(&files);
    for (name, bytes) in files {
        // The second answer may come from memory.
        for _ in 0..2 {
            let answer = site.get(name);
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()), "{name}");
            assert_eq!(answer.header("x-pulp-artifact-size"), answer.header("content-length"));
            assert_eq!(answer.header("etag"), Some(format!("\"{}\"", Digests::of(bytes).sha256).as_str()));
            assert!(answer.body == bytes, "{name}");
        }
    }
}

#[test]
fn head_says_what_get_says_without_a_body() {
    let site =
        Site::of_files(&[("small", b"small"), ("empty", b""), ("large", &noise(300_000)), ("sub/x", b"x")]);
    let mut connection = site.server.connect();
    let dated = format!("/pulp/content/site/dated/{}/", site.time);
    let moved = format!("/pulp/content/site/dated/{}/small", after(&site.time, 1));
    let live = ["small", "empty", "large", "", "sub", "sub/", "none", "%00"];
    let mut paths: Vec<String> = live.iter().map(|path| format!("/pulp/content/site/live/{path}")).collect();
    let others = ["/", "/other", "/pulp/content", "/pulp/content/", "/pulp/content/site/dated/"];
    paths.extend(others.map(str::to_owned));
    paths.extend([format!("{dated}small"), dated, moved]);
    while now() <= site.time {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut statuses = Vec::new();
    for path in paths {
        let get = connection.request("GET", &path, &[]);
        let head = connection.request("HEAD", &path, &[]);
        assert_eq!(get.header("content-length"), Some(get.body.len().to_string().as_str()), "{path}");
        let ((status, headers, _), without) = (without_date(get), without_date(head));
        assert_eq!(without, (status, headers, Vec::new()), "{path}");
        statuses.push(status);
    }
    for status in [200, 301, 302, 404] {
        assert!(statuses.contains(&status), "{statuses:?}");
    }
}

#[test]
fn other_methods_are_refused_with_those_that_are_allowed() {
    let site = Site::of_files(&[("small", b"small")]);
    let mut connection = site.server.connect();
    let path = "/pulp/content/site/live/small";
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"] {
        for path in [path, "/", "/pulp/content/none"] {
            let answer = connection.request(method, path, &[]);
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
    connection.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").as_bytes());
    assert_eq!(connection.answer(false).status, 405);
    assert_eq!(connection.request("GET", path, &[]).body, b"small", "a body that nobody wants is skipped");
    connection.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.answer(false).status, 405);
}

/// Asks for a part; gives the status, what part came, and whether the bytes are `bytes`.
fn part(site: &Site, name: &str, range: &str, bytes: &[u8]) -> (u16, Option<String>, bool) {
    let answer = site.ask(name, &[("Range", range)]);
    let content_range = answer.header("content-range").map(str::to_owned);
    (answer.status, content_range, answer.body == bytes)
}

#[test]
fn a_range_is_answered_with_that_part() {
    let (small, large) = (noise(1000), noise(700_000));
    let site = Site::of_files(&[("small", &small), ("large", &large)]);
    for (name, bytes) in [("small", &small), ("large", &large)] {
        let size = bytes.len();
        let parts = [
            ("bytes=0-0".to_owned(), 0..1),
            ("bytes=0-".to_owned(), 0..size),
            ("bytes=5-".to_owned(), 5..size),
            ("bytes=10-99".to_owned(), 10..100),
            ("bytes=10-99999999".to_owned(), 10..size),
            ("bytes=-3".to_owned(), size - 3..size),
            ("bytes=-99999999".to_owned(), 0..size),
            (format!("bytes={}-", size - 1), size - 1..size),
            (format!("bytes={}-{}", size / 3, size - 2), size / 3..size - 1),
        ];
        for (range, wanted) in parts {
            let content_range = format!("bytes {}-{}/{size}", wanted.start, wanted.end - 1);
            let answer = part(&site, name, &range, &bytes[wanted]);
            assert_eq!(answer, (206, Some(content_range), true), "{range}");
        }
        // RFC 9110 section 14.2: a range means something for GET only.
        let (path, range) = (format!("site/live/{name}"), ("Range", "bytes=0-0"));
        let head = site.server.request("HEAD", &path, &[range]);
        let length = size.to_string();
        assert_eq!((head.status, head.header("content-length")), (200, Some(length.as_str())));
    }
}

#[test]
fn a_range_behind_the_end_cannot_be_had_and_one_that_is_no_range_is_ignored() {
    let (small, large) = (noise(1000), noise(700_000));
    let site = Site::of_files(&[("small", &small), ("large", &large), ("empty", b"")]);
    for (name, bytes) in [("small", &small), ("large", &large)] {
        let size = bytes.len();
        let behind = [format!("bytes={size}-"), format!("bytes={size}-{}", size + 9), "bytes=-0".to_owned()];
        for range in behind {
            let answer = part(&site, name, &range, b"");
            assert_eq!(answer, (416, Some(format!("bytes */{size}")), true), "{range}");
        }
        let strange =
            ["bytes=0-1,5-6", "bytes=0-0,-1", "items=0-1", "bytes=5-4", "bytes=a-b", "bytes=-", "0-1", ""];
        for range in strange {
            assert_eq!(part(&site, name, range, bytes), (200, None, true), "{range}");
        }
    }
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        assert_eq!(part(&site, "empty", range, b""), (416, Some("bytes */0".to_owned()), true), "{range}");
    }
}

#[test]
fn a_part_is_sent_only_of_the_file_that_the_client_has() {
    let site = Site::of_files(&[("file", b"0123456789")]);
    let whole = site.get("file");
    let (etag, modified) = (whole.header("etag").unwrap(), whole.header("last-modified").unwrap());
    let time = Timestamp::from_http_date(modified).unwrap();
    let (before, next) = (Timestamp::from_unix(time.unix() - 1).http_date(), time.next().http_date());
    let weak = format!("W/{etag}");
    let cases = [
        (modified, 206),
        (etag, 206),
        (&before, 200),
        (&next, 200),
        (&weak, 200),
        ("\"other\"", 200),
        ("", 200),
        ("é", 200),
    ];
    for (condition, status) in cases {
        let answer = site.ask("file", &[("Range", "bytes=4-"), ("If-Range", condition)]);
        let body: &[u8] = if status == 206 { b"456789" } else { b"0123456789" };
        assert_eq!((answer.status, &answer.body[..]), (status, body), "{condition}");
        let behind = site.ask("file", &[("Range", "bytes=10-"), ("If-Range", condition)]);
        assert_eq!(behind.status, if status == 206 { 416 } else { 200 }, "{condition}");
    }
    assert_eq!(site.ask("file", &[("If-Range", etag)]).status, 200, "without a range it says nothing");
}

#[test]
fn what_the_client_has_already_is_not_sent_again() {
    let site = Site::of_files(&[("file", b"0123456789")]);
    let whole = site.get("file");
    let (etag, modified) = (whole.header("etag").unwrap(), whole.header("last-modified").unwrap());
    let time = Timestamp::from_http_date(modified).unwrap();
    let (before, next) = (Timestamp::from_unix(time.unix() - 1).http_date(), time.next().http_date());
    let (list, weak, bare) = (format!("\"a,b\" , {etag}"), format!("W/{etag}"), etag.replace('"', ""));
    let (tags, since) = ("If-None-Match", "If-Modified-Since");
    let known: [&[(&str, &str)]; 9] = [
        &[(tags, etag)],
        &[(tags, &list)],
        &[(tags, &weak)],
        &[(tags, "*")],
        &[(tags, "\"other\""), (tags, etag)],
        &[(tags, etag), (since, "Thu, 01 Jan 1970 00:00:00 GMT")],
        &[(tags, etag), ("Range", "bytes=0-1")],
        &[(since, modified)],
        &[(since, modified), ("Range", "bytes=0-1")],
    ];
    let unknown: [&[(&str, &str)]; 8] = [
        &[(tags, "\"other\"")],
        &[(tags, &bare)],
        &[(tags, "")],
        // The tag decides where there is one.
        &[(tags, "\"other\""), (since, modified)],
        // A distribution can be moved back, so a later time proves nothing.
        &[(since, &next)],
        &[(since, &before)],
        &[(since, "yesterday")],
        &[(since, "")],
    ];
    let mut connection = site.server.connect();
    let mut ask = |headers| connection.request("GET", "/pulp/content/site/live/file", headers);
    for headers in known {
        let answer = ask(headers);
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{headers:?}");
        for name in ["etag", "last-modified", "cache-control"] {
            assert_eq!(answer.header(name), whole.header(name), "{headers:?}");
        }
        assert!(answer.header("content-length").is_none_or(|length| length == "10"), "{headers:?}");
    }
    for headers in unknown {
        let answer = ask(headers);
        assert_eq!((answer.status, &answer.body[..]), (200, &b"0123456789"[..]), "{headers:?}");
    }
}

#[test]
fn a_file_that_was_replaced_never_looks_unmodified() {
    let site = Site::of_files(&[("file", b"first")]);
    // Both files come within one second, so that only their publications differ in time.
    let begin = now();
    while now() == begin {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    for bytes in ["second", "third"] {
        let file = site.debpoint.file("file", bytes);
        let before = site.get("file");
        site.debpoint.ok(&["content", "add", "site", &file]);
        site.debpoint.publish("site", false);
        for (condition, value) in [("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")] {
            let answer = site.ask("file", &[(condition, before.header(value).unwrap())]);
            assert_eq!((answer.status, answer.text().as_str()), (200, bytes), "{condition}");
        }
    }
}

#[test]
fn files_have_types_and_are_never_encoded() {
    let site = Site::of_packages();
    let types = [
        ("pool/main/h/hello/hello_1.0_amd64.deb", "application/vnd.debian.binary-package"),
        ("dists/bookworm/main/binary-amd64/Packages", "text/plain; charset=utf-8"),
        ("dists/bookworm/main/binary-amd64/Packages.gz", "application/gzip"),
        ("dists/bookworm/main/binary-amd64/Packages.xz", "application/x-xz"),
        ("dists/bookworm/InRelease", "text/plain; charset=utf-8"),
        ("dists/bookworm/Release", "text/plain; charset=utf-8"),
        ("dists/bookworm/Release.gpg", "application/pgp-signature"),
        ("archive-key.asc", "application/pgp-keys"),
    ];
    let headers =
        [("Accept", "text/*"), ("Accept-Encoding", "gzip, br, zstd"), ("Cache-Control", "max-age=0")];
    let check = |site: &Site, path: &str, content_type: &str| {
        let answer = site.ask(path, &headers);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{path}");
        for name in ["content-encoding", "transfer-encoding", "vary"] {
            assert_eq!(answer.header(name), None, "{path}");
        }
        assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{path}");
        answer
    };
    for (path, content_type) in types {
        check(&site, path, content_type);
    }
    let packages = site.get("dists/bookworm/main/binary-amd64/Packages.gz");
    let by_hash =
        format!("dists/bookworm/main/binary-amd64/by-hash/SHA256/{}", Digests::of(&packages.body).sha256);
    assert_eq!(check(&site, &by_hash, "application/octet-stream").body, packages.body);
    assert!(packages.body.starts_with(&[0x1F, 0x8B]), "compressed as it is named");

    let site =
        Site::of_files(&[("disk.iso", b"x"), ("notes.txt", b"x"), ("page.html", b"x"), ("none", b"x")]);
    let octets = "application/octet-stream";
    check(&site, "disk.iso", octets);
    check(&site, "none", octets);
    check(&site, "notes.txt", "text/plain; charset=utf-8");
    check(&site, "PULP_MANIFEST", "text/plain; charset=utf-8");
    assert_eq!(
        check(&site, "page.html", "text/html; charset=utf-8").header("x-content-type-options"),
        Some("nosniff")
    );
}

fn freshness(answer: &Answer) -> &str {
    answer.header("cache-control").unwrap_or_default()
}

#[test]
fn packages_and_hashes_and_dates_may_be_cached_for_ever_and_nothing_else() {
    let site = Site::of_packages();
    let suite = "dists/bookworm";
    let release = Release::parse(&site.get(&format!("{suite}/Release")).body).unwrap();
    let mut changing = vec!["archive-key.asc".to_owned()];
    changing.extend(["Release", "InRelease", "Release.gpg", "main/"].map(|name| format!("{suite}/{name}")));
    let mut immutable = vec!["pool/main/h/hello/hello_1.0_amd64.deb".to_owned()];
    for file in &release.files {
        changing.push(format!("{suite}/{}", file.path));
        let hex = checkpoint_core::digest::Sha256::from(file.sha256.unwrap());
        let directory = file.path.rsplit_once('/').unwrap().0;
        immutable.push(format!("{suite}/{directory}/by-hash/SHA256/{hex}"));
    }
    let mut connection = site.server.connect();
    let mut get = |path: &str| {
        let answer = connection.request("GET", &format!("/pulp/content/site/{path}"), &[]);
        assert_eq!(answer.status, 200, "{path}");
        freshness(&answer).to_owned()
    };
    for (paths, live) in [(&changing, CHANGING), (&immutable, IMMUTABLE)] {
        for path in paths {
            assert_eq!(get(&format!("live/{path}")), live, "{path}");
            assert_eq!(get(&format!("dated/{}/{path}", site.time)), IMMUTABLE, "{path}");
        }
    }
    assert_eq!(get("live/"), CHANGING);
    assert_eq!(get("dated/"), CHANGING);
}

#[test]
fn files_of_live_distributions_and_redirects_are_cached_briefly_if_at_all() {
    let site = Site::of_files(&[("file", b"0123456789"), ("sub/x", b"x")]);
    let etag = site.get("file").header("etag").unwrap().to_owned();
    for headers in [("Accept", "*/*"), ("Range", "bytes=1-2"), ("If-None-Match", &etag)] {
        assert_eq!(freshness(&site.ask("file", &[headers])), CHANGING, "{headers:?}");
        let dated = site.server.request("GET", &format!("site/dated/{}/file", site.time), &[headers]);
        assert_eq!(freshness(&dated), IMMUTABLE, "{headers:?}");
    }
    assert_eq!(freshness(&site.get("PULP_MANIFEST")), CHANGING);
    while now() <= site.time {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let moved = format!("site/dated/{}/file", after(&site.time, 1));
    for path in [moved.as_str(), "site/live/sub", "site/live", "site"] {
        let answer = site.server.get(path);
        assert_eq!(answer.status, 301, "{path}");
        let age = freshness(&answer).strip_prefix("public, max-age=").unwrap();
        assert!((1..=300).contains(&age.parse::<u32>().unwrap()), "{path}: {age}");
    }
    for path in ["site/live/none", "none", "site/dated/20000101T000000Z/file"] {
        assert_eq!(freshness(&site.server.get(path)), "no-store", "{path}");
    }
}
