//! Creating, changing, deleting and listing remotes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::{ParseError, Url};

use super::Engine;
use super::fetch::check_settings;
use super::repositories::{merge, without_nulls};
use crate::error::{Error, Result};
use crate::model::{Remote, RemoteSettings};
use crate::name::Name;

/// What changes about a remote; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RemoteChange {
    /// Where it is.
    pub url: Option<String>,
    /// Options of the plugin to set; an option that becomes null goes back to its default.
    pub options: Map<String, Value>,
    /// Fields of [`RemoteSettings`] to set; a field that becomes null goes back to its default.
    pub settings: Map<String, Value>,
}

impl Engine {
    /// Creates a remote.
    pub async fn create_remote(&self, name: &Name, plugin: &str, change: RemoteChange) -> Result<Remote> {
        let url = change.url.ok_or_else(|| Error::Invalid("a remote needs a URL".into()))?;
        let remote = Remote {
            id: 0,
            name: name.clone(),
            plugin: plugin.to_owned(),
            url,
            options: Value::Object(without_nulls(change.options)),
            settings: RemoteSettings::from_fields(change.settings)?,
            created: self.now(),
            updated: self.now(),
        };
        self.check_remote(&remote)?;
        let mut transaction = self.catalog.begin().await?;
        transaction.create_remote(&remote).await?;
        transaction.commit().await?;
        self.remote(name).await
    }

    /// Changes a remote. What is not named stays as it is; the next sync and the next request on demand heed it.
    pub async fn update_remote(&self, name: &Name, change: RemoteChange) -> Result<Remote> {
        let mut transaction = self.catalog.begin().await?;
        let mut remote = transaction.lock_remote(name).await?;
        let mut options = remote.options.as_object().cloned().unwrap_or_default();
        merge(&mut options, change.options);
        let mut settings = remote.settings.to_fields()?;
        merge(&mut settings, change.settings);
        remote.url = change.url.unwrap_or(remote.url);
        remote.options = Value::Object(without_nulls(options));
        remote.settings = RemoteSettings::from_fields(settings)?;
        remote.updated = self.now();
        self.check_remote(&remote)?;
        transaction.update_remote(&remote).await?;
        transaction.commit().await?;
        Ok(remote)
    }

    /// Deletes a remote. While a repository syncs from it, or files can be fetched from nowhere else, that is refused
    /// unless it is forced.
    pub async fn delete_remote(&self, name: &Name, force: bool) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        let remote = transaction.lock_remote(name).await?;
        if !force {
            if let Some(follower) = transaction.followers(remote.id).await?.first() {
                return Err(Error::Conflict(format!("repository '{follower}' syncs from remote '{name}'")));
            }
            let only = transaction.files_only_at(remote.id).await?;
            if only > 0 {
                return Err(Error::Conflict(format!(
                    "{only} files that are not held can be fetched from nowhere but remote '{name}'"
                )));
            }
        }
        transaction.delete_remote(remote.id).await?;
        transaction.commit().await
    }

    /// The remote of that name.
    pub async fn remote(&self, name: &Name) -> Result<Remote> {
        self.catalog.remote(name).await
    }

    /// All remotes by name.
    pub async fn remotes(&self) -> Result<Vec<Remote>> {
        self.catalog.remotes().await
    }

    fn check_remote(&self, remote: &Remote) -> Result<()> {
        let declaration = self.registry.get(&remote.plugin)?.declaration();
        let Some(options) = declaration.remote else {
            return Err(Error::Invalid(format!("there are no remotes of type {}", remote.plugin)));
        };
        match check_url(&remote.url) {
            // Scripts for Pulp create remotes before they know where they are; nothing is fetched from there.
            Err(_) if Url::parse(&remote.url) == Err(ParseError::RelativeUrlWithoutBase) => {}
            checked => checked?,
        }
        options.check("remote options", &remote.options)?;
        check_settings(&remote.settings)
    }
}

/// Refuses what nothing can be fetched from.
pub fn check_url(url: &str) -> Result<()> {
    let parsed = Url::parse(url).map_err(|error| Error::Invalid(format!("'{url}' is not a URL: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(Error::Invalid(format!("'{url}' is neither an http: nor an https: URL")));
    }
    match parsed.username().is_empty() && parsed.password().is_none() {
        true => Ok(()),
        false => Err(Error::Invalid("a remote's URL must not hold a user name or password".into())),
    }
}
