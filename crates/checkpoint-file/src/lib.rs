//! The file plugin of debpoint: any files, published as they are beside a `PULP_MANIFEST`.
//!
//! A manifest has one line for each file, `path,sha256,size`, as Pulp writes and reads it.

mod manifest;
mod rest;

use std::cmp::Ordering;
use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use checkpoint_core::catalog::KnownUnit;
use checkpoint_core::model::{NewUnit, Placed, Unit, UnitArtifact};
use checkpoint_core::name::RelativePath;
use checkpoint_core::plugin::{
    ContentType, Declaration, Expected, Label, OptionsType, PinJob, Plugin, PublishJob, Registry, SameKey,
    Seal, SyncJob, SyncMode, Upload,
};
use checkpoint_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use manifest::Line;

/// The content type.
const FILE: &str = "file.file";
/// The manifest's name unless the publication's options say otherwise.
const MANIFEST: &str = "PULP_MANIFEST";
/// A manifest of a million files has some 100 MiB; one beyond this is refused.
const MAX_MANIFEST: u64 = 256 << 20;

/// Adds the plugin.
pub fn register(registry: &mut Registry) {
    registry.register(Arc::new(FilePlugin));
}

struct FilePlugin;

/// Options of a file repository.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RepositoryOptions {
    /// The name of the manifest, unless a publication has another one [default: PULP_MANIFEST].
    manifest: Option<String>,
}

/// Options of a file remote.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RemoteOptions {}

/// Options of a file publication.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct PublicationOptions {
    /// The name of the manifest, if not the repository's.
    manifest: Option<String>,
}

/// Options of an upload.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct UploadOptions {
    /// Path of the file in the repository; the file's own name if it is not given.
    relative_path: Option<String>,
}

#[async_trait]
impl Plugin for FilePlugin {
    fn declaration(&self) -> Declaration {
        Declaration {
            name: "file",
            about: "any files, listed in a PULP_MANIFEST",
            repository: OptionsType::of::<RepositoryOptions>(),
            remote: Some(OptionsType::of::<RemoteOptions>()),
            // As in Pulp.
            sync_mode: SyncMode::Additive,
            publication: OptionsType::of::<PublicationOptions>(),
            content: vec![ContentType {
                name: FILE,
                upload: OptionsType::of::<UploadOptions>(),
                // The next version may have another file of that name.
                immutable_paths: false,
                served: true,
            }],
            rest: rest::rest(),
        }
    }

    fn parse_upload(&self, upload: Upload<'_>) -> Result<Placed<NewUnit>> {
        let options: UploadOptions = parse_options(upload.options)?;
        let path = options.relative_path.as_deref().unwrap_or(upload.file_name).parse()?;
        Ok(unit(Line { path, sha256: upload.digests.sha256, size: upload.digests.size }))
    }

    fn same_key(&self, _: &KnownUnit, _: &NewUnit) -> SameKey {
        SameKey::Replace
    }

    fn label(&self, unit: &Unit) -> Label {
        let text = String::from_utf8_lossy(&unit.body);
        let version = text.parse::<Line>().map(|line| line.sha256.to_string()).unwrap_or_default();
        Label { name: unit.key.clone(), variant: String::new(), version }
    }

    fn compare_versions(&self, _: &str, _: &str) -> Ordering {
        // Other bytes are neither newer nor older.
        Ordering::Equal
    }

    fn publish(&self, job: PublishJob<'_>) -> Result<Seal> {
        let options: PublicationOptions = parse_options(job.options)?;
        let repository: RepositoryOptions = parse_options(job.repository_options)?;
        let name = options.manifest.or(repository.manifest);
        let path: RelativePath = name.as_deref().unwrap_or(MANIFEST).parse()?;
        let mut manifest = job.writer.create()?;
        for placed in job.contents.units() {
            let unit = placed?.unit;
            if unit.key == path.as_str() {
                return Err(Error::Conflict(format!(
                    "a file of the repository stands where the manifest '{path}' goes"
                )));
            }
            manifest.write_all(&unit.body).map_err(Error::io("write", "a manifest"))?;
        }
        job.writer.add(path, manifest)?;
        Ok(Box::new(|_| Ok(Vec::new())))
    }

    async fn sync(&self, job: SyncJob<'_>) -> Result<()> {
        let expected = Expected { limit: MAX_MANIFEST, ..Expected::default() };
        let fetched = job.fetcher.fetch(job.url, expected).await?;
        let text = std::io::read_to_string(fetched.open()?)
            .map_err(|_| Error::Invalid(format!("{}: it is not text", job.url)))?;
        let lines =
            manifest::parse(&text).map_err(|error| Error::Invalid(format!("{}: {error}", job.url)))?;
        let base = job.url.rsplit_once('/').map_or(job.url, |(base, _)| base);
        job.sink.claim("");
        let base = base.into();
        lines.into_iter().for_each(|line| job.sink.add(unit(line), &base));
        Ok(())
    }

    fn pin(&self, job: &PinJob<'_>) -> Result<String> {
        Ok(format!("{}{MANIFEST}\n", job.url))
    }
}

fn unit(line: Line) -> Placed<NewUnit> {
    let unit = NewUnit {
        content_type: FILE,
        key: line.path.to_string(),
        body: format!("{line}\n").into_bytes(),
        artifacts: vec![UnitArtifact { path: line.path, sha256: line.sha256, size: line.size }],
    };
    Placed { place: String::new(), unit }
}

fn parse_options<T: serde::de::DeserializeOwned>(options: &serde_json::Value) -> Result<T> {
    T::deserialize(options).map_err(|error| Error::Invalid(format!("bad options: {error}")))
}
