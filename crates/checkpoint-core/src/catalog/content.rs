//! Content units one by one: listing them, and what belongs to each; and labels.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::rows::{Get as _, batch, list, values};
use super::units::artifact;
use super::{Catalog, Transaction};
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::model::{Id, Placed, Unit, UnitArtifact};
use crate::task::Resource;
use crate::time::Timestamp;

/// A content unit with all that belongs to it.
#[derive(Debug, Clone)]
pub struct UnitDetail {
    /// The unit.
    pub unit: Unit,
    /// When it was recorded.
    pub created: Timestamp,
    /// Its files.
    pub files: Vec<UnitArtifact>,
}

/// An artifact with the time at which it was recorded.
pub type ArtifactDetail = (Digests, Timestamp);

/// Which units of a version are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    Present,
    /// Those that the version before it does not have.
    Added,
    /// Those that only the version before it has.
    Removed,
}

impl Part {
    /// The condition on `version_unit v`, for version `$2` of repository `$1` whose predecessor is `$3`.
    fn condition(self) -> &'static str {
        match self {
            Part::Present => {
                "v.repository = $1 AND v.added_in <= $2 AND (v.removed_in IS NULL OR v.removed_in > $2) AND $3 = $3"
            }
            Part::Added => {
                "v.repository = $1 AND v.added_in > $3 AND v.added_in <= $2 AND (v.removed_in IS NULL OR v.removed_in > $2)"
            }
            Part::Removed => {
                "v.repository = $1 AND v.added_in <= $3 AND v.removed_in > $3 AND v.removed_in <= $2"
            }
        }
    }
}

impl Catalog {
    /// The rows of all units of a type, newest first.
    pub async fn unit_ids(&self, content_type: &str) -> Result<Vec<Id>> {
        let sql = "SELECT id FROM content_unit WHERE content_type = $1 ORDER BY id DESC";
        let rows = sqlx::query(sql).bind(content_type.to_owned()).fetch_all(&self.pool).await;
        ids(rows)
    }

    /// The rows of the units of a type whose keys begin with this text.
    pub async fn unit_ids_by_key(&self, content_type: &str, beginning: &str) -> Result<Vec<Id>> {
        // Keys compare byte by byte in both databases, and no text has a character above this one.
        let sql = "SELECT id FROM content_unit WHERE unit_key >= $1 AND unit_key < $2 AND content_type = $3";
        let query = sqlx::query(sql).bind(beginning.to_owned()).bind(format!("{beginning}{}", char::MAX));
        ids(query.bind(content_type.to_owned()).fetch_all(&self.pool).await)
    }

    /// The rows of the units of a type in a part of a version, newest first.
    pub async fn unit_ids_in(
        &self,
        (repository, version): (Id, i64),
        part: Part,
        content_type: &str,
    ) -> Result<Vec<Id>> {
        let before = self.version_before(repository, version).await?;
        let sql = AssertSqlSafe(format!(
            "SELECT DISTINCT v.unit FROM version_unit v JOIN content_unit u ON u.id = v.unit \
             WHERE {} AND u.content_type = $4 ORDER BY v.unit DESC",
            part.condition()
        ));
        let query = sqlx::query(sql).bind(repository).bind(version).bind(before);
        ids(query.bind(content_type.to_owned()).fetch_all(&self.pool).await)
    }

    /// How many units of each type are in a part of a version.
    pub async fn count_units(
        &self,
        (repository, version): (Id, i64),
        part: Part,
    ) -> Result<BTreeMap<String, i64>> {
        let before = self.version_before(repository, version).await?;
        let sql = AssertSqlSafe(format!(
            "SELECT u.content_type, COUNT(DISTINCT v.unit) FROM version_unit v JOIN content_unit u ON u.id = v.unit \
             WHERE {} GROUP BY u.content_type",
            part.condition()
        ));
        let rows = sqlx::query(sql).bind(repository).bind(version).bind(before).fetch_all(&self.pool).await;
        let count = |row: &AnyRow| Ok((row.text(0)?, row.integer(1)?));
        rows.and_then(|rows| rows.iter().map(count).collect()).map_err(Error::db("count content"))
    }

    /// The number of the version before one, -1 if it is the first.
    async fn version_before(&self, repository: Id, version: i64) -> Result<i64> {
        let sql =
            "SELECT COALESCE(MAX(number), -1) FROM repository_version WHERE repository = $1 AND number < $2";
        let row = sqlx::query(sql).bind(repository).bind(version).fetch_one(&self.pool).await;
        row.and_then(|row| row.integer(0)).map_err(Error::db("find a version"))
    }

