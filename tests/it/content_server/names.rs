//! Names in URLs: how they may be written, and what nobody should write.

use super::Site;

#[test]
fn a_name_may_be_escaped_in_any_way() {
    let names = ["a+b~c.iso", "x y.iso", "é.iso", "%41.iso", "a:b@c,d;e=f&g!$'()*.iso", "sub/in.iso"];
    let files = names.map(|name| (name, name.as_bytes()));
    let site = Site::of_files(&files);
    let written = [
        ("a+b~c.iso", "a+b~c.iso"),
        ("a%2bb%7ec.iso", "a+b~c.iso"),
        ("a%2Bb%7Ec.iso", "a+b~c.iso"),
        ("%61+b~c%2Eiso", "a+b~c.iso"),
        ("a+b~c.iso?query=x/../y", "a+b~c.iso"),
        ("a+b~c.iso?", "a+b~c.iso"),
        ("x%20y.iso", "x y.iso"),
        ("%c3%a9.iso", "é.iso"),
        ("%C3%A9.iso", "é.iso"),
        ("é.iso", "é.iso"),
        ("%2541.iso", "%41.iso"),
        ("a:b@c,d;e=f&g!$'()*.iso", "a:b@c,d;e=f&g!$'()*.iso"),
        ("a%3Ab%40c%2Cd%3Be%3Df%26g%21%24%27%28%29%2a.iso", "a:b@c,d;e=f&g!$'()*.iso"),
        ("sub/in.iso", "sub/in.iso"),
        ("s%75b/in.iso", "sub/in.iso"),
    ];
    for (written, name) in written {
        let answer = site.get(written);
        assert_eq!((answer.status, answer.text().as_str()), (200, name), "{written}");
    }
    // A plus is a plus, and an escape is resolved once.
    for written in ["x+y.iso", "%41.iso", "a%252bb~c.iso", "A+B~C.iso", "e%CC%81.iso"] {
        assert_eq!(site.get(written).status, 404, "{written}");
    }
    let mut connection = site.server.connect();
    for prefix in ["", "http://elsewhere:1", "HTTP://test"] {
        connection.send(
            format!("GET {prefix}/pulp/content/site/live/a+b~c.iso HTTP/1.1\r\nHost: test\r\n\r\n")
                .as_bytes(),
        );
        assert_eq!(connection.answer(false).body, b"a+b~c.iso", "{prefix}");
    }
}

/// Below a distribution.
const BESIDE: [&str; 40] = [
    "%",
    "%4",
    "%zz",
    "%00",
    "file%00",
    "%0d%0aSet-Cookie:x=y",
    "%7f",
    "%ff",
    "%ed%a0%80",
    "%c0%ae%c0%ae/",
    "..",
    "../",
    ".",
    "./",
    "../live/file",
    "%2e%2e/live/file",
    "sub/../file",
    "sub/%2e%2e/file",
    "../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%5c..%5cfile",
    "file/",
    "file/x",
    "file//",
    "/",
    "//",
    "/file",
    "//file",
    "sub//",
    "sub//in",
    "%2f",
    "%2ffile",
    "file%20",
    "file.",
    "FILE",
    "file%E2%80%AE",
    "by-hash/SHA256/",
    "by-hash/SHA256/zz",
    "by-hash/MD5Sum/é",
    "by-hash/SHA256/../../file",
];
/// Above all of them.
const ABOVE: [&str; 11] =
    ["/", "//", "/site/live/file", "site//live/file", "..", "../", "../../", "%2e%2e/", "%00", "%ff", "."];

#[test]
fn a_path_that_nobody_should_write_is_refused_calmly() {
    let site = Site::of_files(&[("file", b"secret"), ("sub/in", b"x")]);
    let long =
        ["a".repeat(5_000), "a/".repeat(4_000), "%41".repeat(15_000), "a".repeat(60_000), "é".repeat(3_000)];
    let urls = BESIDE.iter().map(|path| format!("site/live/{path}"));
    let urls = urls.chain(long.iter().map(|path| format!("site/live/{path}")));
    let dated = [format!("site/dated/{}//file", site.time), format!("site/dated/{}/../live/file", site.time)];
    let dates = ["site/dated//", "site/dated//file", "site/dated/../live/file", "site/dated/./"];
    for url in urls.chain(ABOVE.map(str::to_owned)).chain(dated).chain(dates.map(str::to_owned)) {
        let answer = site.server.get(&url);
        let shown: String = url.chars().take(80).collect();
        assert!(matches!(answer.status, 400 | 404 | 414), "{}: {shown}", answer.status);
        assert_eq!(answer.header("set-cookie"), None, "{shown}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{shown}");
    }
    for bytes in [&b"site/live/\xFF"[..], b"site/live/\xC3\xA9\xC3", b"site/live/\x7F", b"site/live/a\0b"] {
        let mut connection = site.server.connect();
        connection.send(&[b"GET /pulp/content/", bytes, b" HTTP/1.1\r\nHost: test\r\n\r\n"].concat());
        let status = connection.answer(false).status;
        assert!(matches!(status, 400 | 404), "{status}: {bytes:?}");
    }
    assert_eq!(site.get("file").body, b"secret");
}
