//! Directory pages, and what stands in their place.

use checkpoint_core::time::Timestamp;
use percent_encoding::percent_decode_str;

use super::Site;
use crate::support::Debpoint;

/// The entries of a page: href, text, and what follows the name.
fn entries(html: &str) -> Vec<(&str, &str, &str)> {
    let lines = html.lines().filter_map(|line| line.split_once("<a href=\"./")?.1.split_once("\">"));
    let entry = |(href, rest)| {
        let (text, rest): (&str, &str) = str::split_once(rest, "</a>").unwrap();
        (href, text, rest.trim())
    };
    lines.map(entry).collect()
}

#[test]
fn a_directory_page_has_the_shape_of_pulps() {
    let site = Site::of_files(&[
        ("b.iso", &[7; 1234]),
        ("empty", b""),
        ("one", b"1"),
        ("sub/x", b"x"),
        ("sub/y/z", b"z"),
    ]);
    let date = |path: &str| {
        let answer = site.get(path);
        let time = Timestamp::from_http_date(answer.header("last-modified").unwrap()).unwrap();
        (time.for_listing(), answer.body.len())
    };
    let line = |name: &str, size: &str| {
        let date = if name.ends_with('/') { String::new() } else { date(name).0 };
        format!("<a href=\"./{name}\">{name}</a>{}{date}  {size}\n", " ".repeat(100 - name.len()))
    };
    let page = |path: &str, lines: &[String]| {
        format!(
            "\n<html>\n<head><title>Index of {path}</title></head>\n<body bgcolor=\"white\">\n<h1>Index of {path}</h1>\n\
             <hr><pre><a href=\"../\">../</a>\n{}</pre><hr></body>\n</html>",
            lines.concat()
        )
    };
    let manifest = format!("{} Bytes", date("PULP_MANIFEST").1);
    let root = [
        line("PULP_MANIFEST", &manifest),
        line("b.iso", "1.2 kB"),
        line("empty", "0 Bytes"),
        line("one", "1 Byte"),
        line("sub/", ""),
    ];
    let answer = site.get("");
    assert_eq!(answer.text(), page("/pulp/content/site/live/", &root));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let dated = format!("site/dated/{}/", site.time);
    assert_eq!(site.server.get(&dated).text(), page(&format!("/pulp/content/{dated}"), &root));
    let sub = site.get("sub/").text();
    assert!(sub.contains("\n<a href=\"./x\">x</a>") && sub.contains("\n<a href=\"./y/\">y/</a>"), "{sub}");
    assert_eq!(entries(&sub).len(), 2);
    let slashless = site.get("sub/y");
    assert_eq!(
        (slashless.status, slashless.header("location")),
        (301, Some("/pulp/content/site/live/sub/y/"))
    );
    assert_eq!(site.get("empty").header("content-length"), Some("0"));
}

const NAMES: [&str; 19] = [
    "<script>alert(1)<!--.iso",
    "a&b \"c\".iso",
    "'quoted'.iso",
    "&amp;.iso",
    "#x",
    "?y=z",
    "%41",
    "%",
    "..x",
    "...",
    "é ü.iso",
    "日本.iso",
    "javascript:alert(1)",
    "http:x",
    "+",
    "~",
    " blank",
    "a;b",
    "\u{202E}gpj.exe",
];

