//! Hrefs and PRNs: what an entity's address is, and what is at an address.
//!
//! Every entity has a UUID made of its kind and its row (RFC 9562 section 5.8 leaves version 8 to us), so that no
//! table has to keep one and an address is read back without asking the database. An artifact's comes from its digest.

use checkpoint_core::digest::{Hasher, Sha256};
use checkpoint_core::plugin::{Registry, Rest, RestType};
use checkpoint_core::task::Resource;
use serde_json::Value;

/// Where the API begins.
pub(in crate::server) const ROOT: &str = "/pulp/api/v3/";

/// What a UUID is for; the numbers are part of published addresses and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Repository = 1,
    Version = 2,
    Remote = 3,
    Publication = 4,
    Distribution = 5,
    Content = 6,
    Upload = 8,
    Task = 9,
    Worker = 10,
    User = 11,
    Guard = 12,
}

/// Bits for the number of a version, beside which the repository's row stands in a version's UUID.
const VERSION_BITS: u32 = 32;

fn uuid(tag: Tag, id: i64) -> String {
    let id = id as u64;
    format!(
        "{:08x}-{:04x}-8{:03x}-{:04x}-{:012x}",
        0,
        tag as u16,
        0,
        0x8000 | (id >> 48 & 0x3fff),
        id & 0xffff_ffff_ffff
    )
}

fn id(tag: Tag, text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split('-').collect();
    let [_, _, _, high, low] = parts[..] else { return None };
    let (high, low) = (u64::from_str_radix(high, 16).ok()?, u64::from_str_radix(low, 16).ok()?);
    let id = ((high & 0x3fff) << 48 | low) as i64;
    (uuid(tag, id) == text.to_ascii_lowercase()).then_some(id)
}

/// The UUID of an artifact: the first bits of its digest.
pub(super) fn uuid_of_digest(sha256: &Sha256) -> String {
    let hex = sha256.to_string();
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30])
}

/// The beginning of the digest, in hexadecimal, that the UUID of an artifact gives away.
pub(super) fn digest_prefix(uuid: &str) -> Option<String> {
    let parts: Vec<&str> = uuid.split('-').collect();
    let [one, two, three, four, five] = parts[..] else { return None };
    let lengths = (one.len(), two.len(), three.len(), four.len(), five.len());
    let hex = uuid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if lengths != (8, 4, 4, 4, 12) || !hex || !three.starts_with('8') || !four.starts_with('8') {
        return None;
    }
    Some(format!("{one}{two}{}{}{five}", &three[1..], &four[1..]).to_ascii_lowercase())
}

/// All types that have addresses.
#[derive(Clone)]
pub(super) struct Addresses {
    plugins: Vec<(&'static str, Rest)>,
}

/// An address taken apart: what of it is known without the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Resource(Resource),
    /// An artifact whose digest begins so.
    Artifact(String),
    Worker(i64),
    /// Derived content: its type, and its UUID.
    Derived(&'static str, String),
    Task(i64),
    User(i64),
    Guard(i64),
}

impl Addresses {
    pub(super) fn new(registry: &Registry) -> Addresses {
        let declarations = registry.iter().map(|plugin| plugin.declaration());
        Addresses { plugins: declarations.map(|declaration| (declaration.name, declaration.rest)).collect() }
    }

    /// All plugins with what they say about the API.
    pub(super) fn plugins(&self) -> impl Iterator<Item = (&'static str, &Rest)> {
        self.plugins.iter().map(|(name, rest)| (*name, rest))
    }

    fn rest(&self, plugin: &str) -> Option<&Rest> {
        self.plugins.iter().find(|(name, _)| *name == plugin).map(|(_, rest)| rest)
    }

