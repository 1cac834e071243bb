//! How the REST API spells a plugin's types: Pulp's endpoints, models and fields. The server makes routes, schemas and
//! addresses of it.

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The fields of one type as the API has them, and which of the plugin's own options they mean.
pub trait RestOptions: JsonSchema + Serialize + DeserializeOwned {
    /// The plugin's options that these fields mean. [`Error::Invalid`] says what is wrong.
    fn into_options(self) -> Result<Map<String, Value>>;

    /// The fields that show these options, which were checked when they were stored.
    fn of_options(options: &Value) -> Result<Self>;
}

/// A [`RestOptions`] type, without its type.
#[derive(Clone)]
pub struct RestFields {
    schema: fn() -> Schema,
    into_options: fn(Value) -> Result<Map<String, Value>>,
    of_options: fn(&Value) -> Result<Map<String, Value>>,
}

impl RestFields {
    /// The fields of `T`.
    pub fn of<T: RestOptions>() -> RestFields {
        RestFields {
            schema: || schema_for!(T),
            into_options: |fields| {
                let fields: T =
                    serde_json::from_value(fields).map_err(|error| Error::Invalid(error.to_string()))?;
                fields.into_options()
            },
            of_options: |options| match serde_json::to_value(T::of_options(options)?) {
                Ok(Value::Object(fields)) => Ok(fields),
                _ => Err(Error::Internal("the fields of an API are no object".into())),
            },
        }
    }

    /// Their JSON schema.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// The plugin's options that the fields mean.
    pub fn into_options(&self, fields: Map<String, Value>) -> Result<Map<String, Value>> {
        (self.into_options)(Value::Object(fields))
    }

    /// The fields that show these options.
    pub fn of_options(&self, options: &Value) -> Result<Map<String, Value>> {
        (self.of_options)(options)
    }
}

/// A type of a plugin as the API has it.
#[derive(Clone)]
pub struct RestType {
    /// The last part of its URLs: `apt` in `repositories/deb/apt/`.
    pub path: &'static str,
    /// Its name in PRNs, after the plugin's: `aptrepository`.
    pub model: &'static str,
    /// Its own fields, if it has any.
    pub fields: Option<RestFields>,
}

/// A content type as the API has it.
#[derive(Clone)]
pub struct RestContent {
    /// As in [`super::ContentType::name`].
    pub content_type: &'static str,
    /// The parameter that holds a unit's href, without `_href`: `deb_package`.
    pub parameter: &'static str,
    /// Its path, its model, and what is sent to make one, besides a file.
    pub rest: RestType,
    /// Whether one can be made: of a file, or if it is derived of its fields alone, by [`super::Plugin::make`].
    pub upload: bool,
    /// Whether one may have several files.
    pub several: bool,
    /// The field that a unit's key begins with, and what follows it there, if there is such a one: then not all units
    /// need be looked at for those with one value of it.
    pub key: Option<(&'static str, &'static str)>,
    /// Whether nothing need keep it: it follows from where units stand, as [`super::Plugin::derived`] says.
    pub derived: bool,
    /// The names of its links, if it is derived.
    pub links: &'static [&'static str],
    /// The names of the fields that a unit shows, as [`super::Plugin::fields`] gives them.
    pub shows: &'static [&'static str],
}

/// Content that the API shows although nothing keeps it: it follows from where a unit stands.
#[derive(Debug, Clone)]
pub struct Derived {
    /// Its type.
    pub content_type: &'static str,
    /// What identifies it among its type, in all repositories.
    pub key: String,
    /// What is shown of it.
    pub fields: Map<String, Value>,
    /// What it is about, by the names of the fields.
    pub links: Vec<(&'static str, Link)>,
}

/// Something that derived content is about.
#[derive(Debug, Clone)]
pub enum Link {
    /// The unit, which is of this type.
    Unit(&'static str),
    /// Other derived content: its type and its key.
    Derived(&'static str, String),
}

/// All that a plugin says about the API.
#[derive(Clone)]
pub struct Rest {
    /// The version of Pulp's plugin whose API this is like.
    pub version: &'static str,
    /// What a sync is called among tasks.
    pub sync_task: &'static str,
    /// What a publish is called among tasks.
    pub publish_task: &'static str,
    /// Its repositories.
    pub repository: RestType,
    /// Its remotes.
    pub remote: RestType,
    /// Its distributions.
    pub distribution: RestType,
    /// Its publications, each with the value of the publication option `kind` that it stands for; with only one there
    /// need not be such an option.
    pub publications: Vec<(&'static str, RestType)>,
    /// Its content types; the first is what an upload makes.
    pub content: Vec<RestContent>,
}

impl Rest {
    /// The kind of a publication with these options.
    pub fn kind_of(&self, options: &Value) -> &'static str {
        let said = options.get("kind").and_then(Value::as_str);
        let found = self.publications.iter().find(|(kind, _)| Some(*kind) == said);
        found.or(self.publications.first()).map(|(kind, _)| *kind).unwrap_or_default()
    }
}
