//! The files of a publication while they are made.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Read, Write};

use tokio::runtime::Handle;

use crate::artifacts::{Staged, Staging, Writing};
use crate::catalog::{Catalog, PublicationFile};
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::name::RelativePath;
use crate::plugin::PublicationWriter;

/// Collects files, and knows those of the publication before it.
pub(super) struct Tree {
    catalog: Catalog,
    runtime: Handle,
    staging: Staging,
    before: HashMap<String, Digests>,
    files: BTreeMap<RelativePath, Digests>,
    staged: BTreeMap<RelativePath, Staged>,
    /// What was derived so far: from which bytes, and what the path was extended by.
    derived: HashMap<(Sha256, String), Digests>,
}

impl Tree {
    /// To be used by a blocking task of the runtime it is called on.
    pub(super) fn new(catalog: &Catalog, staging: &Staging, before: Vec<PublicationFile>) -> Tree {
        let before = before.into_iter().map(|file| (file.path, file.digests)).collect();
        Tree {
            catalog: catalog.clone(),
            runtime: Handle::current(),
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

    fn add(&mut self, path: RelativePath, file: Writing) -> Result<Digests> {
        let staged = file.finish()?;
        let digests = *staged.digests();
        self.take(path.clone(), digests)?;
        self.staged.insert(path, staged);
        Ok(digests)
    }

    fn derive(
        &mut self,
        source: &RelativePath,
        path: RelativePath,
        make: &mut dyn FnMut(&mut dyn Read, &mut dyn Write) -> Result<()>,
    ) -> Result<Digests> {
        let missing = || Error::Internal(format!("'{path}' is derived from '{source}', which was not added"));
        let staged = self.staged.get(source).ok_or_else(missing)?;
        let suffix = path.as_str().strip_prefix(source.as_str()).unwrap_or(path.as_str());
        let derivation = (staged.digests().sha256, suffix.to_owned());
        let unchanged = self.before.get(source.as_str()) == Some(staged.digests());
        let before = self.before.get(path.as_str()).filter(|_| unchanged);
        if let Some(digests) = before.or_else(|| self.derived.get(&derivation)).copied() {
            self.derived.insert(derivation, digests);
            self.take(path, digests)?;
            return Ok(digests);
        }
        let mut reader = BufReader::with_capacity(1 << 16, staged.open()?);
        let mut file = self.staging.create()?;
        make(&mut reader, &mut file)?;
        let digests = self.add(path, file)?;
        self.derived.insert(derivation, digests);
        Ok(digests)
    }

    fn adopt(&mut self, path: RelativePath, sha256: &Sha256) -> Result<Digests> {
        let known = self.runtime.block_on(self.catalog.known_artifacts(&[*sha256]))?;
        let missing = || Error::Corrupt(format!("the file for '{path}', {sha256}, is not held"));
        let digests = known.get(sha256).copied().ok_or_else(missing)?;
        self.take(path, digests)?;
        Ok(digests)
    }
}

impl Tree {
    /// Records what is at a path.
    fn take(&mut self, path: RelativePath, digests: Digests) -> Result<()> {
        match self.files.insert(path.clone(), digests) {
            None => Ok(()),
            Some(_) => Err(Error::Internal(format!("a publication was given two files at '{path}'"))),
        }
    }
}
