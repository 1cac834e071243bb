//! Whatever Release lists comes along, and is published.

use checkpoint_testkit::archive::Extra;
use checkpoint_testkit::debs::deb_with;
use checkpoint_testkit::program;
use checkpoint_testkit::upstream::Upstream;
use debian_format::compression::Compression;
use debian_format::release::Release;

use super::Mirror;
use crate::support::apt::Apt;
use crate::support::{Debpoint, Server, upstream_archive};

/// A mirror of an archive with all that one can have.
pub(super) fn whole(flags: &[&str]) -> Mirror {
    let mut archive = upstream_archive();
    archive.add("tool", "1.0", deb_with("tool", "1.0", "amd64", ""));
    archive.add_to("contrib", "extra", "1.0", deb_with("extra", "1.0", "all", ""));
    archive.add_udeb("tool-udeb", "1.0", deb_with("tool-udeb", "1.0", "amd64", ""));
    archive.add_source("tool", "1.0");
    archive.compressions = vec![Compression::Xz, Compression::Gz];
    archive.plain = false;
    archive.all_in_each = true;
    archive.extras = Extra::ALL.into();
    let all = ["--udebs", "--installer", "--sources"];
    Mirror::of(archive, (Debpoint::new(), Upstream::default()), &[&all[..], flags].concat())
}

/// The Release of a live distribution.
fn release(server: &Server) -> Release {
    Release::parse(server.get("mirror/live/dists/bookworm/Release").text().as_bytes()).unwrap()
}

/// Every file that Release lists is there by its name and by its hash, or it is a plain form that upstream has not.
pub(super) fn complete(server: &Server, mirror: &Mirror) -> Vec<String> {
    let mut served = Vec::new();
    for file in release(server).files {
        let answer = server.get(&format!("mirror/live/dists/bookworm/{}", file.path));
        if answer.status == 404 {
            let upstream = mirror.upstream.paths();
            let (own, xz) =
                (format!("/dists/bookworm/{}", file.path), format!("/dists/bookworm/{}.xz", file.path));
            let gz = format!("/dists/bookworm/{}.gz", file.path);
            assert!(!upstream.contains(&own), "{own}");
            assert!(upstream.contains(&xz) || upstream.contains(&gz), "{own}");
            continue;
        }
        assert_eq!((answer.status, answer.body.len() as u64), (200, file.size), "{}", file.path);
        let directory =
            file.path.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
        let hex: String = file.sha256.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        let hashed = server.get(&format!("mirror/live/dists/bookworm/{directory}by-hash/SHA256/{hex}"));
        assert!(hashed.status == 200 && hashed.body == answer.body, "{}", file.path);
        served.push(file.path);
    }
    served
}

#[test]
fn whatever_release_lists_comes_along_and_is_published_again() {
    for policy in ["immediate", "on_demand"] {
        let mirror = whole(&["--policy", policy]);
        mirror.sync();
        mirror.debpoint.publish("mirror", true);
        let server = mirror.debpoint.serve();
        let served = complete(&server, &mirror);
        for path in [
            "main/binary-amd64/Packages.xz",
            "main/binary-amd64/Release",
            "main/debian-installer/binary-amd64/Packages.gz",
            "contrib/debian-installer/binary-amd64/Packages.gz",
            "main/source/Sources.xz",
            "contrib/source/Sources.xz",
            "main/i18n/Translation-en.xz",
            "main/Contents-amd64.gz",
            "main/dep11/Components-amd64.yml.gz",
            "main/dep11/icons-48x48.tar.gz",
            "main/cnf/Commands-amd64.xz",
            "main/installer-amd64/current/images/SHA256SUMS",
            "contrib/binary-amd64/Packages.xz",
        ] {
            assert!(served.iter().any(|served| served == path), "{path} is missing in {served:?}");
        }
        let image = "dists/bookworm/main/installer-amd64/current/images/netboot/mini.iso";
        assert_eq!(
            server.get(&format!("mirror/live/{image}")).body,
            mirror.upstream.file(&format!("/{image}"))
        );
        let index =
            server.get("mirror/live/dists/bookworm/main/debian-installer/binary-amd64/Packages").text();
        assert!(index.contains("Package: tool-udeb\n") && !index.contains("Package: tool\n"), "{index}");
        let index = server.get("mirror/live/dists/bookworm/main/binary-amd64/Packages").text();
        assert!(index.contains("Package: tool\n") && !index.contains("Package: tool-udeb\n"), "{index}");
        let stub = server.get("mirror/live/dists/bookworm/main/binary-amd64/Release").text();
        assert!(stub.contains("Archive: bookworm\n") && stub.contains("Architecture: amd64\n"), "{stub}");
        assert_eq!(mirror.content().len(), 4 + 3, "four packages, three images; indices are not content");
        mirror.debpoint.ok(&["verify"]);
    }
}