    fn publication<'a>(rest: &'a Rest, kind: &str) -> Option<&'a RestType> {
        rest.publications.iter().find(|(name, _)| *name == kind).map(|(_, publication)| publication)
    }

    /// Where the units of a content type are listed.
    pub(super) fn content_path(&self, content_type: &str) -> String {
        let href = self.href(&Resource::Content(content_type.to_owned(), 0));
        href.trim_end_matches('/').rsplit_once('/').map(|(list, _)| format!("{list}/")).unwrap_or_default()
    }

    /// The name of the kind of a publication with these options.
    pub(super) fn kind_of_publication(&self, plugin: &str, options: &Value) -> &'static str {
        self.rest(plugin).map(|rest| rest.kind_of(options)).unwrap_or_default()
    }

    /// The option that says that a publication is of a kind, where there are several.
    pub(super) fn kind_option(&self, plugin: &str, kind: &str) -> Option<(String, Value)> {
        let several = self.rest(plugin).is_some_and(|rest| rest.publications.len() > 1);
        several.then(|| ("kind".to_owned(), Value::from(kind)))
    }

    /// The href of a resource; empty for what has none.
    pub(super) fn href(&self, resource: &Resource) -> String {
        self.parts(resource).map(|(path, _, uuid)| format!("{ROOT}{path}{uuid}/")).unwrap_or_default()
    }

    /// The PRN of a resource; empty for what has none.
    pub(super) fn prn(&self, resource: &Resource) -> String {
        match resource {
            Resource::Version(_, repository, number) => {
                let id = repository << VERSION_BITS | number;
                format!("prn:core.repositoryversion:{}", uuid(Tag::Version, id))
            }
            _ => {
                self.parts(resource).map(|(_, model, uuid)| format!("prn:{model}:{uuid}")).unwrap_or_default()
            }
        }
    }

    /// Path, model and UUID.
    fn parts(&self, resource: &Resource) -> Option<(String, String, String)> {
        let own = |kind: &str, plugin: &str, rest: &RestType, uuid| {
            (format!("{kind}/{plugin}/{}/", rest.path), format!("{plugin}.{}", rest.model), uuid)
        };
        Some(match resource {
            Resource::Repository(plugin, row) => {
                own("repositories", plugin, &self.rest(plugin)?.repository, uuid(Tag::Repository, *row))
            }
            Resource::Version(plugin, repository, number) => {
                let (path, _, uuid) = self.parts(&Resource::Repository(plugin.clone(), *repository))?;
                (format!("{path}{uuid}/versions/"), "core.repositoryversion".into(), number.to_string())
            }
            Resource::Remote(plugin, row) => {
                own("remotes", plugin, &self.rest(plugin)?.remote, uuid(Tag::Remote, *row))
            }
            Resource::Publication(plugin, kind, row) => {
                let publication = Self::publication(self.rest(plugin)?, kind)?;
                own("publications", plugin, publication, uuid(Tag::Publication, *row))
            }
            Resource::Distribution(plugin, row) => {
                own("distributions", plugin, &self.rest(plugin)?.distribution, uuid(Tag::Distribution, *row))
            }
            Resource::Content(content_type, row) => {
                let (plugin, rest) = self.plugins.iter().find(|(_, rest)| {
                    rest.content.iter().any(|content| content.content_type == content_type)
                })?;
                let content = rest.content.iter().find(|content| content.content_type == content_type)?;
                own("content", plugin, &content.rest, uuid(Tag::Content, *row))
            }
            Resource::Artifact(sha256) => {
                ("artifacts/".into(), "core.artifact".into(), uuid_of_digest(sha256))
            }
            Resource::Upload(row) => ("uploads/".into(), "core.upload".into(), uuid(Tag::Upload, *row)),
            Resource::Distributions | Resource::Orphans => return None,
        })
    }

    /// The href and the PRN of derived content.
    pub(super) fn derived(&self, content_type: &str, key: &str) -> (String, String) {
        let mut hasher = Hasher::default();
        hasher.update(content_type.as_bytes());
        hasher.update(key.as_bytes());
        let uuid = uuid_of_digest(&hasher.finish().sha256);
        let all = self
            .plugins()
            .flat_map(|(plugin, rest)| rest.content.iter().map(move |content| (plugin, content)));
        let mut all = all.filter(|(_, content)| content.content_type == content_type);
        all.next().map_or_else(Default::default, |(plugin, content)| {
            let model = format!("{plugin}.{}", content.rest.model);
            address(&format!("content/{plugin}/{}/", content.rest.path), &model, &uuid)
        })
    }

    /// The href and the PRN of a task.
    pub(super) fn task(id: i64) -> (String, String) {
        address("tasks/", "core.task", &uuid(Tag::Task, id))
    }

    /// The href and the PRN of a key that signs.
    pub(super) fn signing_service(fingerprint: &str) -> (String, String) {
        let mut hasher = Hasher::default();
        hasher.update(fingerprint.as_bytes());
        address("signing-services/", "core.signingservice", &uuid_of_digest(&hasher.finish().sha256))
    }

    /// The href and the PRN of a worker.
    pub(super) fn worker(id: i64) -> (String, String) {
        address("workers/", "core.worker", &uuid(Tag::Worker, id))
    }

    /// The href and the PRN of a user.
    pub(super) fn user(id: i64) -> (String, String) {
        address("users/", "auth.user", &uuid(Tag::User, id))
    }

    /// The href and the PRN of a content guard.
    pub(super) fn guard(id: i64) -> (String, String) {
        address("contentguards/core/rbac/", "core.rbaccontentguard", &uuid(Tag::Guard, id))
    }

    /// What is at an href or a PRN; `None` if neither the form nor the type is one of ours.
    pub(super) fn find(&self, address: &str) -> Option<Target> {
        match address.strip_prefix("prn:") {
            Some(rest) => {
                let (model, uuid) = rest.rsplit_once(':')?;
                self.by_model(model, uuid)
            }
            None => {
                // A client may give the whole URL.
                let path = &address[address.find(ROOT)?..];
                self.by_path(path.strip_prefix(ROOT)?.trim_end_matches('/'))
            }
        }
    }

    /// [`Self::find`] of something that is a resource.
    pub(super) fn resource(&self, address: &str) -> Option<Resource> {
        match self.find(address)? {
            Target::Resource(resource) => Some(resource),
            _ => None,
        }
    }

    fn by_path(&self, path: &str) -> Option<Target> {
        if let Some((repository, number)) = path.split_once("/versions/") {
            let Target::Resource(Resource::Repository(plugin, row)) = self.by_path(repository)? else {
                return None;
            };
            let number: i64 = number.parse().ok()?;
            return Some(Target::Resource(Resource::Version(plugin, row, number)));
        }
        let (kind, uuid) = path.rsplit_once('/')?;
        let parts: Vec<&str> = kind.split('/').collect();
        match parts[..] {
            ["tasks"] => self.by_model("core.task", uuid),
            ["workers"] => self.by_model("core.worker", uuid),
            ["users"] => self.by_model("auth.user", uuid),
            ["artifacts"] => self.by_model("core.artifact", uuid),
            ["uploads"] => self.by_model("core.upload", uuid),
            ["contentguards", "core", "rbac"] => self.by_model("core.rbaccontentguard", uuid),
            [kind, plugin, path] => {
                let rest = self.rest(plugin)?;
                let same = |rest: &&RestType| rest.path == path;
                let found = match kind {
                    "repositories" => Some(&rest.repository).filter(same),
                    "remotes" => Some(&rest.remote).filter(same),
                    "distributions" => Some(&rest.distribution).filter(same),
                    "publications" => rest.publications.iter().map(|(_, rest)| rest).find(same),
                    "content" => rest.content.iter().map(|content| &content.rest).find(same),
                    _ => None,
                }?;
                self.by_model(&format!("{plugin}.{}", found.model), uuid)
            }
            _ => None,
        }
    }

    fn by_model(&self, model: &str, uuid: &str) -> Option<Target> {
        match model {
            "core.task" => return id(Tag::Task, uuid).map(Target::Task),
            "core.worker" => return id(Tag::Worker, uuid).map(Target::Worker),
            "auth.user" => return id(Tag::User, uuid).map(Target::User),
            "core.rbaccontentguard" => return id(Tag::Guard, uuid).map(Target::Guard),
            "core.artifact" => return digest_prefix(uuid).map(Target::Artifact),
            "core.upload" => return Some(Target::Resource(Resource::Upload(id(Tag::Upload, uuid)?))),
            "core.repositoryversion" => {
                // The plugin is not in the PRN; whoever looks the repository up learns it.
                let id = id(Tag::Version, uuid)?;
                let (repository, number) = (id >> VERSION_BITS, id & ((1 << VERSION_BITS) - 1));
                return Some(Target::Resource(Resource::Version(String::new(), repository, number)));
            }
            _ => {}
        }
        let (plugin, model) = model.split_once('.')?;
        let rest = self.rest(plugin)?;
        let name = plugin.to_owned();
        let resource = if rest.repository.model == model {
            Resource::Repository(name, id(Tag::Repository, uuid)?)
        } else if rest.remote.model == model {
            Resource::Remote(name, id(Tag::Remote, uuid)?)
        } else if rest.distribution.model == model {
            Resource::Distribution(name, id(Tag::Distribution, uuid)?)
        } else if let Some((kind, _)) = rest.publications.iter().find(|(_, rest)| rest.model == model) {
            Resource::Publication(name, (*kind).to_owned(), id(Tag::Publication, uuid)?)
        } else {
            let content = rest.content.iter().find(|content| content.rest.model == model)?;
            if content.derived {
                return digest_prefix(uuid).map(|_| Target::Derived(content.content_type, uuid.to_owned()));
            }
            Resource::Content(content.content_type.to_owned(), id(Tag::Content, uuid)?)
        };
        Some(Target::Resource(resource))
    }
}

fn address(path: &str, model: &str, uuid: &str) -> (String, String) {
    (format!("{ROOT}{path}{uuid}/"), format!("prn:{model}:{uuid}"))
}