    /// Units with all that belongs to them, in the order of `ids`.
    pub async fn unit_details(&self, ids: &[Id]) -> Result<Vec<UnitDetail>> {
        let doing = "read units";
        let mut found = HashMap::with_capacity(ids.len());
        for some in ids.chunks(batch(1)) {
            let head = "SELECT id, content_type, unit_key, body, created FROM content_unit WHERE id IN";
            let query =
                some.iter().fold(sqlx::query(list(head, 1, some.len(), "")), |query, id| query.bind(*id));
            let rows = query.fetch_all(&self.pool).await.map_err(Error::db(doing))?;
            for row in &rows {
                let detail = detail(row).map_err(Error::db(doing))?;
                found.insert(detail.unit.id, detail);
            }
            let head = "SELECT unit, path, sha256, size FROM unit_artifact WHERE unit IN";
            let query =
                some.iter().fold(sqlx::query(list(head, 1, some.len(), "")), |query, id| query.bind(*id));
            let rows = query.fetch_all(&self.pool).await.map_err(Error::db(doing))?;
            for row in &rows {
                let file = || {
                    let (path, sha256) = (row.parsed(1)?, row.sha256(2)?);
                    Ok::<_, sqlx::Error>(UnitArtifact { path, sha256, size: row.integer(3)? as u64 })
                };
                let (unit, file) =
                    row.integer(0).and_then(|unit| Ok((unit, file()?))).map_err(Error::db(doing))?;
                if let Some(detail) = found.get_mut(&unit) {
                    detail.files.push(file);
                }
            }
        }
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    /// All places where the units stand or stood, in whatever repository.
    pub async fn places_of(&self, units: &[Id]) -> Result<HashSet<Placed<Id>>> {
        let mut places = HashSet::new();
        for some in units.chunks(batch(1)) {
            let sql = list("SELECT DISTINCT place, unit FROM version_unit WHERE unit IN", 1, some.len(), "");
            let query = some.iter().fold(sqlx::query(sql), |query, id| query.bind(*id));
            let rows = query.fetch_all(&self.pool).await.map_err(Error::db("look for places"))?;
            for row in &rows {
                let placed = row.text(0).and_then(|place| Ok(Placed { place, unit: row.integer(1)? }));
                places.insert(placed.map_err(Error::db("look for places"))?);
            }
        }
        Ok(places)
    }

    /// The versions that hold one of the units: repository and number.
    pub async fn versions_with(&self, units: &[Id]) -> Result<HashSet<(Id, i64)>> {
        let mut found = HashSet::new();
        for some in units.chunks(batch(1)) {
            let head = "SELECT DISTINCT x.repository, x.number FROM version_unit v JOIN repository_version x \
                 ON x.repository = v.repository AND x.number >= v.added_in \
                 AND (v.removed_in IS NULL OR x.number < v.removed_in) WHERE v.unit IN";
            let query =
                some.iter().fold(sqlx::query(list(head, 1, some.len(), "")), |query, id| query.bind(*id));
            let rows = query.fetch_all(&self.pool).await.map_err(Error::db("look for versions"))?;
            for row in &rows {
                let pair = row.integer(0).and_then(|repository| Ok((repository, row.integer(1)?)));
                found.insert(pair.map_err(Error::db("look for versions"))?);
            }
        }
        Ok(found)
    }

    /// All artifacts, in the order of their digests.
    pub async fn all_artifacts(&self) -> Result<Vec<ArtifactDetail>> {
        let sql = "SELECT sha256, md5, size, created FROM artifact ORDER BY sha256";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        let detail = |row: &AnyRow| Ok((artifact(row)?, row.time(3)?));
        rows.and_then(|rows| rows.iter().map(detail).collect()).map_err(Error::db("list artifacts"))
    }

    /// The artifacts whose digests are between two, both included.
    pub async fn artifacts_between(&self, from: &Sha256, to: &Sha256) -> Result<Vec<ArtifactDetail>> {
        let sql = "SELECT sha256, md5, size, created FROM artifact WHERE sha256 >= $1 AND sha256 <= $2 ORDER BY sha256";
        let query = sqlx::query(sql).bind(from.as_bytes().to_vec()).bind(to.as_bytes().to_vec());
        let rows = query.fetch_all(&self.pool).await;
        let detail = |row: &AnyRow| Ok((artifact(row)?, row.time(3)?));
        rows.and_then(|rows| rows.iter().map(detail).collect()).map_err(Error::db("find an artifact"))
    }

    /// The repository of a publication.
    pub async fn repository_of_publication(&self, publication: Id) -> Result<Option<Id>> {
        let sql = "SELECT repository FROM publication WHERE id = $1";
        let row = sqlx::query(sql).bind(publication).fetch_optional(&self.pool).await;
        row.and_then(|row| row.map(|row| row.integer(0)).transpose()).map_err(Error::db("find a publication"))
    }

    /// All labels, by what they are on.
    pub async fn labels(&self) -> Result<HashMap<String, BTreeMap<String, String>>> {
        let doing = "read labels";
        let rows = sqlx::query("SELECT resource, name, value FROM label").fetch_all(&self.pool).await;
        let mut labels: HashMap<String, BTreeMap<String, String>> = HashMap::new();
        for row in &rows.map_err(Error::db(doing))? {
            let (name, value) =
                row.text(1).and_then(|name| Ok((name, row.text(2)?))).map_err(Error::db(doing))?;
            labels.entry(row.text(0).map_err(Error::db(doing))?).or_default().insert(name, value);
        }
        Ok(labels)
    }
}

fn ids(rows: sqlx::Result<Vec<AnyRow>>) -> Result<Vec<Id>> {
    rows.and_then(|rows| rows.iter().map(|row| row.integer(0)).collect()).map_err(Error::db("list content"))
}

fn detail(row: &AnyRow) -> sqlx::Result<UnitDetail> {
    let (id, content_type, key) = (row.integer(0)?, row.text(1)?, row.text(2)?);
    let unit = Unit { id, content_type, key, body: row.bytes(3)? };
    Ok(UnitDetail { unit, created: row.time(4)?, files: Vec::new() })
}

impl Transaction {
    /// Replaces all labels of something.
    pub async fn set_labels(&mut self, resource: &Resource, labels: &BTreeMap<String, String>) -> Result<()> {
        let doing = "set labels";
        let query = sqlx::query("DELETE FROM label WHERE resource = $1").bind(resource.key());
        query.execute(self.connection()).await.map_err(Error::db(doing))?;
        let labels: Vec<_> = labels.iter().collect();
        for some in labels.chunks(batch(3)) {
            let mut query =
                sqlx::query(values("INSERT INTO label (resource, name, value)", some.len(), 3, ""));
            for (name, value) in some {
                query = query.bind(resource.key()).bind((*name).clone()).bind((*value).clone());
            }
            query.execute(self.connection()).await.map_err(Error::db(doing))?;
        }
        Ok(())
    }
}
