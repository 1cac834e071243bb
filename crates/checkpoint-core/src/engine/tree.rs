//! The files of a publication while they are made.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Read, Write};

use crate::artifacts::{Staged, Staging, Writing};
use crate::catalog::PublicationFile;
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::name::RelativePath;
use crate::plugin::PublicationWriter;

/// Collects files, and knows those of the publication before it.
pub(super) struct Tree {
    staging: Staging,
    before: HashMap<String, Digests>,
    files: BTreeMap<RelativePath, Digests>,
    staged: BTreeMap<RelativePath, Staged>,
    /// What was derived so far: from which bytes, and what the path was extended by.
    derived: HashMap<(Sha256, String), Digests>,
}

impl Tree {
    pub(super) fn new(staging: &Staging, before: Vec<PublicationFile>) -> Tree {
        let before = before.into_iter().map(|file| (file.path, file.digests)).collect();
        Tree {
            staging: staging.clone(),
            before,
            files: BTreeMap::new(),
            staged: BTreeMap::new(),
            derived: HashMap::new(),
        }
    }

    /// All files, and the bytes of those that may be new.
    pub(super) fn into_parts(self) -> (BTreeMap<RelativePath, Digests>, Vec<Staged>) {
        (self.files, self.staged.into_values().collect())
    }
}

impl PublicationWriter for Tree {
    fn create(&mut self) -> Result<Writing> {
        self.staging.create()
    }

    fn add(&mut self, path: RelativePath, file: Writing) -> Result<()> {
        let staged = file.finish()?;
        if self.files.insert(path.clone(), *staged.digests()).is_some() {
            return Err(Error::Internal(format!("a publication was given two files at '{path}'")));
        }
        self.staged.insert(path, staged);
        Ok(())
    }

    fn derive(
        &mut self,
        source: &RelativePath,
        path: RelativePath,
        make: &mut dyn FnMut(&mut dyn Read, &mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let missing = || Error::Internal(format!("'{path}' is derived from '{source}', which was not added"));
        let staged = self.staged.get(source).ok_or_else(missing)?;
        let suffix = path.as_str().strip_prefix(source.as_str()).unwrap_or(path.as_str());
        let derivation = (staged.digests().sha256, suffix.to_owned());
        let unchanged = self.before.get(source.as_str()) == Some(staged.digests());
        let before = self.before.get(path.as_str()).filter(|_| unchanged);
        if let Some(digests) = before.or_else(|| self.derived.get(&derivation)).copied() {
            self.derived.insert(derivation, digests);
            self.files.insert(path, digests);
            return Ok(());
        }
        let mut reader = BufReader::with_capacity(1 << 16, staged.open()?);
        let mut file = self.staging.create()?;
        make(&mut reader, &mut file)?;
        self.add(path.clone(), file)?;
        if let Some(digests) = self.files.get(&path) {
            self.derived.insert(derivation, *digests);
        }
        Ok(())
    }

    fn files(&self) -> Box<dyn Iterator<Item = (&RelativePath, &Digests)> + '_> {
        Box::new(self.files.iter())
    }
}
