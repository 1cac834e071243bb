//! Package versions and their order (Debian Policy 5.6.12, deb-version(7)).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::error::{Error, Result, clip};

/// A version by the grammar `[epoch:]upstream[-revision]`.
///
/// The text is kept as it was written. Equality is that of dpkg, not of the text: `1.0`, `0:1.0-0` and
/// `1.00` are equal, and hash alike.
#[derive(Clone)]
pub struct Version {
    text: String,
    epoch: u32,
    /// Where the upstream version begins: after the epoch and its colon.
    upstream: usize,
    /// Where the hyphen before the revision is, if there is one.
    hyphen: Option<usize>,
}

impl Version {
    /// Reads a version, as strict as dpkg is when it builds a package.
    ///
    /// # Errors
    /// [`Error::Version`]: the epoch is not a number up to 2147483647; the upstream version is empty,
    /// does not start with a digit or has a character other than `A-Za-z0-9.+-~` (and `:` after an
    /// epoch); the revision is empty or has a character other than `A-Za-z0-9.+~`.
    pub fn parse(text: &str) -> Result<Version> {
        let fail = |why| Err(Error::Version { text: clip(text), why });
        let (epoch, upstream) = match text.split_once(':') {
            None => (0, 0),
            Some((digits, _)) => match parse_epoch(digits) {
                Some(epoch) => (epoch, digits.len() + 1),
                None => return fail("has an epoch that is not a number up to 2147483647"),
            },
        };
        let hyphen = text[upstream..].rfind('-').map(|at| upstream + at);
        let version = Version { text: text.to_owned(), epoch, upstream, hyphen };
        if !version.upstream().starts_with(|c: char| c.is_ascii_digit()) {
            return fail("has an upstream version that does not start with a digit");
        }
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'+' | b'~');
        if !version.upstream().bytes().all(|c| plain(c) || matches!(c, b'-' | b':')) {
            return fail("has a character that is not allowed in the upstream version");
        }
        match version.revision() {
            Some("") => fail("has an empty revision"),
            Some(revision) if !revision.bytes().all(plain) => {
                fail("has a character that is not allowed in the revision")
            }
            _ => Ok(version),
        }
    }

    /// The text as it was parsed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The epoch, 0 if the text has none.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The upstream version, between the epoch and the last hyphen.
    pub fn upstream(&self) -> &str {
        &self.text[self.upstream..self.hyphen.unwrap_or(self.text.len())]
    }

    /// The Debian revision, after the last hyphen; `None` for a native package.
    pub fn revision(&self) -> Option<&str> {
        self.hyphen.map(|at| &self.text[at + 1..])
    }

    /// The text without the epoch and its colon, as it stands in the file name of a package.
    pub fn without_epoch(&self) -> &str {
        &self.text[self.upstream..]
    }
}

/// Compares two versions as dpkg does.
///
/// This never fails, so that an index with odd versions can still be sorted: where a text is no valid
/// version, an epoch that is no number belongs to the upstream version, and any byte outside of the
/// grammar sorts after the letters. The result is a total order on all strings, up to texts that mean
/// the same version.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a), split(b));
    compare_numbers(a.0.as_bytes(), b.0.as_bytes())
        .then_with(|| compare_part(a.1.as_bytes(), b.1.as_bytes()))
        .then_with(|| compare_part(a.2.as_bytes(), b.2.as_bytes()))
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:?})", self.text)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Version> {
        Version::parse(text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        compare(&self.text, &other.text)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    /// Equal versions differ only in zeros before a number, a zero at the end of a part, and a revision
    /// of zero, so the hash is over what is left without these.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.epoch.hash(state);
        for part in [self.upstream(), self.revision().unwrap_or("")] {
            let mut in_number = false;
            for c in part.bytes() {
                if c != b'0' || in_number {
                    state.write_u8(c);
                }
                in_number = c.is_ascii_digit() && (in_number || c != b'0');
            }
            state.write_u8(0xff);
        }
    }
}

