//! Answers that refuse, in the shapes that Pulp's clients read.

use checkpoint_core::{Error, Kind};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// A request that is not carried out.
#[derive(Debug)]
pub(in crate::server) struct Failure {
    pub(in crate::server) status: StatusCode,
    pub(super) body: Value,
}

impl Failure {
    pub(super) fn new(status: StatusCode, body: Value) -> Failure {
        Failure { status, body }
    }

    /// Something is wrong with one field.
    pub(super) fn field(name: &str, why: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, json!({ name: [why.into()] }))
    }

    /// Something is wrong with several fields.
    pub(super) fn fields(wrong: Map<String, Value>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, Value::Object(wrong))
    }

    /// Something is wrong with the request as a whole.
    pub(super) fn general(why: impl Into<String>) -> Failure {
        Failure::field("non_field_errors", why)
    }

    /// Something else.
    pub(super) fn detail(status: StatusCode, why: impl Into<String>) -> Failure {
        Failure::new(status, json!({ "detail": why.into() }))
    }

    pub(super) fn not_found() -> Failure {
        Failure::detail(StatusCode::NOT_FOUND, "Not found.")
    }

    pub(super) fn forbidden() -> Failure {
        Failure::detail(StatusCode::FORBIDDEN, "You do not have permission to perform this action.")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match (&error, error.kind()) {
            (_, Kind::NotFound) => Failure::not_found(),
            (Error::AlreadyExists { .. }, _) => Failure::field("name", "This field must be unique."),
            (_, Kind::Invalid | Kind::AlreadyExists | Kind::Conflict) => Failure::general(error.to_string()),
            (_, Kind::Upstream) => Failure::detail(StatusCode::BAD_GATEWAY, error.to_string()),
            (_, kind) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                tracing::error!("cannot answer: {error}{}", cause.unwrap_or_default());
                let status = match kind {
                    Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                Failure::detail(status, "the server cannot answer now")
            }
        }
    }
}
