//! Content units one by one: making them, and putting them into versions.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::Engine;
use super::modify::{Modification, Modified};
use super::operation::{ContentSource, CreateContent, Modify};
use crate::artifacts::{Staged, run_blocking};
use crate::catalog::{ArtifactDetail, Part, UnitDetail};
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::model::{Id, NewUnit, Placed, Publication, Remote, RemoteSettings, Repository};
use crate::plugin::{Expected, Plugin, Upload};
use crate::task::Resource;

/// The largest file that is fetched from a URL as content, in bytes.
const LARGEST: u64 = 16 << 30;

impl Engine {
    /// Makes a version of what a repository has, or had in another version, and of more and fewer units.
    pub async fn modify_content(&self, modify: &Modify) -> Result<Modified> {
        let repository = self.repository(&modify.repository).await?;
        let plugin = self.registry.get(&repository.plugin)?;
        let newest = self.contents(repository.id, repository.latest_version).await?;
        let base = match modify.base {
            Some((repository, version)) => Some(self.contents(repository, version).await?),
            None => None,
        };
        let going: HashSet<Id> = modify.remove.iter().copied().collect();
        let stays = |placed: &Placed<Id>| !modify.remove_all && !going.contains(&placed.unit);
        let mut wanted: HashSet<Placed<Id>> =
            base.iter().flatten().filter(|placed| stays(placed)).cloned().collect();
        wanted.extend(self.places(&*plugin, &newest, &modify.add).await?);
        let kept = |placed: &Placed<Id>| wanted.contains(placed) || (base.is_none() && stays(placed));
        let remove: Vec<Placed<Id>> = newest.iter().filter(|placed| !kept(placed)).cloned().collect();
        let present: HashSet<&Placed<Id>> = newest.iter().collect();
        let new: Vec<Placed<Id>> =
            wanted.iter().filter(|placed| !present.contains(placed)).cloned().collect();
        let units = self.as_new(&*plugin, &new).await?;
        self.modify(&repository, Modification { units, remove, ..Modification::default() }).await
    }

    async fn contents(&self, repository: Id, version: i64) -> Result<Vec<Placed<Id>>> {
        let contents = self.catalog.contents(repository, version).await?.into_iter();
        Ok(contents.map(|placed| Placed { place: placed.place, unit: placed.unit.id }).collect())
    }

    /// Where units go: where they stand in the newest version, else where they stand elsewhere, else where the
    /// plugin thinks best.
    async fn places(
        &self,
        plugin: &dyn Plugin,
        newest: &[Placed<Id>],
        units: &[Id],
    ) -> Result<Vec<Placed<Id>>> {
        let wanted: HashSet<Id> = units.iter().copied().collect();
        let mut placed: Vec<Placed<Id>> =
            newest.iter().filter(|placed| wanted.contains(&placed.unit)).cloned().collect();
        let known: HashSet<Id> = placed.iter().map(|placed| placed.unit).collect();
        let rest: Vec<Id> = wanted.difference(&known).copied().collect();
        let elsewhere = self.catalog.places_of(&rest).await?;
        let known: HashSet<Id> = elsewhere.iter().map(|placed| placed.unit).collect();
        placed.extend(elsewhere);
        let nowhere: Vec<Id> = rest.into_iter().filter(|id| !known.contains(id)).collect();
        for detail in self.catalog.unit_details(&nowhere).await? {
            placed.push(Placed { place: plugin.place(&detail.unit, &detail.files), unit: detail.unit.id });
        }
        Ok(placed)
    }

    /// Units as a plugin makes them, so that they go into a version by the rules for new ones.
    pub(super) async fn as_new(
        &self,
        plugin: &dyn Plugin,
        placed: &[Placed<Id>],
    ) -> Result<Vec<Placed<NewUnit>>> {
        let ids: Vec<Id> = placed.iter().map(|placed| placed.unit).collect();
        let types = plugin.declaration().content;
        let details = self.catalog.unit_details(&ids).await?;
        let details: HashMap<Id, UnitDetail> =
            details.into_iter().map(|detail| (detail.unit.id, detail)).collect();
        let mut units = Vec::with_capacity(placed.len());
        for Placed { place, unit } in placed {
            let Some(detail) = details.get(unit) else {
                return Err(Error::NotFound { what: "content", name: unit.to_string() });
            };
            let declared = types.iter().find(|declared| declared.name == detail.unit.content_type);
            let Some(declared) = declared else {
                let found = &detail.unit.content_type;
                return Err(Error::Invalid(format!("content of type {found} cannot go into the repository")));
            };
            let unit = NewUnit {
                content_type: declared.name,
                key: detail.unit.key.clone(),
                body: detail.unit.body.clone(),
                artifacts: detail.files.clone(),
            };
            units.push(Placed { place: place.clone(), unit });
        }
        Ok(units)
    }

