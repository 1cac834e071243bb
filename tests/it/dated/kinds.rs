//! One repository of each kind, and what its clients do with it.

use checkpoint_core::digest::{Digests, Md5, Sha256};
use checkpoint_testkit::debs;
use checkpoint_testkit::http::{Answer, Connection};
use debian_format::release::Release;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::Debpoint;

/// What the cases have to know of a plugin. Its repository has its name.
pub(super) struct Kind {
    pub(super) plugin: &'static str,
    /// What `content add` has to be told.
    pub(super) flags: &'static [&'static str],
    /// Lists what a publication has.
    pub(super) index: &'static str,
    /// The n-th thing to add.
    pub(super) item: fn(u32) -> Item,
}

pub(super) struct Item {
    pub(super) file_name: String,
    pub(super) bytes: Vec<u8>,
    /// Where it is published.
    pub(super) path: String,
    /// What `content remove` calls it.
    pub(super) name: String,
}

pub(super) const KINDS: [Kind; 2] = [
    Kind { plugin: "file", flags: &[], index: "PULP_MANIFEST", item: file },
    Kind {
        plugin: "deb",
        flags: &["--suite", "bookworm"],
        index: "dists/bookworm/main/binary-amd64/Packages",
        item: package,
    },
];

/// Names of files may hold anything; the first one's does.
fn file(n: u32) -> Item {
    let name = match n {
        0 => "0+a~b:c é&%41%2b#?.iso".to_owned(),
        _ => format!("file-{n}.iso"),
    };
    Item {
        file_name: name.clone(),
        bytes: format!("file {n}\n").repeat(50).into_bytes(),
        path: name.clone(),
        name,
    }
}

/// The first one's path has all that packages' paths can have.
fn package(n: u32) -> Item {
    let (name, version, directory) = match n {
        0 => ("libitem++".to_owned(), "1:1.0~rc1+b1", "libi"),
        _ => (format!("item{n}"), "1.0", "i"),
    };
    let file_name = debs::file_name(&name, version, "amd64");
    Item {
        bytes: debs::deb_with(&name, version, "amd64", ""),
        path: format!("pool/main/{directory}/{name}/{file_name}"),
        file_name,
        name,
    }
}

impl Kind {
    pub(super) fn path(&self, n: u32) -> String {
        (self.item)(n).path
    }

    pub(super) fn add(&self, debpoint: &Debpoint, n: u32) {
        let item = (self.item)(n);
        let file = debpoint.file(&format!("{}/{}", self.plugin, item.file_name), item.bytes);
        debpoint.ok(&[&["content", "add", self.plugin, &file], self.flags].concat());
    }

    /// A path in the live distribution.
    pub(super) fn live(&self, path: &str) -> String {
        format!("{}/live/{path}", self.plugin)
    }

    /// A path at a date.
    pub(super) fn dated(&self, time: &str, path: &str) -> String {
        format!("{}/dated/{time}/{path}", self.plugin)
    }

    pub(super) fn root(&self) -> String {
        format!("{}/dated/", self.plugin)
    }

    /// The path of an index by its hash.
    pub(super) fn by_hash(&self, algorithm: &str, hex: &str) -> String {
        let directory = self.index.rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{directory}/by-hash/{algorithm}/{hex}").trim_start_matches('/').to_owned()
    }
}

/// One repository of each kind.
pub(super) fn repositories() -> Debpoint {
    let debpoint = Debpoint::new();
    for kind in &KINDS {
        debpoint.repository(kind.plugin, kind.plugin);
    }
    debpoint
}

/// As few escapes as a request can have.
pub(super) const FEW: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'#').add(b'?');
/// As many escapes as it can have.
pub(super) const MANY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');

pub(super) fn escape(path: &str, which: &'static AsciiSet) -> String {
    utf8_percent_encode(path, which).to_string()
}

/// The times on a page, as Pulp's tests look for them: anything of the form `\d{8}T\d{6}Z`. Each stands in the
/// link and in its text.
pub(super) fn times_on(page: &Answer) -> Vec<String> {
    assert_eq!(page.status, 200);
    let is_time = |text: &[u8]| {
        text.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
    };
    let found = page.body.windows(16).filter(|window| is_time(window));
    let mut times: Vec<_> = found.map(|time| String::from_utf8(time.to_vec()).unwrap()).collect();
    times.dedup();
    times
}

/// The target of a redirect, below /pulp/content/.
pub(super) fn target(answer: &Answer) -> &str {
    assert_eq!(answer.status, 301);
    let location = answer.header("location").unwrap();
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()) && !location.contains('?'), "{location}");
    location.strip_prefix("/pulp/content/").unwrap()
}

/// Fetches all that the publication at `base` lists, by hash where it can; gives how many things it has.
pub(super) fn fetch_all(kind: &Kind, connection: &mut Connection, base: &str) -> usize {
    let mut get = |path: &str, sha256: Option<&str>| {
        let answer = connection.request("GET", &format!("/pulp/content/{base}{}", escape(path, FEW)), &[]);
        assert_eq!(answer.status, 200, "{base}{path}");
        let digest = Digests::of(&answer.body).sha256.to_string();
        assert!(sha256.is_none_or(|sha256| sha256 == digest), "{base}{path}");
        // Compressed files are not text, and nobody reads them here.
        String::from_utf8(answer.body).unwrap_or_default()
    };
    if kind.plugin == "file" {
        let manifest = get(kind.index, None);
        let lines = manifest.lines().map(|line| line.rsplitn(3, ',').collect::<Vec<_>>());
        return lines.map(|fields| get(fields[2], Some(fields[1]))).count();
    }
    let release = Release::parse(get("dists/bookworm/Release", None).as_bytes()).unwrap();
    assert_eq!(release.files.len(), 8, "three forms of two indices, and a Release beside each");
    let mut packages = String::new();
    for file in &release.files {
        let directory = file.path.rsplit_once('/').unwrap().0;
        let sha256 = Sha256::from(file.sha256.unwrap()).to_string();
        let md5 = Md5::from(file.md5.unwrap());
        get(&format!("dists/bookworm/{directory}/by-hash/MD5Sum/{md5}"), Some(&sha256));
        let text = get(&format!("dists/bookworm/{directory}/by-hash/SHA256/{sha256}"), Some(&sha256));
        if kind.index.ends_with(&file.path) {
            packages = text;
        }
    }
    let field = |stanza: &str, name: &str| {
        let line = stanza.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    let stanzas = packages.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
    stanzas.map(|stanza| get(&field(stanza, "Filename: "), Some(&field(stanza, "SHA256: ")))).count()
}

/// The checkpoint that a time stands for, by asking for it.
pub(super) fn resolve(kind: &Kind, connection: &mut Connection, time: &str) -> String {
    let path = kind.dated(time, "");
    let answer = connection.request("GET", &format!("/pulp/content/{path}"), &[]);
    let found = if answer.status == 200 { &path } else { target(&answer) };
    found.trim_end_matches('/').rsplit_once('/').unwrap().1.to_owned()
}
