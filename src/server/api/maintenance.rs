//! Orphans, repair, users, the audit record and content guards.

use std::sync::Arc;

use checkpoint_core::account::AuditEntry;
use checkpoint_core::engine::{Cleanup, Operation};
use checkpoint_core::task::Resource;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Api;
use super::address::{Addresses, Target};
use super::common::{self, exclusive, show_time};
use super::endpoint::{Answer, Call, Endpoint, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{self, Field, boolean, integer, object_schema, text, texts};

/// How long new content is safe from a cleanup unless the request says, in minutes; Pulp's day.
const PROTECTION: u32 = 1440;
/// How many changes can be looked at. `debpoint audit` knows all of them.
const AUDITED: u32 = 10_000;

fn user_fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([
        text("username").read_only(),
        text("role").read_only(),
        texts("repositories").read_only(),
        boolean("is_active").read_only(),
        boolean("is_staff").read_only(),
    ]);
    fields
}

fn guard_fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([text("name").required(), text("description").nullable()]);
    fields
}

fn audit_fields() -> Vec<Field> {
    let texts = ["who", "source", "what"].map(|name| text(name).read_only());
    let mut fields = texts.to_vec();
    fields.extend([schema::time("time").read_only(), text("outcome").nullable().read_only()]);
    fields
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let user = object_schema(&user_fields(), false, false);
    let guard = object_schema(&guard_fields(), false, false);
    let guards = "contentguards/core/rbac/";
    vec![
        Endpoint::new(
            Method::POST,
            "orphans/cleanup/",
            "orphans_cleanup_cleanup",
            "Delete what nothing refers to.",
            clean_up,
        )
        .sends(vec![texts("content_hrefs"), integer("orphan_protection_time").nullable().at_least(0)], true)
        .gives_task(),
        Endpoint::new(Method::POST, "repair/", "repair_post", "Find and repair damaged files.", repair)
            .sends(vec![boolean("verify_checksums")], true)
            .gives_task(),
        Endpoint::new(Method::GET, "audit/", "audit_list", "List changes, the newest first.", audit)
            .takes(query::filters(&audit_fields()))
            .gives(StatusCode::OK, common::page_schema(&object_schema(&audit_fields(), false, false))),
        Endpoint::new(Method::GET, "users/", "users_list", "List users.", users)
            .takes(query::filters(&user_fields()))
            .gives(StatusCode::OK, common::page_schema(&user)),
        Endpoint::new(Method::GET, "users/{id}/", "users_read", "Show a user.", read_user)
            .href("auth_user_href", "")
            .gives(StatusCode::OK, user),
        Endpoint::new(
            Method::GET,
            guards,
            "contentguards_core_rbac_list",
            "List content guards.",
            list_guards,
        )
        .takes(query::filters(&guard_fields()))
        .gives(StatusCode::OK, common::page_schema(&guard)),
        Endpoint::new(
            Method::POST,
            guards,
            "contentguards_core_rbac_create",
            "Create a content guard: only who signs in may read.",
            create_guard,
        )
        .sends(guard_fields(), false)
        .gives(StatusCode::CREATED, guard.clone()),
        Endpoint::new(
            Method::GET,
            &format!("{guards}{{id}}/"),
            "contentguards_core_rbac_read",
            "Show a content guard.",
            read_guard,
        )
        .href("r_b_a_c_content_guard_href", "")
        .gives(StatusCode::OK, guard),
        Endpoint::new(
            Method::DELETE,
            &format!("{guards}{{id}}/"),
            "contentguards_core_rbac_delete",
            "Delete a content guard that no distribution has.",
            delete_guard,
        )
        .href("r_b_a_c_content_guard_href", "")
        .gives(StatusCode::NO_CONTENT, Value::Null),
    ]
}