fn parse_epoch(digits: &str) -> Option<u32> {
    let number = digits.bytes().all(|c| c.is_ascii_digit());
    let epoch = digits.parse().ok().filter(|_| number)?;
    (epoch <= i32::MAX as u32).then_some(epoch)
}

/// Epoch, upstream version and revision of any text, each possibly empty.
fn split(text: &str) -> (&str, &str, &str) {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|c| c.is_ascii_digit()) => (epoch, rest),
        _ => ("", text),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// The order of upstream versions and of revisions: stretches without digits by [`rank`], stretches of
/// digits by their number, in turn.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (a_text, a_rest) = split_while(a, |c| !c.is_ascii_digit());
        let (b_text, b_rest) = split_while(b, |c| !c.is_ascii_digit());
        for i in 0..a_text.len().max(b_text.len()) {
            let order = rank(a_text.get(i)).cmp(&rank(b_text.get(i)));
            if order.is_ne() {
                return order;
            }
        }
        let (a_number, a_rest) = split_while(a_rest, |c| c.is_ascii_digit());
        let (b_number, b_rest) = split_while(b_rest, |c| c.is_ascii_digit());
        let order = compare_numbers(a_number, b_number);
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    Ordering::Equal
}

/// A tilde sorts before the end (or a digit, which ends the stretch), that before letters, and letters
/// before everything else.
fn rank(c: Option<&u8>) -> i32 {
    match c {
        Some(b'~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    }
}

/// Compares digits by value, of any length; no digits are zero.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (_, a) = split_while(a, |c| c == b'0');
    let (_, b) = split_while(b, |c| c == b'0');
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn split_while(text: &[u8], wanted: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|c| !wanted(*c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb822::stanzas;
    use crate::testing::{have, real_indices};
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeSet;
    use std::collections::hash_map::DefaultHasher;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_parts_of_a_version_are_told_apart() {
        let version = Version::parse("2:1.0-rc-1~x").unwrap();
        assert_eq!((version.epoch(), version.upstream()), (2, "1.0-rc"));
        assert_eq!(version.revision(), Some("1~x"));
        assert_eq!(version.without_epoch(), "1.0-rc-1~x");
        assert_eq!(version.to_string(), "2:1.0-rc-1~x");
        let native = Version::parse("1.0").unwrap();
        assert_eq!((native.epoch(), native.upstream(), native.revision()), (0, "1.0", None));
        assert_eq!(Version::parse("0:1:2-3").unwrap().upstream(), "1:2");
    }

    #[test]
    fn what_policy_forbids_is_refused() {
        for text in [
            "",
            " ",
            ":1",
            "a:1",
            "-1:1",
            "+1:1",
            "2147483648:1",
            "1:",
            "1:-1",
            "-1",
            "a1",
            "1-",
            "1_0",
            "1.0-1_2",
            "1.0 ",
            "1.0\n",
            "é1",
            "1é",
            "1/2",
            "1:2-3:4",
        ] {
            assert!(Version::parse(text).is_err(), "{text:?}");
        }
        assert!(Version::parse("2147483647:1").is_ok());
    }

    #[test]
    fn a_tilde_sorts_before_the_end() {
        assert!(compare("1.0~rc1", "1.0").is_lt());
        assert!(compare("1.0~~", "1.0~").is_lt());
        assert!(compare("1.0-1~bpo12+1", "1.0-1").is_lt());
    }

    #[test]
    fn numbers_compare_by_value_however_long() {
        assert!(compare("1.9", "1.10").is_lt());
        assert!(compare("1.010", "1.10").is_eq());
        assert!(compare(&"9".repeat(100), &format!("1{}", "0".repeat(100))).is_lt());
        assert!(compare("99999999999999999999:1", "100000000000000000000:0").is_lt());
    }

    #[test]
    fn a_missing_revision_is_revision_zero() {
        for (a, b) in [("1.0", "1.0-0"), ("0:1.0", "1.0"), ("1.", "1.0"), ("1.0-a", "1.0-a0")] {
            assert!(compare(a, b).is_eq(), "{a} {b}");
        }
        assert_eq!(Version::parse("1.0").unwrap(), Version::parse("1.0-0").unwrap());
    }

    fn hash(version: &Version) -> u64 {
        let mut state = DefaultHasher::new();
        version.hash(&mut state);
        state.finish()
    }

    /// Asks dpkg to confirm each of our answers. Two shells do it, as starting each process by itself is slow.
    fn agrees_with_dpkg(pairs: &[(String, String)]) {
        let ask = |(a, b): &(String, String)| {
            let relation = match compare(a, b) {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            let question = format!("'{a}' {relation} '{b}'");
            format!("dpkg --compare-versions {question} || echo \"{question}\"\n")
        };
        std::thread::scope(|scope| {
            for half in pairs.chunks(pairs.len().div_ceil(2).max(1)) {
                let script: String = half.iter().map(ask).chain(["echo asked\n".to_owned()]).collect();
                scope.spawn(move || assert_eq!(answer(script), "asked\n", "dpkg says otherwise"));
            }
        });
    }

    fn answer(script: String) -> String {
        let shell = Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut shell = shell.unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()).unwrap());
        let output = shell.wait_with_output().unwrap();
        writer.join().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Versions from few characters, so that two of them are often alike to some point.
    const NASTY: &str = "([0-2]:)?[0-9][0a.+~-]{0,2}[01]{0,2}([aAz.+~0-]{0,3}[0-9])?(-[0a.+~]{1,3})?";

    #[test]
    fn nasty_pairs_compare_as_dpkg_compares_them() {
        if !have("dpkg") {
            return;
        }
        let mut runner = TestRunner::deterministic();
        let strategy = (NASTY, NASTY, any::<bool>());
        let pairs: Vec<(String, String)> =
            std::iter::repeat_with(|| strategy.new_tree(&mut runner).unwrap().current())
                .filter(|(a, b, _)| Version::parse(a).is_ok() && Version::parse(b).is_ok())
                .map(|(a, b, close)| if close { (a.clone(), a.replacen('0', "00", 1) + "~") } else { (a, b) })
                .take(3000)
                .collect();
        agrees_with_dpkg(&pairs);
    }

    #[test]
    fn neighbours_in_the_real_index_compare_as_dpkg_compares_them() {
        let Some(indices) = real_indices() else { return };
        let mut versions: Vec<String> = indices
            .iter()
            .flat_map(|index| stanzas(index))
            .map(|stanza| stanza.get_str("Version").unwrap().to_owned())
            .collect();
        versions.dedup();
        assert!(versions.iter().all(|text| Version::parse(text).unwrap().as_str() == text));
        let pairs: BTreeSet<(String, String)> =
            versions.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        agrees_with_dpkg(&pairs.into_iter().collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in NASTY, b in NASTY, c in NASTY) {
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }

        #[test]
        fn the_order_is_total_on_any_text(a in "[0:a~é-]{0,5}", b in "[0:a~é-]{0,5}", c in ".{0,4}") {
            prop_assert_eq!(compare(&a, &c), compare(&c, &a).reverse());
            for (x, y, z) in [(&a, &b, &c), (&b, &c, &a), (&c, &a, &b)] {
                if compare(x, y).is_le() && compare(y, z).is_le() {
                    prop_assert!(compare(x, z).is_le());
                }
            }
        }

        #[test]
        fn equal_versions_hash_alike(a in "0?:?[01][0a.]{0,3}(-[0a]{1,2})?", b in "[01][0a.]{0,3}(-[0a]{1,2})?") {
            if let (Ok(a), Ok(b)) = (Version::parse(&a), Version::parse(&b)) && a == b {
                prop_assert_eq!(hash(&a), hash(&b));
            }
        }

        #[test]
        fn the_text_comes_back(text in ".{0,8}") {
            if let Ok(version) = Version::parse(&text) {
                prop_assert_eq!(version.to_string(), text);
            }
        }
    }
}