    /// Makes a content unit of a file; with a repository, its next version has it.
    pub async fn create_content(&self, create: CreateContent) -> Result<Resource> {
        let plugin = self.registry.get(&create.plugin)?;
        let staged = self.bytes_of(&create.source).await?;
        let repository = match &create.repository {
            Some(name) => Some(self.repository(name).await?),
            None => None,
        };
        let repository_options =
            repository.as_ref().map_or(Value::Object(Default::default()), |r| r.options.clone());
        let options = Value::Object(create.options);
        plugin.declaration().uploaded()?.upload.check("upload options", &options)?;
        let (parser, file_name) = (plugin.clone(), create.file_name);
        let parse = move || {
            let upload = Upload {
                file_name: &file_name,
                file: staged.open()?,
                digests: staged.digests(),
                options: &options,
                repository_options: &repository_options,
            };
            Ok((parser.parse_upload(upload)?, staged))
        };
        let (placed, staged) = run_blocking(parse).await?;
        let artifacts = self.store_staged(vec![staged]).await?;
        let unserved = plugin.declaration().unserved();
        let id = self.record_unit(&placed.unit, &artifacts, &unserved).await?;
        let content_type = placed.unit.content_type.to_owned();
        if let Some(repository) = repository {
            self.modify(&repository, Modification { units: vec![placed], ..Modification::default() }).await?;
        }
        if let ContentSource::Upload(upload) = create.source {
            self.delete_upload(upload).await?;
        }
        Ok(Resource::Content(content_type, id))
    }

    /// Makes a content unit that has no file; with a repository, its next version has it. Gives its row.
    pub async fn make_content(
        &self,
        plugin: &str,
        content_type: &str,
        options: Map<String, Value>,
        repository: Option<&Repository>,
    ) -> Result<Id> {
        let plugin = self.registry.get(plugin)?;
        let placed = plugin.make(content_type, &Value::Object(options))?;
        let id = self.record_unit(&placed.unit, &[], &plugin.declaration().unserved()).await?;
        if let Some(repository) = repository {
            self.modify(repository, Modification { units: vec![placed], ..Modification::default() }).await?;
        }
        Ok(id)
    }

    async fn record_unit(&self, unit: &NewUnit, artifacts: &[Digests], unserved: &[&str]) -> Result<Id> {
        let mut transaction = self.catalog.begin().await?;
        transaction.insert_artifacts(artifacts, self.now()).await?;
        let id = transaction.insert_units(&[unit], unserved, self.now()).await?;
        transaction.commit().await?;
        id.first().copied().ok_or_else(|| Error::Internal("a unit has no row".into()))
    }

    async fn bytes_of(&self, source: &ContentSource) -> Result<Staged> {
        match source {
            ContentSource::Artifact(sha256) => self.copy_of(sha256).await,
            ContentSource::Upload(upload) => self.assemble(*upload).await,
            ContentSource::Url(url) => {
                self.fetch_once(url, Expected { limit: LARGEST, ..Expected::default() }).await
            }
        }
    }

    /// Units with all that belongs to them.
    pub async fn unit_details(&self, ids: &[Id]) -> Result<Vec<UnitDetail>> {
        self.catalog.unit_details(ids).await
    }

    /// The rows of all units of a type, or of those in a part of a version, newest first.
    pub async fn unit_ids(&self, content_type: &str, of: Option<((Id, i64), Part)>) -> Result<Vec<Id>> {
        match of {
            Some((version, part)) => self.catalog.unit_ids_in(version, part, content_type).await,
            None => self.catalog.unit_ids(content_type).await,
        }
    }

    /// The rows of all units of a type whose keys begin with this text.
    pub async fn unit_ids_by_key(&self, content_type: &str, beginning: &str) -> Result<Vec<Id>> {
        self.catalog.unit_ids_by_key(content_type, beginning).await
    }