#[test]
fn a_file_of_an_unknown_kind_comes_along_only_where_all_indices_are_wanted() {
    let listed = |mirror: &Mirror| {
        mirror.sync();
        mirror.debpoint.publish("mirror", false);
        let server = mirror.debpoint.serve();
        complete(&server, mirror).iter().any(|path| path.contains("unknown"))
    };
    assert!(!listed(&whole(&[])));
    assert!(listed(&whole(&["--all-indices"])));
}

#[test]
fn what_has_changed_is_fetched_and_the_rest_is_not() {
    let mut mirror = whole(&[]);
    mirror.sync();
    mirror.upstream.asked();
    mirror.archive.add_to("contrib", "extra", "1.1", deb_with("extra", "1.1", "all", ""));
    mirror.archive.publish(&mirror.upstream);
    mirror.sync();
    let asked = mirror.upstream.asked();
    assert!(asked.iter().any(|path| path.contains("/contrib/")), "{asked:?}");
    let again: Vec<_> =
        asked.iter().filter(|path| path.contains("/main/") && path.contains("dists")).collect();
    assert_eq!(again, [] as [&String; 0]);
}

#[test]
fn what_upstream_lists_but_does_not_have_is_remarked_and_left_out() {
    let mirror = whole(&[]);
    for path in
        mirror.upstream.paths().iter().filter(|path| path.contains("Contents-") || path.contains("by-hash"))
    {
        mirror.upstream.remove(path);
    }
    let synced = mirror.sync();
    let remarks = synced["remarks"].to_string();
    assert!(remarks.contains("lists what the upstream does not have: 'contrib/Contents-"), "{remarks}");
    mirror.debpoint.publish("mirror", false);
    let server = mirror.debpoint.serve();
    assert!(!complete(&server, &mirror).iter().any(|path| path.contains("Contents")));
    assert!(!release(&server).files.iter().any(|file| file.path.contains("Contents")));
}

#[test]
fn apt_reads_translations_of_a_mirror() {
    if !program("apt-get") {
        return;
    }
    let mirror = whole(&[]);
    mirror.sync();
    let server = mirror.serve();
    let date = mirror.debpoint.publish("mirror", true);
    let apt = Apt::new(&mirror.debpoint.ok(&["pin", "mirror-dated", &date]));
    let languages = ["-q", "-o", "Acquire::Languages=en", "update"];
    let said = apt.run("apt-get", &languages);
    assert!(said.ok && said.text.contains("main Translation-en"), "{}", said.text);
    drop(server);
}

#[test]
fn a_flat_repository_is_followed_and_stays_flat() {
    let mut archive = upstream_archive();
    archive.suite = "./".into();
    archive.add("tool", "1.0", deb_with("tool", "1.0", "amd64", ""));
    archive.add("data", "1.0", deb_with("data", "1.0", "all", ""));
    let mirror = Mirror::of(archive, (Debpoint::new(), Upstream::default()), &["--verbatim"]);
    assert_eq!(mirror.sync()["fetched"].as_i64().map(|fetched| fetched > 2), Some(true));
    let server = mirror.serve();
    let mut dates = Vec::new();
    for kind in ["apt", "verbatim"] {
        let publish = ["publish", "mirror", "--checkpoint", "--kind", kind];
        dates.push(mirror.debpoint.json(&publish)["time"].as_str().unwrap().to_owned());
    }
    if !program("apt-get") {
        return;
    }
    for date in dates {
        let pin = mirror.debpoint.ok(&["pin", "mirror-dated", &date]);
        assert!(pin.contains("Suites: ./\n") && !pin.contains("Components"), "{pin}");
        let apt = Apt::new(&pin);
        apt.update().clean();
        assert_eq!(apt.download("tool"), ["tool_1.0_amd64.deb"]);
        assert_eq!(apt.names(), ["data", "tool"]);
    }
    let index = server.get("mirror/live/Packages").text();
    assert!(index.contains("Filename: ./"), "verbatim is as upstream wrote it: {index}");
}