async fn clean_up(api: Arc<Api>, call: Call) -> Answer {
    let among = match call.body.get("content_hrefs") {
        Some(Value::Array(_)) => Some(common::content(&api, &call, "content_hrefs").await?),
        _ => None,
    };
    let minutes = call.body.get("orphan_protection_time").and_then(Value::as_u64);
    let protection_minutes = minutes.map_or(PROTECTION, |minutes| u32::try_from(minutes).unwrap_or(u32::MAX));
    let operation = Operation::CleanUp(Cleanup { among, protection_minutes });
    let reservations = vec![exclusive(Resource::Orphans)];
    common::task(&api, &call, "pulpcore.app.tasks.orphan.orphan_cleanup", operation, reservations).await
}

async fn repair(api: Arc<Api>, call: Call) -> Answer {
    common::task(
        &api,
        &call,
        "pulpcore.app.tasks.repository.repair_all_artifacts",
        Operation::Repair(None),
        Vec::new(),
    )
    .await
}

async fn audit(api: Arc<Api>, call: Call) -> Answer {
    common::administrating(&call)?;
    let query = Query::read(&call, &audit_fields(), &[])?;
    let show = |entry: &AuditEntry| {
        json!({
            "time": show_time(entry.time), "who": entry.who, "source": entry.source, "what": entry.what,
            "outcome": entry.outcome,
        })
    };
    Ok(query.answer(&call, api.engine.audit(AUDITED).await?.iter().rev().map(show).collect()))
}

fn show_user(account: &checkpoint_core::account::Account) -> Value {
    let (href, prn) = Addresses::user(account.id);
    json!({
        "pulp_href": href, "prn": prn,
        "pulp_created": show_time(account.created), "pulp_last_updated": show_time(account.created),
        "username": account.name, "role": account.role, "repositories": account.repositories,
        "is_active": true, "is_staff": account.role == checkpoint_core::account::Role::Administrator,
    })
}

async fn users(api: Arc<Api>, call: Call) -> Answer {
    common::administrating(&call)?;
    let query = Query::read(&call, &user_fields(), &[])?;
    Ok(query.answer(&call, api.engine.accounts().await?.iter().map(show_user).collect()))
}

async fn read_user(api: Arc<Api>, call: Call) -> Answer {
    common::administrating(&call)?;
    let Some(Target::User(id)) = call.addresses.find(&call.path) else { return Err(Failure::not_found()) };
    let accounts = api.engine.accounts().await?;
    let found = accounts.iter().find(|account| account.id == id).ok_or_else(Failure::not_found)?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(show_user(found))))
}

fn show_guard(guard: &checkpoint_core::account::Guard) -> Value {
    let (href, prn) = Addresses::guard(guard.id);
    json!({
        "pulp_href": href, "prn": prn,
        "pulp_created": show_time(guard.created), "pulp_last_updated": show_time(guard.created),
        "name": guard.name, "description": guard.description,
    })
}

async fn list_guards(api: Arc<Api>, call: Call) -> Answer {
    let query = Query::read(&call, &guard_fields(), &[])?;
    Ok(query.answer(&call, api.engine.guards().await?.iter().map(show_guard).collect()))
}

async fn create_guard(api: Arc<Api>, call: Call) -> Answer {
    let name = common::parsed(&call.body, "name")?;
    let description = call.body.get("description").and_then(Value::as_str);
    Ok(Reply::created(show_guard(&api.engine.create_guard(&name, description).await?)))
}

async fn guard_at(api: &Api, call: &Call) -> Result<checkpoint_core::account::Guard, Failure> {
    let Some(Target::Guard(id)) = call.addresses.find(&call.path) else { return Err(Failure::not_found()) };
    let found = api.engine.guards().await?.into_iter().find(|guard| guard.id == id);
    found.ok_or_else(Failure::not_found)
}

async fn read_guard(api: Arc<Api>, call: Call) -> Answer {
    let guard = guard_at(&api, &call).await?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(show_guard(&guard))))
}

async fn delete_guard(api: Arc<Api>, call: Call) -> Answer {
    let guard = guard_at(&api, &call).await?;
    api.engine.delete_guard(guard.id).await?;
    Ok(Reply::nothing())
}