    /// Place, row and key of each unit of a version.
    pub async fn placed_keys(&self, repository: Id, version: i64) -> Result<Vec<(String, Id, String)>> {
        let contents = self.catalog.contents(repository, version).await?.into_iter();
        Ok(contents.map(|placed| (placed.place, placed.unit.id, placed.unit.key)).collect())
    }

    /// How many units of each type a part of a version has.
    pub async fn count_units(&self, version: (Id, i64), part: Part) -> Result<BTreeMap<String, i64>> {
        self.catalog.count_units(version, part).await
    }

    /// The versions that hold one of the units.
    pub async fn versions_with(&self, units: &[Id]) -> Result<HashSet<(Id, i64)>> {
        self.catalog.versions_with(units).await
    }

    /// All artifacts, or those whose digests begin with these hexadecimal digits.
    pub async fn artifacts(&self, prefix: &str) -> Result<Vec<ArtifactDetail>> {
        if prefix.is_empty() {
            return self.catalog.all_artifacts().await;
        }
        let padded =
            |digit: &str| format!("{prefix}{}", digit.repeat(64 - prefix.len().min(64))).parse::<Sha256>();
        self.catalog.artifacts_between(&padded("0")?, &padded("f")?).await
    }

    /// Which of the digests are artifacts, and what they are.
    pub async fn held(&self, digests: &[Sha256]) -> Result<HashMap<Sha256, Digests>> {
        self.catalog.known_artifacts(digests).await
    }

    /// Deletes an artifact that nothing refers to.
    pub async fn delete_artifact(&self, sha256: &Sha256) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        if transaction.is_referred_to(sha256).await? {
            return Err(Error::Conflict(format!("artifact {sha256} belongs to content")));
        }
        transaction.condemn(&[*sha256], self.now()).await?;
        transaction.commit().await
    }

    /// The repository with this row.
    pub async fn repository_by_id(&self, id: Id) -> Result<Repository> {
        let found = self.repositories().await?.into_iter().find(|repository| repository.id == id);
        found.ok_or_else(|| Error::NotFound { what: "repository", name: id.to_string() })
    }

    /// The publication with this row, and its repository.
    pub async fn publication_by_id(&self, id: Id) -> Result<(Repository, Publication)> {
        let missing = || Error::NotFound { what: "publication", name: id.to_string() };
        let repository = self.catalog.repository_of_publication(id).await?.ok_or_else(missing)?;
        let repository = self.repository_by_id(repository).await?;
        let publications = self.catalog.publications(repository.id).await?;
        let found = publications.into_iter().find(|publication| publication.id == id).ok_or_else(missing)?;
        Ok((repository, found))
    }

    /// All labels, by [`Resource::key`].
    pub async fn labels(&self) -> Result<HashMap<String, BTreeMap<String, String>>> {
        self.catalog.labels().await
    }

    /// Replaces all labels of something.
    pub async fn set_labels(&self, resource: &Resource, labels: &BTreeMap<String, String>) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        transaction.set_labels(resource, labels).await?;
        transaction.commit().await
    }

    async fn copy_of(&self, sha256: &Sha256) -> Result<Staged> {
        use std::io::Write as _;

        use futures_util::StreamExt as _;
        let known = self.catalog.known_artifacts(&[*sha256]).await?;
        let missing = || Error::NotFound { what: "artifact", name: sha256.to_string() };
        let size = known.get(sha256).ok_or_else(missing)?.size;
        let mut writing = self.store.staging().create()?;
        let mut pieces = self.store.stream(sha256, 0..size).await?;
        while let Some(piece) = pieces.next().await {
            writing.write_all(&piece?).map_err(Error::io("copy", "an artifact"))?;
        }
        run_blocking(move || writing.finish()).await
    }

    async fn fetch_once(&self, url: &str, expected: Expected) -> Result<Staged> {
        use crate::plugin::Fetcher as _;
        let remote = Remote {
            id: 0,
            name: "upload".parse()?,
            plugin: String::new(),
            url: url.to_owned(),
            options: Value::Null,
            settings: RemoteSettings::default(),
            created: self.now(),
            updated: self.now(),
        };
        self.fetcher(&remote)?.fetch(url, expected).await
    }
}
