-- The catalog's tables, in the words of docs/concepts.md. One text for SQLite and PostgreSQL:
-- @id, @text, @bytes and @clustered (the rows stand in the order of the primary key) are spelled by dialect.rs. Times are seconds since 1970, truth values 0 and 1.

CREATE TABLE catalog_state (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    -- Counts changes of what the content server shows; a server that has seen the number is up to date.
    generation BIGINT NOT NULL,
    -- How often files were given up that paths had.
    losses BIGINT NOT NULL
);
INSERT INTO catalog_state (one, generation, losses) VALUES (1, 0, 0);

CREATE TABLE artifact (
    sha256 @bytes PRIMARY KEY,
    md5 @bytes NOT NULL,
    size BIGINT NOT NULL,
    created BIGINT NOT NULL
) @clustered;
CREATE INDEX artifact_md5 ON artifact (md5);

CREATE TABLE content_unit (
    id @id,
    content_type @text NOT NULL,
    unit_key @text NOT NULL,
    digest @bytes NOT NULL UNIQUE,
    body @bytes NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX content_unit_key ON content_unit (unit_key, content_type);

CREATE TABLE unit_artifact (
    unit BIGINT NOT NULL REFERENCES content_unit (id),
    path @text NOT NULL,
    sha256 @bytes NOT NULL,
    size BIGINT NOT NULL,
    -- Whether it is at its path in every publication of a version that has the unit.
    served BIGINT NOT NULL,
    PRIMARY KEY (unit, path)
) @clustered;
CREATE INDEX unit_artifact_path ON unit_artifact (path);

CREATE TABLE remote (
    id @id,
    name @text NOT NULL UNIQUE,
    plugin @text NOT NULL,
    url @text NOT NULL,
    options @text NOT NULL,
    settings @text NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

-- Where bytes that are not held yet can be fetched.
CREATE TABLE remote_artifact (
    sha256 @bytes NOT NULL,
    remote BIGINT NOT NULL REFERENCES remote (id),
    url @text NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (sha256, remote, url)
) @clustered;

CREATE TABLE repository (
    id @id,
    name @text NOT NULL UNIQUE,
    plugin @text NOT NULL,
    options @text NOT NULL,
    settings @text NOT NULL,
    latest_version BIGINT NOT NULL,
    -- The numbers of deleted versions are not given again.
    next_version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    -- No publication may get a time up to this one: it is taken, or it was answered for.
    settled_until BIGINT NOT NULL
);

-- The remotes that a sync of the repository takes, in this order.
CREATE TABLE repository_remote (
    repository BIGINT NOT NULL REFERENCES repository (id),
    position BIGINT NOT NULL,
    remote BIGINT NOT NULL REFERENCES remote (id),
    PRIMARY KEY (repository, position)
);

-- The places of the repository that the last sync from the remote was about: no other remote may fill them, and one
-- that it is about no more is emptied.
CREATE TABLE remote_place (
    repository BIGINT NOT NULL REFERENCES repository (id),
    remote BIGINT NOT NULL REFERENCES remote (id),
    place @text NOT NULL,
    PRIMARY KEY (repository, remote, place)
);

-- What a plugin remembers from one sync to the next.
CREATE TABLE sync_state (
    repository BIGINT NOT NULL REFERENCES repository (id),
    remote BIGINT NOT NULL REFERENCES remote (id),
    name @text NOT NULL,
    value @text NOT NULL,
    PRIMARY KEY (repository, remote, name)
);

CREATE TABLE repository_version (
    repository BIGINT NOT NULL REFERENCES repository (id),
    number BIGINT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (repository, number)
);

-- A unit belongs to the versions from added_in up to, but without, removed_in. So a version costs its change.
CREATE TABLE version_unit (
    repository BIGINT NOT NULL REFERENCES repository (id),
    unit BIGINT NOT NULL REFERENCES content_unit (id),
    place @text NOT NULL,
    added_in BIGINT NOT NULL,
    removed_in BIGINT,
    PRIMARY KEY (unit, repository, place, added_in)
) @clustered;
CREATE INDEX version_unit_place ON version_unit (repository, place);

CREATE TABLE publication (
    id @id,
    repository BIGINT NOT NULL REFERENCES repository (id),
    version BIGINT NOT NULL,
    options @text NOT NULL,
    time BIGINT NOT NULL,
    checkpoint BIGINT NOT NULL,
    UNIQUE (repository, time)
);

CREATE INDEX publication_version ON publication (repository, version, time);

-- The files a publication adds to those of its version's units.
CREATE TABLE publication_file (
    publication BIGINT NOT NULL REFERENCES publication (id),
    directory @text NOT NULL,
    name @text NOT NULL,
    sha256 @bytes NOT NULL,
    PRIMARY KEY (publication, directory, name)
) @clustered;
CREATE INDEX publication_file_sha256 ON publication_file (sha256, directory);

-- What it serves of a repository: one publication, the newest publication of one version, or, if neither is set, the
-- newest of all or the checkpoints.
CREATE TABLE distribution (
    id @id,
    name @text NOT NULL UNIQUE,
    plugin @text NOT NULL,
    base_path @text NOT NULL UNIQUE,
    repository BIGINT REFERENCES repository (id),
    publication BIGINT REFERENCES publication (id),
    version BIGINT,
    checkpoint BIGINT NOT NULL,
    -- Whether a time between two checkpoints is answered, rather than redirected.
    direct BIGINT NOT NULL,
    hidden BIGINT NOT NULL,
    guard BIGINT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

-- Work that outlives the request that asked for it; states as in Pulp. A task that runs belongs to its worker until
-- the lease runs out. The JSON columns are written and read as a whole.
CREATE TABLE task (
    id @id,
    name @text NOT NULL,
    operation @text NOT NULL,
    state @text NOT NULL,
    created BIGINT NOT NULL,
    unblocked BIGINT,
    started BIGINT,
    finished BIGINT,
    worker @text,
    lease BIGINT,
    attempts BIGINT NOT NULL,
    error @text,
    progress @text NOT NULL,
    made @text NOT NULL,
    reservations @text NOT NULL,
    created_by @text,
    correlation @text NOT NULL,
    measured BIGINT NOT NULL,
    profile @text
);
CREATE INDEX task_state ON task (state, id);

-- What tasks that are not finished hold or wait for. The order of tasks decides who waits for whom.
CREATE TABLE task_reservation (
    task BIGINT NOT NULL REFERENCES task (id),
    resource @text NOT NULL,
    exclusive BIGINT NOT NULL,
    PRIMARY KEY (task, resource)
);
CREATE INDEX task_reservation_resource ON task_reservation (resource, task);

CREATE TABLE worker (
    id @id,
    name @text NOT NULL UNIQUE,
    started BIGINT NOT NULL,
    heartbeat BIGINT NOT NULL
);

-- Who may sign in. The password is an argon2 hash in the PHC string format.
CREATE TABLE account (
    id @id,
    name @text NOT NULL UNIQUE,
    role @text NOT NULL,
    password @text NOT NULL,
    created BIGINT NOT NULL
);

-- The repositories that a publisher may change, by name.
CREATE TABLE account_repository (
    account BIGINT NOT NULL REFERENCES account (id),
    repository @text NOT NULL,
    PRIMARY KEY (account, repository)
);

-- Random passwords for programs; only their digests are kept.
CREATE TABLE token (
    digest @bytes PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES account (id),
    name @text NOT NULL,
    created BIGINT NOT NULL,
    UNIQUE (account, name)
);

-- Every change: who asked for what, when, from where, and what came of it (null while it is not known).
CREATE TABLE audit (
    id @id,
    time BIGINT NOT NULL,
    who @text NOT NULL,
    source @text NOT NULL,
    what @text NOT NULL,
    outcome @text
);

-- Files that are uploaded in chunks; each chunk is an artifact.
CREATE TABLE upload (
    id @id,
    size BIGINT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE upload_chunk (
    upload BIGINT NOT NULL REFERENCES upload (id),
    position BIGINT NOT NULL,
    size BIGINT NOT NULL,
    sha256 @bytes NOT NULL,
    PRIMARY KEY (upload, position)
);

-- Artifacts without a row whose bytes go later: somebody may still rely on having seen the row.
CREATE TABLE condemned_artifact (
    sha256 @bytes PRIMARY KEY,
    since BIGINT NOT NULL
);

-- What users write on things, by the thing's kind and row.
CREATE TABLE label (
    resource @text NOT NULL,
    name @text NOT NULL,
    value @text NOT NULL,
    PRIMARY KEY (resource, name)
);

-- Says that only who signs in may read what a distribution serves.
CREATE TABLE guard (
    id @id,
    name @text NOT NULL UNIQUE,
    description @text,
    created BIGINT NOT NULL
);
