//! What comes along besides packages: the signed Release, forms of indices, translations, contents, installer images.

use std::io::Read as _;

use checkpoint_core::digest::{Digests, Sha256};
use checkpoint_core::model::{NewUnit, Placed, UnitArtifact};
use checkpoint_core::plugin::SyncJob;
use checkpoint_core::{Error, Result};
use debian_format::name;
use debian_format::release::Release;
use futures_util::StreamExt as _;

use super::choose::{Forms, Index, Part};
use super::indices::{Directory, hold};
use super::packages::PlacedUnit;
use super::release::Companion;
use crate::content::{GENERIC, INSTALLER_FILE, INSTALLER_FILE_INDEX, PACKAGE_INDEX, RELEASE_FILE};
use crate::files::{self, Listed, ReleaseFile};
use crate::place;

/// How many images are asked for their size at once.
const PARALLEL: usize = 8;
/// The largest list of checksums that is read, in bytes.
const MAX_SUMS: u64 = 16 << 20;

/// Where what comes along goes.
pub(super) struct Extras<'a> {
    pub(super) suite: &'a str,
    pub(super) place: &'a str,
    pub(super) directory: &'a Directory,
    /// Whether every form that the upstream has comes along, the plain one too.
    pub(super) verbatim: bool,
}

impl Extras<'_> {
    fn placed(&self, unit: NewUnit) -> PlacedUnit {
        Placed { place: self.place.to_owned(), unit }
    }

    fn listed(&self, content_type: &'static str, files: &[Listed]) -> Result<Vec<PlacedUnit>> {
        files.iter().map(|listed| Ok(self.placed(listed.unit(content_type, self.suite)?))).collect()
    }

    /// The files of a part that are neither read nor images.
    /// Those that the upstream lists but does not have are put to `missing`.
    pub(super) async fn files(
        &self,
        job: &mut SyncJob<'_>,
        part: &Part,
        missing: &mut Vec<String>,
    ) -> Result<Vec<PlacedUnit>> {
        let mut units = Vec::new();
        let unread = part.unread.iter().map(|forms| (PACKAGE_INDEX, forms));
        let images = part.images.iter().map(|forms| (INSTALLER_FILE_INDEX, forms));
        let other = part.files.iter().map(|forms| (GENERIC, forms));
        for (content_type, forms) in unread.chain(images).chain(other) {
            let files = self.hold_forms(job, forms).await?;
            if files.iter().any(|listed| listed.held) {
                units.extend(self.listed(content_type, &files)?);
            } else {
                missing.push(forms.stem.clone());
            }
        }
        Ok(units)
    }

    /// All forms of an index that the upstream has, so that it can be published as it is.
    pub(super) async fn forms(&self, job: &mut SyncJob<'_>, index: &Index) -> Result<Vec<PlacedUnit>> {
        let files = self.hold_forms(job, &index.forms).await?;
        self.listed(PACKAGE_INDEX, &files)
    }

    async fn hold_forms(&self, job: &mut SyncJob<'_>, forms: &Forms) -> Result<Vec<Listed>> {
        let wanted: Vec<Listed> = forms.worth_fetching(self.verbatim).cloned().collect();
        let mut files = hold(job, self.directory, wanted).await?;
        // The plain file is listed, and so has to be, even where only compressed ones are.
        if let Some(plain) =
            forms.plain().filter(|plain| files.iter().all(|listed| listed.path != plain.path))
        {
            let held = !job.sink.held(&[plain.sha256]).await?.is_empty();
            files.push(Listed { held, ..plain.clone() });
        }
        Ok(files)
    }

    /// The images whose checksums a file lists, a line `SHA256  ./path` for each.
    pub(super) async fn images(&self, job: &mut SyncJob<'_>, sums: &Forms) -> Result<Vec<PlacedUnit>> {
        let fetched = super::indices::fetch(job, self.directory, sums).await?;
        let mut text = String::new();
        let file = fetched.staged.open()?.take(MAX_SUMS).read_to_string(&mut text);
        let wrong = |why: String| Error::Invalid(format!("upstream's '{}': {why}", sums.stem));
        file.map_err(|_| wrong("it is not text".into()))?;
        let (inside, _) = sums.stem.rsplit_once('/').unwrap_or(("", &sums.stem));
        let mut images = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let image = line.split_once(char::is_whitespace).and_then(|(sha256, path)| {
                let path = path.trim_start().trim_start_matches('*').trim_start_matches("./");
                Some((sha256.parse::<Sha256>().ok()?, name::safe_path(path).ok()?))
            });
            let (sha256, path) = image.ok_or_else(|| wrong("a line is not a SHA-256 and a path".into()))?;
            images.push((sha256, format!("{inside}/{path}")));
        }
        let fetcher = job.fetcher;
        let url = &self.directory.url;
        let sizes = images.into_iter().map(|(sha256, path)| async move {
            let size = fetcher.size(&format!("{url}/{path}")).await;
            (sha256, path, size)
        });
        let mut sizes = futures_util::stream::iter(sizes).buffered(PARALLEL);
        let mut units = Vec::new();
        while let Some((sha256, path, size)) = sizes.next().await {
            match size {
                Ok(size) => units.push(self.placed(self.image(sha256, path, size)?)),
                // Lists name more than there is: images that are made only for some machines.
                Err(Error::Fetch { missing: true, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(units)
    }

    fn image(&self, sha256: Sha256, path: String, size: u64) -> Result<NewUnit> {
        let key = place::path_in(self.suite, &path);
        let file = UnitArtifact { path: key.parse()?, sha256, size };
        files::unit(INSTALLER_FILE, key, &Listed { path, size, sha256, md5: None, held: true }, vec![file])
    }

    /// The signed Release in all its forms, and the keys that it was held against.
    pub(super) fn release(
        &self,
        release: &Release,
        companions: &[Companion],
        keyring: Option<&str>,
    ) -> Result<PlacedUnit> {
        let (mut forms, mut artifacts) = (Vec::new(), Vec::new());
        for Companion { name, digests: Digests { sha256, md5, size } } in companions {
            let path = place::path_in(self.suite, name).parse()?;
            artifacts.push(UnitArtifact { path, sha256: *sha256, size: *size });
            let path = (*name).to_owned();
            forms.push(Listed { path, size: *size, sha256: *sha256, md5: Some(*md5), held: true });
        }
        let body = ReleaseFile {
            forms,
            keyring: keyring.map(str::to_owned),
            codename: release.codename.clone(),
            suite: release.suite.clone(),
            components: release.components.clone(),
            architectures: release.architectures.clone(),
            label: release.label.clone(),
            expires: release.valid_until.is_some(),
        };
        let key = place::path_in(self.suite, "Release");
        Ok(self.placed(files::unit(RELEASE_FILE, key, &body, artifacts)?))
    }
}
