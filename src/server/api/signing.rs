//! The keys that sign, which Pulp calls signing services.

use std::sync::Arc;

use checkpoint_core::signer::SigningKey;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::address::Addresses;
use super::common::{self, show_time};
use super::endpoint::{Answer, Call, Endpoint, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{self, Field, object_schema, text};

fn fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend(["name", "public_key", "pubkey_fingerprint", "script"].map(|name| text(name).read_only()));
    fields
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let entity = object_schema(&fields(), false, false);
    vec![
        Endpoint::new(
            Method::GET,
            "signing-services/",
            "signing_services_list",
            "List the keys, all of which sign each publication.",
            list,
        )
        .takes(query::filters(&fields()))
        .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(Method::GET, "signing-services/{id}/", "signing_services_read", "Show a key.", read)
            .href("signing_service_href", "")
            .gives(StatusCode::OK, entity),
    ]
}

/// Refuses a signing service that is not there. Whichever is named, every key signs.
pub(super) fn check(api: &Api, body: &Map<String, Value>) -> Result<(), Failure> {
    let Some(address) = body.get("signing_service").filter(|address| !address.is_null()) else {
        return Ok(());
    };
    let is = |key: &SigningKey| {
        let (href, prn) = Addresses::signing_service(&key.fingerprint);
        *address == json!(href) || *address == json!(prn)
    };
    match api.engine.signing_keys()?.iter().any(is) {
        true => Ok(()),
        false => Err(Failure::field(
            "signing_service",
            format!("Invalid hyperlink - Object does not exist: {address}"),
        )),
    }
}

fn show(key: &SigningKey) -> Value {
    let (href, prn) = Addresses::signing_service(&key.fingerprint);
    json!({
        "pulp_href": href, "prn": prn,
        "pulp_created": show_time(key.created), "pulp_last_updated": show_time(key.created),
        "name": key.name, "public_key": key.public_key, "pubkey_fingerprint": key.fingerprint, "script": "",
    })
}

async fn list(api: Arc<Api>, call: Call) -> Answer {
    let query = Query::read(&call, &fields(), &[])?;
    Ok(query.answer(&call, api.engine.signing_keys()?.iter().map(show).collect()))
}

async fn read(api: Arc<Api>, call: Call) -> Answer {
    let keys = api.engine.signing_keys()?;
    let found = keys.iter().find(|key| Addresses::signing_service(&key.fingerprint).0 == call.path);
    let found = found.ok_or_else(Failure::not_found)?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(show(found))))
}
