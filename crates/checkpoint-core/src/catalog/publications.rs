//! Publications and their files.

use serde_json::Value;
use sqlx::any::AnyRow;

use super::rows::{Get as _, batch, values};
use super::{Catalog, Transaction};
use crate::digest::{Digests, Md5, Sha256};
use crate::error::{Error, Result};
use crate::model::{Id, Publication};
use crate::name::RelativePath;
use crate::time::Timestamp;

/// A file that a publication adds to those of its units.
#[derive(Debug, Clone)]
pub struct PublicationFile {
    /// Its path in the publication.
    pub path: String,
    /// Its bytes.
    pub digests: Digests,
}

/// A publication about to become visible.
#[derive(Debug)]
pub struct NewPublication<'a> {
    /// The repository, locked.
    pub repository: Id,
    /// The version it shows.
    pub version: i64,
    /// The instant from which it is visible.
    pub time: Timestamp,
    /// Whether it is kept under that instant.
    pub checkpoint: bool,
    /// What the plugin was told.
    pub options: &'a Value,
    /// Its files; their artifacts are recorded.
    pub files: &'a [(RelativePath, Digests)],
}

const FILE: &str = "SELECT f.directory, f.name, a.sha256, a.md5, a.size \
     FROM publication_file f JOIN artifact a ON a.sha256 = f.sha256";

impl Catalog {
    /// All publications of a repository, oldest first.
    pub async fn publications(&self, repository: Id) -> Result<Vec<Publication>> {
        let sql = "SELECT id, time, version, checkpoint, options FROM publication WHERE repository = $1 ORDER BY time";
        let rows = sqlx::query(sql).bind(repository).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(publication).collect()).map_err(Error::db("list publications"))
    }

    /// The file at `directory/name` that the publication itself adds.
    pub async fn publication_file(
        &self,
        publication: Id,
        directory: &str,
        name: &str,
    ) -> Result<Option<PublicationFile>> {
        let tail = "WHERE f.publication = $1 AND f.directory = $2 AND f.name = $3";
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{FILE} {tail}"))).bind(publication);
        let row = query.bind(directory.to_owned()).bind(name.to_owned()).fetch_optional(&self.pool).await;
        row.and_then(|row| row.as_ref().map(file).transpose()).map_err(Error::db("find a file"))
    }

    /// All files that the publication itself adds.
    pub async fn publication_files(&self, publication: Id) -> Result<Vec<PublicationFile>> {
        let tail = "WHERE f.publication = $1 ORDER BY f.directory, f.name";
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{FILE} {tail}"))).bind(publication);
        let rows = query.fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(file).collect()).map_err(Error::db("list files"))
    }

    /// A file with this SHA-256 in `directory` of any publication of the repository.
    pub async fn file_by_sha256(
        &self,
        repository: Id,
        directory: &str,
        sha256: &Sha256,
    ) -> Result<Option<Found>> {
        self.by_hash(repository, directory, "a.sha256 = $3", sha256.as_bytes().to_vec()).await
    }

    /// A file with this MD5 in `directory` of any publication of the repository.
    pub async fn file_by_md5(&self, repository: Id, directory: &str, md5: &Md5) -> Result<Option<Found>> {
        self.by_hash(repository, directory, "a.md5 = $3", md5.as_bytes().to_vec()).await
    }

    async fn by_hash(
        &self,
        repository: Id,
        directory: &str,
        condition: &str,
        digest: Vec<u8>,
    ) -> Result<Option<Found>> {
        // CROSS JOIN has SQLite begin with the hash rather than with all publications.
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT f.directory, f.name, a.sha256, a.md5, a.size, p.time \
             FROM artifact a CROSS JOIN publication_file f CROSS JOIN publication p \
             WHERE f.sha256 = a.sha256 AND p.id = f.publication \
             AND p.repository = $1 AND f.directory = $2 AND {condition} ORDER BY p.time LIMIT 1"
        ));
        let query = sqlx::query(sql).bind(repository).bind(directory.to_owned()).bind(digest);
        let row = query.fetch_optional(&self.pool).await;
        let found = |row: &AnyRow| Ok((file(row)?, row.time(5)?));
        row.and_then(|row| row.as_ref().map(found).transpose()).map_err(Error::db("find a file by its hash"))
    }
}

/// A file, and when it was first published.
pub type Found = (PublicationFile, Timestamp);

fn publication(row: &AnyRow) -> sqlx::Result<Publication> {
    Ok(Publication {
        id: row.integer(0)?,
        time: row.time(1)?,
        version: row.integer(2)?,
        checkpoint: row.flag(3)?,
        options: row.json(4)?,
    })
}

fn file(row: &AnyRow) -> sqlx::Result<PublicationFile> {
    let (directory, name) = (row.text(0)?, row.text(1)?);
    let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
    let digests = Digests { sha256: row.sha256(2)?, md5: row.md5(3)?, size: row.integer(4)? as u64 };
    Ok(PublicationFile { path, digests })
}

impl Transaction {
    /// Records a publication with all its files. It is visible once the transaction is committed and its
    /// time has come.
    pub async fn create_publication(&mut self, new: &NewPublication<'_>) -> Result<Publication> {
        let doing = "record a publication";
        let sql = "INSERT INTO publication (repository, version, options, time, checkpoint) \
             VALUES ($1, $2, $3, $4, $5) RETURNING id";
        let query = sqlx::query(sql).bind(new.repository).bind(new.version).bind(new.options.to_string());
        let query = query.bind(new.time.unix()).bind(i64::from(new.checkpoint));
        let row = query.fetch_one(self.connection()).await;
        let id = row.and_then(|row| row.integer(0)).map_err(Error::db(doing))?;
        for some in new.files.chunks(batch(4)) {
            let head = "INSERT INTO publication_file (publication, directory, name, sha256)";
            let mut query = sqlx::query(values(head, some.len(), 4, ""));
            for (path, digests) in some {
                let (directory, name) = path.split();
                query = query.bind(id).bind(directory.to_owned()).bind(name.to_owned());
                query = query.bind(digests.sha256.as_bytes().to_vec());
            }
            query.execute(self.connection()).await.map_err(Error::db(doing))?;
        }
        let options = new.options.clone();
        Ok(Publication { id, time: new.time, version: new.version, checkpoint: new.checkpoint, options })
    }
}
