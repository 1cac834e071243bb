//! `content add` and `content remove`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Engine;
use super::contents::{BATCH, read_bodies, seen};
use super::modify::{Modification, Modified};
use crate::artifacts::{Staged, Staging, run_blocking};
use crate::error::{Error, Result};
use crate::model::{NewUnit, Placed};
use crate::name::Name;
use crate::plugin::{Plugin, Upload};
use crate::progress::Progress;

impl Engine {
    /// Adds files to a repository: all of them in one new version, or none. `options` are those that the
    /// plugin declares for uploads.
    pub async fn add_files(
        &self,
        name: &Name,
        files: &[PathBuf],
        options: Map<String, Value>,
        progress: &dyn Progress,
    ) -> Result<Modified> {
        let repository = self.repository(name).await?;
        let plugin = self.registry.get(&repository.plugin)?;
        let options = Value::Object(options);
        plugin.declaration().uploaded()?.upload.check("upload options", &options)?;
        let options = Arc::new((options, repository.options.clone()));
        progress.begin("reading", Some(files.len() as u64));
        let mut change = Modification::default();
        let mut staged = Vec::with_capacity(files.len());
        for path in files {
            let (path, staging) = (path.clone(), self.store.staging().clone());
            let (plugin, options) = (plugin.clone(), options.clone());
            let (unit, bytes) = run_blocking(move || read_file(&path, &staging, &*plugin, &options)).await?;
            change.units.push(unit);
            staged.push(bytes);
            progress.advance(1);
        }
        change.artifacts = self.store_staged(staged).await?;
        self.modify(&repository, change).await
    }

    /// Removes units from a repository, in one new version. A selector is a name, `name=version`, or a key as
    /// `content list` shows it; each must match something. With `place`, only what stands there.
    pub async fn remove_content(
        &self,
        name: &Name,
        selectors: &[String],
        place: Option<&str>,
    ) -> Result<Modified> {
        let repository = self.repository(name).await?;
        let plugin = self.registry.get(&repository.plugin)?;
        let contents = seen(&self.catalog, &*plugin, repository.id, repository.latest_version).await?;
        let mut matched = vec![false; selectors.len()];
        let mut change = Modification::default();
        for some in contents.chunks(BATCH) {
            for Placed { place: stands_at, unit } in read_bodies(&self.catalog, some).await? {
                if place.is_some_and(|place| place != stands_at) {
                    continue;
                }
                let label = plugin.label(&unit);
                let versioned = format!("{}={}", label.name, label.version);
                for (selector, matched) in selectors.iter().zip(&mut matched) {
                    if *selector == label.name || *selector == versioned || *selector == unit.key {
                        *matched = true;
                        change.remove.push(Placed { place: stands_at.clone(), unit: unit.id });
                    }
                }
            }
        }
        if let Some((selector, _)) = selectors.iter().zip(matched).find(|(_, matched)| !matched) {
            return Err(Error::NotFound { what: "content", name: selector.clone() });
        }
        self.modify(&repository, change).await
    }
}

fn read_file(
    path: &Path,
    staging: &Staging,
    plugin: &dyn Plugin,
    (options, repository_options): &(Value, Value),
) -> Result<(Placed<NewUnit>, Staged)> {
    let wrong = |why: &str| Error::Invalid(format!("{}: {why}", path.display()));
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    if !metadata.is_file() {
        return Err(wrong("it is not a file"));
    }
    let file_name = path.file_name().and_then(|name| name.to_str());
    let file_name = file_name.ok_or_else(|| wrong("its name is not UTF-8"))?;
    let staged = staging.copy(File::open(path).map_err(Error::io("read", path))?)?;
    let upload =
        Upload { file_name, file: staged.open()?, digests: staged.digests(), options, repository_options };
    let unit = plugin.parse_upload(upload).map_err(|error| match error {
        Error::Invalid(sentence) => wrong(&sentence),
        error => error,
    })?;
    Ok((unit, staged))
}
