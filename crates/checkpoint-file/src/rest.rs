//! How the REST API spells this plugin's types: as pulp_file does.

use checkpoint_core::plugin::{Rest, RestContent, RestFields, RestOptions, RestType};
use checkpoint_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::FILE;

/// Fields of repositories and of publications.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct ManifestFields {
    /// The name of the manifest.
    manifest: Option<String>,
}

impl Default for ManifestFields {
    fn default() -> Self {
        ManifestFields { manifest: Some(crate::MANIFEST.into()) }
    }
}

impl RestOptions for ManifestFields {
    fn into_options(self) -> Result<Map<String, Value>> {
        Ok(self.manifest.into_iter().map(|manifest| ("manifest".to_owned(), Value::from(manifest))).collect())
    }

    fn of_options(options: &Value) -> Result<ManifestFields> {
        ManifestFields::deserialize(options).map_err(|error| Error::Internal(error.to_string()))
    }
}

/// Fields of an upload.
#[derive(Serialize, Deserialize, JsonSchema)]
struct UploadFields {
    /// Path of the file in the repository.
    relative_path: Option<String>,
}

impl RestOptions for UploadFields {
    fn into_options(self) -> Result<Map<String, Value>> {
        let path = self.relative_path.into_iter();
        Ok(path.map(|path| ("relative_path".to_owned(), json!(path))).collect())
    }

    fn of_options(options: &Value) -> Result<UploadFields> {
        UploadFields::deserialize(options).map_err(|error| Error::Internal(error.to_string()))
    }
}

pub(crate) fn rest() -> Rest {
    let plain = |model| RestType { path: "file", model, fields: None };
    let with_manifest =
        |model| RestType { path: "file", model, fields: Some(RestFields::of::<ManifestFields>()) };
    Rest {
        version: "3.103.0",
        sync_task: "pulp_file.app.tasks.synchronizing.synchronize",
        publish_task: "pulp_file.app.tasks.publishing.publish",
        repository: with_manifest("filerepository"),
        remote: plain("fileremote"),
        distribution: plain("filedistribution"),
        publications: vec![("file", with_manifest("filepublication"))],
        content: vec![RestContent {
            content_type: FILE,
            parameter: "file_file_content",
            rest: RestType {
                path: "files",
                model: "filecontent",
                fields: Some(RestFields::of::<UploadFields>()),
            },
            upload: true,
            several: false,
            key: Some(("relative_path", "")),
            derived: false,
            links: &[],
            shows: &[],
        }],
    }
}
