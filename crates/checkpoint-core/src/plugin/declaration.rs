//! What a plugin says about its types. Storage, validation and the help of commands follow from it.

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Rest, SyncMode};
use crate::error::{Error, Result};

/// The options of one of a plugin's types: a serde struct and its JSON schema.
#[derive(Clone)]
pub struct OptionsType {
    schema: fn() -> Schema,
    check: fn(Value) -> Result<(), serde_json::Error>,
}

impl OptionsType {
    /// The options that deserialize as `T`. It should deny unknown fields and have a default for each.
    pub fn of<T: JsonSchema + DeserializeOwned>() -> OptionsType {
        OptionsType { schema: || schema_for!(T), check: |value| serde_json::from_value::<T>(value).map(drop) }
    }

    /// The JSON schema, with the doc comments of the struct as descriptions.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// Checks options that a user gave. `whose` begins the sentence that refuses them.
    pub fn check(&self, whose: &str, options: &Value) -> Result<()> {
        (self.check)(options.clone()).map_err(|error| Error::Invalid(format!("{whose}: {error}")))
    }

    /// Each option with its description, in the order of their names.
    pub fn fields(&self) -> Vec<(String, String)> {
        let schema = self.schema();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return Vec::new();
        };
        let description = |schema: &Value| {
            let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
            text.replace('\n', " ")
        };
        properties.iter().map(|(name, schema)| (name.clone(), description(schema))).collect()
    }

    /// Those of `options` that are options of this type.
    pub fn pick(&self, options: &Map<String, Value>) -> Map<String, Value> {
        let fields = self.fields();
        let own = |name: &String| fields.iter().any(|(field, _)| field == name);
        options
            .iter()
            .filter(|(name, _)| own(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// A kind of content unit.
#[derive(Clone)]
pub struct ContentType {
    /// Its name, beginning with the plugin's: `file.file`.
    pub name: &'static str,
    /// What may be said when a file is uploaded. Each option is a text, and a flag of `content add`.
    pub upload: OptionsType,
    /// Whether a path of such a unit has the same bytes for ever, so that caches may keep it for ever too.
    pub immutable_paths: bool,
    /// Whether its files are at their paths in every publication of a version that has it. If not they are only where
    /// the plugin's publish adopts them, and people do not see the unit in lists.
    pub served: bool,
}

/// All that a plugin says about itself.
#[derive(Clone)]
pub struct Declaration {
    /// The plugin's name, the `--type` of its repositories and remotes.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Options of its repositories.
    pub repository: OptionsType,
    /// Options of its remotes; none if it cannot sync.
    pub remote: Option<OptionsType>,
    /// What a sync does with units that the remote does not have, unless it is told.
    pub sync_mode: SyncMode,
    /// Options of its publications.
    pub publication: OptionsType,
    /// Its kinds of content; the first is what an upload makes.
    pub content: Vec<ContentType>,
    /// How the REST API spells all of these.
    pub rest: Rest,
}

impl Declaration {
    /// The content types whose files are only where they are adopted.
    pub fn unserved(&self) -> Vec<&'static str> {
        self.content.iter().filter(|content| !content.served).map(|content| content.name).collect()
    }

    /// The content type of uploads.
    pub fn uploaded(&self) -> Result<&ContentType> {
        self.content
            .first()
            .ok_or_else(|| Error::Internal(format!("plugin {} declares no content", self.name)))
    }
}
