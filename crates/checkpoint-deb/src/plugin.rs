//! The plugin's value: each method is in the module that it is about.

use std::cmp::Ordering;

use async_trait::async_trait;
use checkpoint_core::catalog::KnownUnit;
use checkpoint_core::model::{NewUnit, Placed, Unit, UnitArtifact};
use checkpoint_core::plugin::{
    ContentType, Declaration, Derived, Label, OptionsType, PinJob, Plugin, PublishJob, ResealJob, Resealed,
    SameKey, Seal, Selected, SyncJob, SyncMode, Upload,
};
use checkpoint_core::{Error, Result};
use debian_format::pattern::Pattern;
use debian_format::version;
use serde_json::{Map, Value};

use crate::choose::choose;
use crate::options::{PublicationOptions, RemoteOptions, RepositoryOptions, UploadOptions};
use crate::{content, place, publish, rest, sources, sync, units};

pub(crate) struct DebPlugin;

#[async_trait]
impl Plugin for DebPlugin {
    fn declaration(&self) -> Declaration {
        Declaration {
            name: "deb",
            about: "Debian packages in suites and components, as signed APT metadata",
            repository: OptionsType::of::<RepositoryOptions>(),
            remote: Some(OptionsType::of::<RemoteOptions>()),
            sync_mode: SyncMode::Mirror,
            publication: OptionsType::of::<PublicationOptions>(),
            content: content::ALL
                .map(|(name, served)| ContentType {
                    name,
                    upload: OptionsType::of::<UploadOptions>(),
                    immutable_paths: true,
                    served,
                })
                .to_vec(),
            rest: rest::rest(),
        }
    }

    fn place(&self, unit: &Unit, files: &[UnitArtifact]) -> String {
        match unit.content_type.as_str() {
            content::RELEASE_COMPONENT => place::of_component(&unit.key).to_owned(),
            _ => rest::place(files),
        }
    }

    fn make(&self, content_type: &str, options: &Value) -> Result<Placed<NewUnit>> {
        match content_type {
            content::RELEASE_COMPONENT => units::component(options),
            _ => Err(Error::Invalid(format!("content of type {content_type} comes with a file"))),
        }
    }

    fn derived(&self, place: &str, key: &str) -> Vec<Derived> {
        rest::derived(place, key)
    }

    fn fields(&self, unit: &Unit) -> Map<String, Value> {
        rest::fields(unit)
    }

    fn parse_upload(&self, upload: Upload<'_>) -> Result<Placed<NewUnit>> {
        units::parse(upload)
    }

    fn same_key(&self, known: &KnownUnit, new: &NewUnit) -> SameKey {
        units::same_key(known, new)
    }

    fn label(&self, unit: &Unit) -> Label {
        units::label(unit)
    }

    fn compare_versions(&self, left: &str, right: &str) -> Ordering {
        version::compare(left, right)
    }

    fn publish(&self, job: PublishJob<'_>) -> Result<Seal> {
        publish::publish(job)
    }

    async fn sync(&self, job: SyncJob<'_>) -> Result<()> {
        sync::sync(job).await
    }

    fn pin(&self, job: &PinJob<'_>) -> Result<String> {
        sources::stanzas(job)
    }

    fn reseal(&self, job: ResealJob<'_>) -> Result<Resealed> {
        publish::reseal(job)
    }

    fn select(&self, units: &[Placed<Unit>], pattern: &str, with_dependencies: bool) -> Result<Selected> {
        let parse = |text: &str| Pattern::parse(text).map_err(|error| Error::Invalid(error.to_string()));
        let mut parsed = parse(pattern)?;
        if with_dependencies {
            parsed = parse(&format!("?with-dependencies({parsed})"))?;
        }
        choose(
            &parsed,
            units.iter().map(|placed| (placed.unit.content_type.as_str(), placed.unit.body.as_slice())),
        )
    }

    fn outdated(&self, changed: &str) -> Vec<(String, &'static str)> {
        // What upstream has signed does not list what somebody has added or removed.
        let (suite, _) = place::split(changed);
        vec![(suite.to_owned(), content::RELEASE_FILE)]
    }
}
