//! Creating, changing and listing repositories, and listing what one holds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Engine;
use super::contents::{BATCH, read_bodies, seen};
use crate::error::{Error, Result};
use crate::model::{Publication, Remote, Repository, RepositorySettings, RepositoryVersion};
use crate::name::Name;

/// What changes about a repository; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RepositoryChange {
    /// Options to set; an option that becomes null goes back to its default.
    pub options: Map<String, Value>,
    /// The remotes that `sync` takes when none is named, if they change.
    pub remotes: Option<Vec<Name>>,
    /// Fields of [`RepositorySettings`] to set; a field that becomes null goes back to its default.
    pub settings: Map<String, Value>,
}

/// A unit of a repository's newest version.
#[derive(Debug, Serialize)]
pub struct ContentEntry {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What tells it from others of that name, such as an architecture.
    pub variant: String,
    /// Where it stands.
    pub place: String,
    /// What identifies it in its repository.
    pub key: String,
}

impl Engine {
    /// Creates an empty repository.
    pub async fn create_repository(
        &self,
        name: &Name,
        plugin: &str,
        change: RepositoryChange,
    ) -> Result<Repository> {
        let declaration = self.registry.get(plugin)?.declaration();
        let options = Value::Object(without_nulls(change.options));
        declaration.repository.check("repository options", &options)?;
        let remotes = change.remotes.unwrap_or_default();
        let remotes = self.remotes_for(name, declaration.name, &remotes).await?;
        let settings = changed_settings(&RepositorySettings::default(), change.settings)?;
        let mut transaction = self.catalog.begin().await?;
        let id = transaction.create_repository(name, declaration.name, &options, self.now()).await?;
        transaction.update_repository(id, (&options, &settings), Some(&remotes), self.now()).await?;
        transaction.commit().await?;
        self.repository(name).await
    }

    /// The remotes that a repository shall have, if they are for that plugin.
    pub(super) async fn remotes_for(
        &self,
        repository: &Name,
        plugin: &str,
        names: &[Name],
    ) -> Result<Vec<Remote>> {
        let mut remotes = Vec::with_capacity(names.len());
        for name in names {
            let remote = self.catalog.remote(name).await?;
            if remote.plugin != plugin {
                return Err(Error::Invalid(format!(
                    "remote '{}' is of type {}, repository '{repository}' of type {plugin}",
                    remote.name, remote.plugin
                )));
            }
            remotes.push(remote);
        }
        Ok(remotes)
    }

    /// Changes options or remotes of a repository. They take effect with its next publication or sync.
    pub async fn update_repository(&self, name: &Name, change: RepositoryChange) -> Result<Repository> {
        let Repository { id, plugin, .. } = self.repository(name).await?;
        let remotes = match &change.remotes {
            Some(remotes) => Some(self.remotes_for(name, &plugin, remotes).await?),
            None => None,
        };
        let mut transaction = self.catalog.begin().await?;
        transaction.lock_repository(id).await?;
        // Read again under the lock, so that two changes at once both count.
        let current = transaction.repository(name).await?;
        let mut options = current.options.as_object().cloned().unwrap_or_default();
        merge(&mut options, change.options);
        let options = Value::Object(without_nulls(options));
        let plugin = self.registry.get(&current.plugin)?;
        plugin.declaration().repository.check("repository options", &options)?;
        let settings = changed_settings(&current.settings, change.settings)?;
        let changed = (&options, &settings);
        transaction.update_repository(id, changed, remotes.as_deref(), self.now()).await?;
        transaction.commit().await?;
        self.apply_retention(name).await?;
        self.repository(name).await
    }

    /// The repository of that name.
    pub async fn repository(&self, name: &Name) -> Result<Repository> {
        self.catalog.repository(name).await
    }

    /// All repositories by name.
    pub async fn repositories(&self) -> Result<Vec<Repository>> {
        self.catalog.repositories().await
    }

    /// All versions of a repository, oldest first.
    pub async fn versions(&self, name: &Name) -> Result<Vec<RepositoryVersion>> {
        let repository = self.repository(name).await?;
        self.catalog.versions(repository.id).await
    }

    /// All publications of a repository, oldest first.
    pub async fn publications(&self, name: &Name) -> Result<Vec<Publication>> {
        let repository = self.repository(name).await?;
        self.catalog.publications(repository.id).await
    }

    /// What the newest version of a repository holds, by place and key.
    pub async fn content(&self, name: &Name) -> Result<Vec<ContentEntry>> {
        let repository = self.repository(name).await?;
        let plugin = self.registry.get(&repository.plugin)?;
        let contents = seen(&self.catalog, &*plugin, repository.id, repository.latest_version).await?;
        let mut entries = Vec::with_capacity(contents.len());
        for some in contents.chunks(BATCH) {
            for placed in read_bodies(&self.catalog, some).await? {
                let label = plugin.label(&placed.unit);
                entries.push(ContentEntry {
                    name: label.name,
                    version: label.version,
                    variant: label.variant,
                    place: placed.place,
                    key: placed.unit.key,
                });
            }
        }
        Ok(entries)
    }
}

/// Settings with some fields changed.
fn changed_settings(current: &RepositorySettings, change: Map<String, Value>) -> Result<RepositorySettings> {
    let wrong = |error: serde_json::Error| Error::Invalid(format!("settings of the repository: {error}"));
    let mut fields = match serde_json::to_value(current).map_err(wrong)? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    merge(&mut fields, change);
    let settings: RepositorySettings =
        serde_json::from_value(Value::Object(without_nulls(fields))).map_err(wrong)?;
    match settings.retain_repo_versions == Some(0) || settings.retain_checkpoints == Some(0) {
        true => Err(Error::Invalid("at least one version and one checkpoint are kept".into())),
        false => Ok(settings),
    }
}

/// Sets what `change` has, going into objects.
pub(super) fn merge(options: &mut Map<String, Value>, change: Map<String, Value>) {
    for (name, value) in change {
        match (options.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(change)) => merge(inner, change),
            (_, value) => {
                options.insert(name, value);
            }
        }
    }
}

pub(super) fn without_nulls(options: Map<String, Value>) -> Map<String, Value> {
    let kept = options.into_iter().filter(|(_, value)| !value.is_null());
    kept.map(|(name, value)| match value {
        Value::Object(inner) => (name, Value::Object(without_nulls(inner))),
        value => (name, value),
    })
    .collect()
}
