//! `verify`: whether all that is referred to exists and is what it should be.

use serde::Serialize;

use super::Engine;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;

/// What a verification came to.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    /// How many artifacts were read.
    pub artifacts: u64,
    /// How many bytes that is.
    pub bytes: u64,
    /// A sentence for each thing that is wrong.
    pub problems: Vec<String>,
}

impl Engine {
    /// Reads every artifact and compares it with its digests, and looks for references to what does not exist.
    pub async fn verify(&self, progress: &dyn Progress) -> Result<Verified> {
        let mut verified = Verified::default();
        progress.begin("verifying", None);
        for reference in self.catalog.dangling_references().await? {
            let problem =
                format!("{} refers to artifact {}, which is not known", reference.from, reference.sha256);
            verified.problems.push(problem);
        }
        let mut after = None;
        loop {
            let some = self.catalog.artifacts_after(after.as_ref(), 1000).await?;
            let Some(last) = some.last() else {
                return Ok(verified);
            };
            after = Some(last.sha256);
            for digests in &some {
                match self.store.check(digests).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == Kind::Corrupt => verified.problems.push(error.to_string()),
                    Err(error @ Error::Store { .. }) => {
                        verified
                            .problems
                            .push(format!("artifact {} cannot be read: {error}", digests.sha256));
                    }
                    Err(error) => return Err(error),
                }
                verified.artifacts += 1;
                verified.bytes += digests.size;
                progress.advance(1);
            }
        }
    }
}
