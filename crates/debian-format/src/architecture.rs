//! Architecture wildcards (Debian Policy 11.1, dpkg-architecture(1)).

/// Whether the name of an architecture matches a wildcard, as dpkg sees it: `amd64` matches `amd64`, `any`,
/// `linux-any`, `any-amd64` and `gnu-any-any`; `all` matches `all` and `any`. A name that dpkg does not know
/// is taken for a processor of GNU/Linux.
pub fn matches(architecture: &str, wildcard: &str) -> bool {
    if wildcard == architecture || wildcard == "any" {
        return true;
    }
    match (tuple(architecture), wildcard_tuple(wildcard)) {
        (Some(real), Some(wanted)) => real.iter().zip(wanted).all(|(a, b)| *a == b || b == "any"),
        _ => false,
    }
}

/// ABI, C library, kernel and processor of an architecture; `None` for `all`, which has none.
fn tuple(architecture: &str) -> Option<[&str; 4]> {
    let (system, cpu) = architecture.rsplit_once('-').unwrap_or(("linux", architecture));
    let (libc, kernel) = match system {
        "linux" | "kfreebsd" | "knetbsd" | "kopensolaris" | "hurd" => ("gnu", system),
        "freebsd" | "openbsd" | "netbsd" | "dragonflybsd" | "darwin" => ("bsd", system),
        "aix" | "solaris" => ("sysv", system),
        "uclinux" => ("uclibc", system),
        "mint" => ("tos", system),
        "uclibc-linux" => ("uclibc", "linux"),
        "musl-linux" => ("musl", "linux"),
        _ => return None,
    };
    let (abi, cpu) = match cpu {
        "all" => return None,
        "armel" => ("eabi", "arm"),
        "armhf" => ("eabihf", "arm"),
        "arm64ilp32" => ("ilp32", "arm64"),
        "mips64" | "mips64el" | "mips64r6" | "mips64r6el" if system == "linux" => ("abi64", cpu),
        "mipsn32" => ("abin32", "mips64"),
        "mipsn32el" => ("abin32", "mips64el"),
        "mipsn32r6" => ("abin32", "mips64r6"),
        "mipsn32r6el" => ("abin32", "mips64r6el"),
        "powerpcspe" => ("spe", "powerpc"),
        "x32" => ("x32", "amd64"),
        _ => ("base", cpu),
    };
    Some([abi, libc, kernel, cpu])
}

/// The same of a wildcard, whose parts may be missing from the left; what has no `any` is an architecture.
fn wildcard_tuple(wildcard: &str) -> Option<[&str; 4]> {
    let parts: Vec<&str> = wildcard.splitn(4, '-').collect();
    match parts[..] {
        _ if !parts.contains(&"any") => tuple(wildcard),
        [kernel, cpu] => Some(["any", "any", kernel, cpu]),
        [libc, kernel, cpu] => Some(["any", libc, kernel, cpu]),
        [abi, libc, kernel, cpu] => Some([abi, libc, kernel, cpu]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{have, run};
    use proptest::prelude::*;

    #[test]
    fn every_architecture_of_dpkg_matches_the_wildcards_that_dpkg_says() {
        if !have("dpkg-architecture") {
            return;
        }
        let wildcards = [
            "any",
            "all",
            "amd64",
            "armhf",
            "linux-amd64",
            "linux-any",
            "any-any",
            "any-amd64",
            "any-i386",
            "any-arm",
            "any-armhf",
            "hurd-any",
            "kfreebsd-any",
            "any-mips64el",
            "gnu-any-any",
            "musl-any-any",
            "musl-linux-any",
            "uclibc-any-arm",
            "bsd-any-any",
            "sysv-any-any",
            "any-linux-any",
            "gnu-linux-any",
            "eabihf-any-any-any",
            "base-gnu-any-any",
            "x32-any-any-any",
            "abi64-any-any-any",
            "any-any-any-amd64",
            "mint-any",
            "any-",
            "-any",
            "any-any-any-any-any",
        ];
        let script = "use Dpkg::Arch qw(debarch_is get_valid_arches);
            for my $real (get_valid_arches(), 'all') {
                for (@ARGV) { print \"$real $_ \", debarch_is($real, $_) ? 1 : 0, \"\\n\" }
            }";
        let args = [&["-e", script, "--"], &wildcards[..]].concat();
        let answers = String::from_utf8(run("perl", &args)).unwrap();
        assert!(answers.lines().count() > 10_000);
        for answer in answers.lines() {
            let words: Vec<&str> = answer.split(' ').collect();
            assert_eq!(matches(words[0], words[1]), words[2] == "1", "{answer}");
        }
    }

    #[test]
    fn an_architecture_that_dpkg_does_not_know_is_one_of_gnu_linux() {
        assert!(matches("wasm32", "wasm32") && matches("wasm32", "any") && matches("wasm32", "linux-any"));
        assert!(!matches("wasm32", "any-amd64") && !matches("odd-system-wasm32", "linux-any"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(name in "[a-]{0,8}|.*", wildcard in "(any|-|a){0,8}|.*") {
            matches(&name, &wildcard);
        }
    }
}
