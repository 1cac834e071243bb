//! Cleanup: what no version and no publication refers to goes, in two phases.
//!
//! First the rows, in one transaction: from then on nothing finds the content, and whoever brings it again stores it
//! anew. Then, a day later, the bytes: until then an operation that had seen the row may rely on them, and records
//! them again. What was recorded only just now is left alone, since it may be on its way into a version.

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::catalog::Removed;
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::Id;
use crate::name::Name;
use crate::progress::Progress;
use crate::time::Timestamp;

/// How long bytes stay after their row is gone, in seconds. No operation takes so long.
const GRACE: i64 = 24 * 3600;
/// How many artifacts are looked at in one go.
const BATCH: i64 = 1_000;

/// What a cleanup is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cleanup {
    /// Only these content units.
    pub among: Option<Vec<Id>>,
    /// What was recorded in the last so many minutes stays.
    pub protection_minutes: u32,
}

impl Engine {
    /// Deletes content units that belong to no version, and artifacts that nothing refers to.
    pub async fn clean_up(&self, cleanup: &Cleanup, progress: &dyn Progress) -> Result<Removed> {
        let now = self.now();
        let before = Timestamp::from_unix(now.unix() - 60 * i64::from(cleanup.protection_minutes));
        let mut transaction = self.catalog.begin().await?;
        progress.begin("cleaning up content", None);
        let units = transaction.delete_orphan_units(before, cleanup.among.as_deref()).await?;
        progress.advance(units);
        progress.begin("cleaning up artifacts", None);
        let artifacts = transaction.delete_orphan_artifacts(before, now).await?;
        progress.advance(artifacts);
        transaction.commit().await?;
        self.delete_condemned(now).await?;
        Ok(Removed { units, artifacts })
    }

    /// Deletes bytes whose rows went long ago, unless they were brought again.
    async fn delete_condemned(&self, now: Timestamp) -> Result<()> {
        let long_ago = Timestamp::from_unix(now.unix() - GRACE);
        loop {
            let condemned = self.catalog.condemned(long_ago, BATCH).await?;
            if condemned.is_empty() {
                return Ok(());
            }
            let known = self.catalog.known_artifacts(&condemned).await?;
            for sha256 in condemned.iter().filter(|sha256| !known.contains_key(*sha256)) {
                self.store.remove_older(sha256, long_ago.system_time()).await?;
            }
            let mut transaction = self.catalog.begin().await?;
            transaction.pardon(&condemned).await?;
            transaction.commit().await?;
        }
    }

    /// Has the bytes of content fetched again when somebody asks: those of repositories that a remote had, and that
    /// neither a version to keep nor a checkpoint has, since what a remote has may not last as long as they do. Gives how
    /// many artifacts that are.
    pub async fn reclaim_space(&self, repositories: &[Name], keep: &[(Id, i64)]) -> Result<u64> {
        let mut going: Vec<Sha256> = Vec::new();
        for name in repositories {
            let repository = self.repository(name).await?;
            going.extend(self.catalog.reclaimable(repository.id).await?);
        }
        let mut kept = self.catalog.dated_digests().await?;
        for (repository, version) in keep {
            kept.extend(self.catalog.digests_of(*repository, *version).await?);
        }
        going.retain(|sha256| !kept.contains(sha256));
        going.sort_unstable();
        going.dedup();
        let mut transaction = self.catalog.begin().await?;
        transaction.condemn(&going, self.now()).await?;
        transaction.bump_losses().await?;
        transaction.commit().await?;
        Ok(going.len() as u64)
    }

    /// Reads the artifacts of a version, or of everything, from end to end; those that are damaged and that a remote
    /// has are to be fetched anew. Gives how many were damaged and how many of them can be had.
    pub async fn repair(&self, of: Option<(Id, i64)>, progress: &dyn Progress) -> Result<(u64, u64)> {
        let only = match of {
            Some((repository, version)) => Some(self.catalog.digests_of(repository, version).await?),
            None => None,
        };
        progress.begin("repairing", None);
        let (mut damaged, mut after) = (Vec::new(), None);
        loop {
            let some = self.catalog.artifacts_after(after.as_ref(), BATCH).await?;
            let Some(last) = some.last() else { break };
            after = Some(last.sha256);
            for digests in some {
                if only.as_ref().is_some_and(|only| !only.contains(&digests.sha256)) {
                    continue;
                }
                match self.store.check(&digests).await {
                    Ok(()) => {}
                    Err(Error::Corrupt(sentence)) => {
                        tracing::warn!("{sentence}");
                        damaged.push(digests.sha256);
                    }
                    Err(error) => return Err(error),
                }
                progress.advance(1);
            }
        }
        let mut elsewhere = Vec::new();
        for sha256 in &damaged {
            if self.catalog.can_be_fetched_again(sha256).await? {
                elsewhere.push(*sha256);
            }
        }
        let mut transaction = self.catalog.begin().await?;
        transaction.condemn(&elsewhere, self.now()).await?;
        transaction.bump_losses().await?;
        transaction.commit().await?;
        Ok((damaged.len() as u64, elsewhere.len() as u64))
    }
}
