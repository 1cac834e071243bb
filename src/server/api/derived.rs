//! Content that follows from where units stand, such as the suites and components of an archive: it is listed and
//! shown like any other, and nothing need keep it. Some kinds can be made by themselves, too.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use checkpoint_core::Error;
use checkpoint_core::catalog::UnitDetail;
use checkpoint_core::model::{Id, Repository};
use checkpoint_core::plugin::{Derived, Link, RestContent};
use checkpoint_core::task::Resource;
use checkpoint_core::time::Timestamp;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::address::Target;
use super::common::{self, UPLOADING, show_time};
use super::endpoint::{Answer, Call, Endpoint, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{self, Field, declared, href, object_schema, text};

/// A kind of such content.
#[derive(Clone)]
pub(super) struct Kind {
    plugin: &'static str,
    rest: RestContent,
}

impl Kind {
    fn fields(&self) -> Vec<Field> {
        let mut fields = schema::common();
        fields.extend(self.rest.shows.iter().map(|name| text(name).nullable().read_only()));
        fields.extend(self.rest.links.iter().map(|name| href(name).read_only()));
        fields
    }
}

pub(super) fn endpoints(plugin: &'static str, rest: &RestContent) -> Vec<Endpoint> {
    let kind = Kind { plugin, rest: rest.clone() };
    let path = format!("content/{plugin}/{}/", kind.rest.rest.path);
    let operation = |action: &str| format!("content_{plugin}_{}_{action}", kind.rest.rest.path);
    let parameter = format!("{}_href", kind.rest.parameter);
    let entity = object_schema(&kind.fields(), false, false);
    let (k1, k2) = (kind.clone(), kind.clone());
    let mut all = vec![
        Endpoint::new(
            Method::GET,
            &path,
            &operation("list"),
            "List what follows from where content stands.",
            move |api, call| list(api, call, k1.clone()),
        )
        .takes(query::filters(&kind.fields()))
        .takes(vec![common::href_parameter("repository_version")])
        .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(
            Method::GET,
            &format!("{path}{{id}}/"),
            &operation("read"),
            "Show it.",
            move |api, call| read(api, call, k2.clone()),
        )
        .href(&parameter, "")
        .gives(StatusCode::OK, entity.clone()),
    ];
    if kind.rest.upload {
        let sends =
            declared(kind.rest.rest.fields.as_ref()).into_iter().chain([href("repository").nullable()]);
        all.push(
            Endpoint::new(
                Method::POST,
                &path,
                &operation("create"),
                "Make content that has no file.",
                move |api, call| create(api, call, kind.clone()),
            )
            .sends(sends.collect(), false)
            .needs(UPLOADING)
            .gives(StatusCode::CREATED, entity),
        );
    }
    all
}

/// What follows from a version, by key, each with the unit that it follows from.
async fn of_version(
    api: &Api,
    kind: &Kind,
    (repository, version): (&Repository, i64),
) -> Result<BTreeMap<String, (Derived, Id)>, Failure> {
    let plugin = api.engine.registry().get(kind.plugin)?;
    let mut found = BTreeMap::new();
    for (place, unit, key) in api.engine.placed_keys(repository.id, version).await? {
        for derived in plugin.derived(&place, &key) {
            if derived.content_type == kind.rest.content_type {
                found.entry(derived.key.clone()).or_insert((derived, unit));
            }
        }
    }
    Ok(found)
}

/// What was made by itself, of these units, each with the unit.
async fn made(api: &Api, kind: &Kind, units: &[Id]) -> Result<Vec<(Derived, UnitDetail)>, Failure> {
    let plugin = api.engine.registry().get(kind.plugin)?;
    let details = api.engine.unit_details(units).await?.into_iter();
    let own = |detail: UnitDetail| {
        let place = plugin.place(&detail.unit, &detail.files);
        let mut derived = plugin.derived(&place, &detail.unit.key).into_iter();
        Some((derived.find(|derived| derived.content_type == kind.rest.content_type)?, detail))
    };
    Ok(details.filter_map(own).collect())
}

async fn all_made(api: &Api, kind: &Kind) -> Result<Vec<(Derived, UnitDetail)>, Failure> {
    if !kind.rest.upload {
        return Ok(Vec::new());
    }
    let units = api.engine.unit_ids(kind.rest.content_type, None).await?;
    made(api, kind, &units).await
}

/// Whether this is the address of something derived.
fn is_at(api: &Api, address: &str, derived: &Derived) -> bool {
    let (href, prn) = api.addresses.derived(derived.content_type, &derived.key);
    address == href || address == prn
}

/// The row of the unit that such an address stands for, if it was made by itself.
pub(super) async fn unit_named(api: &Api, address: &str) -> Result<Option<Id>, Failure> {
    let Some(Target::Derived(content_type, _)) = api.addresses.find(address) else { return Ok(None) };
    for (plugin, rest) in api.addresses.plugins() {
        let Some(rest) = rest.content.iter().find(|content| content.content_type == content_type) else {
            continue;
        };
        let made = all_made(api, &Kind { plugin, rest: rest.clone() }).await?;
        let found = made.iter().find(|(derived, _)| is_at(api, address, derived));
        return Ok(found.map(|(_, detail)| detail.unit.id));
    }
    Ok(None)
}

async fn create(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let named = call.body.get("repository").cloned().unwrap_or(Value::Null);
    let repository = common::repository_named(&api, "repository", &named).await?;
    if let Some(repository) = &repository {
        common::check_plugin(repository, kind.plugin)?;
        call.may_change(&repository.name)?;
    }
    let options = match &kind.rest.rest.fields {
        Some(fields) => common::options(fields, &call.body, None)?,
        None => Map::new(),
    };
    let unit =
        api.engine.make_content(kind.plugin, kind.rest.content_type, options, repository.as_ref()).await?;
    let found = made(&api, &kind, &[unit]).await?.pop();
    let (derived, detail) = found.ok_or_else(|| Error::Internal("what was made cannot be found".into()))?;
    Ok(Reply::created(show(&api, detail.created, &derived, unit)))
}

async fn all(api: &Api, call: &Call, kind: &Kind) -> Result<Vec<Value>, Failure> {
    let mut shown = BTreeMap::new();
    if call.parameter("repository_version").is_none() {
        for (derived, detail) in all_made(api, kind).await? {
            shown.insert(derived.key.clone(), show(api, detail.created, &derived, detail.unit.id));
        }
    }
    let versions = match call.parameter("repository_version") {
        Some(address) => vec![common::version_named(api, "repository_version", &json!(address)).await?],
        None => {
            let all = api.engine.repositories().await?.into_iter();
            let own = all.filter(|repository| repository.plugin == kind.plugin);
            own.map(|repository| (repository.latest_version, repository)).map(|(n, r)| (r, n)).collect()
        }
    };
    for (repository, number) in &versions {
        for (key, (derived, unit)) in of_version(api, kind, (repository, *number)).await? {
            shown.entry(key).or_insert_with(|| show(api, repository.created, &derived, unit));
        }
    }
    Ok(shown.into_values().collect())
}

fn show(api: &Api, created: Timestamp, derived: &Derived, unit: Id) -> Value {
    let (href, prn) = api.addresses.derived(derived.content_type, &derived.key);
    let mut shown = Map::from_iter([
        ("pulp_href".to_owned(), json!(href)),
        ("prn".to_owned(), json!(prn)),
        ("pulp_created".to_owned(), json!(show_time(created))),
        ("pulp_last_updated".to_owned(), json!(show_time(created))),
    ]);
    shown.extend(derived.fields.clone());
    shown.extend(derived.links.iter().map(|(name, link)| {
        let href = match link {
            Link::Unit(content_type) => {
                api.addresses.href(&Resource::Content((*content_type).to_owned(), unit))
            }
            Link::Derived(content_type, key) => api.addresses.derived(content_type, key).0,
        };
        ((*name).to_owned(), json!(href))
    }));
    Value::Object(shown)
}

async fn list(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let query = Query::read(&call, &kind.fields(), &["repository_version"])?;
    Ok(query.answer(&call, all(&api, &call, &kind).await?))
}

async fn read(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let Some(Target::Derived(..)) = call.addresses.find(&call.path) else { return Err(Failure::not_found()) };
    let found = all(&api, &call, &kind).await?.into_iter().find(|one| one["pulp_href"] == call.path.as_str());
    Ok(Reply::ok(Query::read_one(&call)?.shown(found.ok_or_else(Failure::not_found)?)))
}

/// The units of a version that stand where something derived is.
pub(super) async fn units_at(api: &Api, version: (Id, i64), address: &str) -> Result<HashSet<Id>, Failure> {
    let wrong = || Failure::field("release_component", "Invalid hyperlink - No URL match.");
    let Some(Target::Derived(content_type, _)) = api.addresses.find(address) else { return Err(wrong()) };
    let plugins = api.engine.registry().iter().cloned().collect::<Vec<_>>();
    let mut units = HashSet::new();
    for (place, unit, key) in api.engine.placed_keys(version.0, version.1).await? {
        let derived = plugins.iter().flat_map(|plugin| plugin.derived(&place, &key));
        let mut here = derived.filter(|derived| derived.content_type == content_type);
        if here.any(|derived| is_at(api, address, &derived)) {
            units.insert(unit);
        }
    }
    Ok(units)
}
