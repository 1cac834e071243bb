//! `pin`: what a client puts into its configuration.

use super::contents::VersionContents;
use super::{Engine, content_url};
use crate::artifacts::run_blocking;
use crate::error::{Error, Result};
use crate::model::{Distribution, Publication};
use crate::name::Name;
use crate::plugin::PinJob;
use crate::time::Timestamp;

impl Engine {
    /// The configuration of a client of `name` at `time`, or of the newest publication. A repository is often
    /// served by two distributions, live and dated; whichever is named, the one that fits is taken.
    /// `public_url` is where clients reach the server.
    pub async fn pin(&self, name: &Name, time: Option<Timestamp>, public_url: &str) -> Result<String> {
        let named = self.distribution(name).await?;
        let distribution = self.fitting(named, time.is_some()).await?;
        let Some(repository) = &distribution.repository else {
            return Err(Error::Invalid(format!("distribution '{name}' serves nothing")));
        };
        let repository = self.repository(repository).await?;
        let publication = match time {
            Some(time) => self.checkpoint_at(&repository.name, time).await?,
            None => self.live_publication(&distribution, &repository.name).await?,
        };
        let mut url = content_url(public_url, &distribution.base_path);
        let time = distribution.checkpoint.then_some(publication.time);
        if let Some(time) = time {
            url.push_str(&format!("{time}/"));
        }
        let plugin = self.registry.get(&repository.plugin)?;
        let contents = VersionContents::read(&self.catalog, repository.id, publication.version).await?;
        let checkpoints_url = self.checkpoints_url(&repository.name, Some(public_url)).await?;
        let signer = self.signer.clone();
        run_blocking(move || {
            plugin.pin(&PinJob {
                distribution: &distribution.name,
                url: &url,
                time,
                checkpoints_url: checkpoints_url.as_deref(),
                options: &publication.options,
                contents: &contents,
                signer: &*signer,
                repository_options: &repository.options,
            })
        })
        .await
    }

    async fn fitting(&self, named: Distribution, dated: bool) -> Result<Distribution> {
        if named.checkpoint == dated {
            return Ok(named);
        }
        let all = self.distributions().await?;
        let found = all.into_iter().find(|d| d.repository == named.repository && d.checkpoint == dated);
        found.ok_or_else(|| {
            let (has, hint) = match dated {
                true => ("does not serve dates", "create one with --checkpoint"),
                false => ("serves dates only", "say which, or create one without --checkpoint"),
            };
            let repository = named.repository.as_ref().map_or("", Name::as_str);
            let name = &named.name;
            Error::Invalid(format!(
                "distribution '{name}' {has}, and no other of repository '{repository}' does better: {hint}"
            ))
        })
    }

    async fn live_publication(&self, distribution: &Distribution, name: &Name) -> Result<Publication> {
        let publications = self.publications(name).await?;
        let newest = distribution.live(&publications, self.now()).cloned();
        newest.ok_or_else(|| Error::Invalid(format!("repository '{name}' has not been published yet")))
    }
}