#[test]
fn hostile_names_are_harmless_on_pages_and_every_link_works() {
    let long = "l".repeat(240);
    let mut names = NAMES.to_vec();
    names.push(&long);
    let mut files: Vec<_> = names.iter().map(|name| (*name, name.as_bytes())).collect();
    files.push(("<b>\"&/%2e/in side", b"deep"));
    let site = Site::of_files(&files);
    let html = site.get("").text();
    for (name, _) in &files[..names.len()] {
        let raw = name.contains(['<', '"', '\'']);
        assert!(!raw || !html.contains(name), "{name}");
    }
    let found = entries(&html);
    assert_eq!(found.len(), names.len() + 2, "{html}");
    let mut seen = Vec::new();
    for (href, text, rest) in found {
        assert!(href.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)), "{href}");
        let plain =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'");
        let plain = plain.replace("&amp;", "&");
        let name = percent_decode_str(href).decode_utf8().unwrap().into_owned();
        assert_eq!(plain, name, "the text is the name");
        if let Some(directory) = name.strip_suffix('/') {
            assert_eq!((directory, rest), ("<b>\"&", ""));
            continue;
        }
        let answer = site.get(href);
        assert_eq!(answer.status, 200, "{href}");
        assert!(name == "PULP_MANIFEST" || answer.text() == name, "{href}");
        seen.push(name);
    }
    assert!(names.iter().all(|name| seen.contains(&(*name).to_owned())));
    let inner = site.get("%3Cb%3E%22%26/%252e/").text();
    assert!(inner.contains("<h1>Index of /pulp/content/site/live/&lt;b&gt;&quot;&amp;/%2e/</h1>"), "{inner}");
    assert_eq!(entries(&inner)[0].0, "in%20side");
    assert_eq!(site.get("%3Cb%3E%22%26/%252e/in%20side").text(), "deep");
    let slashless = site.get("%3cb%3e%22%26/%252e");
    assert_eq!(slashless.header("location"), Some("/pulp/content/site/live/%3cb%3e%22%26/%252e/"));
}

#[test]
fn above_the_distributions_their_prefixes_are_listed() {
    let debpoint = Debpoint::new();
    debpoint.ok(&["repository", "create", "r", "--type", "file"]);
    for (name, path) in [("x", "x"), ("one", "deep/er/one"), ("two", "deep/er/two"), ("other", "deeper")] {
        debpoint.ok(&["distribution", "create", name, "--base-path", path, "--repository", "r"]);
    }
    let server = debpoint.serve();
    let listed = |path: &str| {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}");
        let html = answer.text();
        assert!(html.contains(&format!("<h1>Index of /pulp/content/{path}</h1>")), "{html}");
        assert_eq!(html.contains("<a href=\"../\">"), !path.is_empty(), "only the topmost has no parent");
        entries(&html).iter().map(|(href, ..)| (*href).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(""), ["deep/", "deeper/", "x/"]);
    assert_eq!(listed("deep/"), ["er/"]);
    assert_eq!(listed("deep/er/"), ["one/", "two/"]);
    for path in ["deep", "deep/er", "deep/er/one", "x"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("location")),
            (301, Some(format!("/pulp/content/{path}/").as_str()))
        );
    }
    for path in ["dee", "dee/", "deep/e/", "deep/er/three/", "xx", "X/", "er/one/"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    for path in ["x/", "x/file", "deep/er/one/"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("not been published"), "{}", answer.text());
    }
    debpoint.ok(&["distribution", "delete", "x"]);
    assert_eq!(listed(""), ["deep/", "deeper/"]);
    assert_eq!(server.get("x/").status, 404);
}

#[test]
fn an_index_page_stands_for_its_directory() {
    let site = Site::of_files(&[
        ("index.html", b"<p>top"),
        ("sub/index.html", b"<p>sub"),
        ("sub/x", b"x"),
        ("bare/x", b"x"),
    ]);
    for (path, body) in
        [("", "<p>top"), ("index.html", "<p>top"), ("sub/", "<p>sub"), ("sub/index.html", "<p>sub")]
    {
        let live = site.get(path);
        assert_eq!((live.status, live.text().as_str()), (200, body), "{path}");
        assert_eq!(live.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let dated = site.server.get(&format!("site/dated/{}/{path}", site.time));
        assert_eq!(dated.text(), body, "{path}");
        let etag = live.header("etag").unwrap();
        assert_eq!(site.ask(path, &[("If-None-Match", etag)]).status, 304, "{path}");
    }
    assert_eq!(site.get("sub").header("location"), Some("/pulp/content/site/live/sub/"));
    assert_eq!(entries(&site.get("bare/").text()).len(), 1);
}

#[test]
fn only_what_is_below_the_content_prefix_is_served() {
    let server = Site::of_files(&[("x", b"x")]).server;
    let raw = |path| server.connect().request("GET", path, &[]);
    assert_eq!(raw("/pulp/content").header("location"), Some("/pulp/content/"));
    assert_eq!((raw("/").status, raw("/").header("location")), (302, Some("/pulp/content/")));
    for path in ["/pulp", "/pulp/contents/", "/pulp/content?", "/x"] {
        assert_eq!(raw(path).status, if path.ends_with('?') { 301 } else { 404 }, "{path}");
    }
}
