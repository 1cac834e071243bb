//! How the REST API spells this plugin's types: as pulp_deb does.

use checkpoint_core::model::{Unit, UnitArtifact};
use checkpoint_core::plugin::{Derived, Link, Rest, RestContent, RestFields, RestOptions, RestType};
use checkpoint_core::{Error, Result};
use debian_format::deb822::Stanza;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::content::{
    GENERIC, INSTALLER_FILE_INDEX, INSTALLER_PACKAGE, PACKAGE, PACKAGE_INDEX, RELEASE_COMPONENT,
    RELEASE_FILE, SOURCE_PACKAGE,
};
use crate::files::{self, ReleaseFile};
use crate::place;

/// Suite and component of an upload that names none; Pulp's.
const DEFAULT_SUITE: &str = "pulp";
const DEFAULT_COMPONENT: &str = "upload";

/// Fields of a repository: our own options, and what scripts written for Pulp set.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct RepositoryFields {
    /// Origin of every suite's Release; the repository's name if it is not set.
    origin: Option<String>,
    /// Label of every suite's Release; the repository's name if it is not set.
    label: Option<String>,
    /// Architectures that are published even while no package is for them.
    architectures: Vec<String>,
    /// Fields of each suite's Release, by the suite's name.
    suites: Map<String, Value>,
    /// Taken if there is such a key; every key signs.
    signing_service: Option<String>,
}

impl RestOptions for RepositoryFields {
    fn into_options(self) -> Result<Map<String, Value>> {
        let architectures = (!self.architectures.is_empty()).then_some(self.architectures);
        let suites = (!self.suites.is_empty()).then_some(self.suites);
        object(json!({
            "origin": self.origin, "label": self.label, "architectures": architectures, "suites": suites,
        }))
    }

    fn of_options(options: &Value) -> Result<RepositoryFields> {
        read(options)
    }
}

/// Fields of a remote.
#[derive(Serialize, Deserialize, JsonSchema)]
struct RemoteFields {
    /// The suites to sync, with blanks between them.
    distributions: String,
    /// The components to sync, with blanks between them; all if it is not set.
    #[serde(default)]
    components: Option<String>,
    /// The architectures to sync, with blanks between them; all if it is not set.
    #[serde(default)]
    architectures: Option<String>,
    /// Whether source packages are synced too.
    #[serde(default)]
    sync_sources: bool,
    /// Public keys, armored, of which one must have signed each Release; without any nothing is verified.
    #[serde(default)]
    gpgkey: Option<String>,
    /// Whether packages of the installer are synced too.
    #[serde(default)]
    sync_udebs: bool,
    /// Whether images of the installer are synced too.
    #[serde(default)]
    sync_installer: bool,
    /// Whether the signed Release and all forms of the indices are kept, for verbatim publications.
    #[serde(default = "always")]
    verbatim: bool,
    /// A pattern of the packages that are synced, as docs/patterns.md describes it.
    #[serde(default)]
    filter: Option<String>,
}

fn always() -> bool {
    true
}

impl RestOptions for RemoteFields {
    fn into_options(self) -> Result<Map<String, Value>> {
        let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let component = self.components.as_deref().map(words);
        let architecture = self.architectures.as_deref().map(words).map(|mut architectures| {
            // Always synced, and no machine's.
            architectures.retain(|architecture| architecture != "all");
            architectures
        });
        object(json!({
            "suite": words(&self.distributions),
            "component": component,
            "architecture": architecture,
            "sources": self.sync_sources,
            "allow_unsigned": self.gpgkey.is_none(),
            "keyring": self.gpgkey,
            "udebs": self.sync_udebs,
            "installer": self.sync_installer,
            "verbatim": self.verbatim,
            "filter": self.filter,
        }))
    }

    fn of_options(options: &Value) -> Result<RemoteFields> {
        let words = |name: &str| {
            let words = options[name].as_array().map(Vec::as_slice).unwrap_or_default();
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            (!words.is_empty()).then(|| words.join(" "))
        };
        Ok(RemoteFields {
            distributions: words("suite").unwrap_or_default(),
            components: words("component"),
            architectures: words("architecture"),
            sync_sources: options["sources"] == json!(true),
            gpgkey: options["keyring"].as_str().map(str::to_owned),
            sync_udebs: options["udebs"] == json!(true),
            sync_installer: options["installer"] == json!(true),
            verbatim: options["verbatim"] == json!(true),
            filter: options["filter"].as_str().map(str::to_owned),
        })
    }
}

/// Fields of a publication.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct PublicationFields {
    /// Whether everything is published once more as component `all` of a suite `default`.
    simple: bool,
    /// Whether suites and components are published.
    structured: bool,
    /// Taken if there is such a key; every key signs.
    signing_service: Option<String>,
}

impl Default for PublicationFields {
    fn default() -> Self {
        PublicationFields { simple: false, structured: true, signing_service: None }
    }
}

impl RestOptions for PublicationFields {
    fn into_options(self) -> Result<Map<String, Value>> {
        if !self.simple && !self.structured {
            return Err(Error::Invalid(
                "one of simple or structured publishing mode must be selected".into(),
            ));
        }
        object(json!({"simple": self.simple.then_some(true)}))
    }

    fn of_options(options: &Value) -> Result<PublicationFields> {
        read(options)
    }
}

/// Fields of an upload.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct UploadFields {
    /// The suite that the package goes into.
    distribution: Option<String>,
    /// The component that the package goes into.
    component: Option<String>,
    /// Not heeded: the pool's layout follows from the package.
    relative_path: Option<String>,
}

impl RestOptions for UploadFields {
    fn into_options(self) -> Result<Map<String, Value>> {
        let suite = self.distribution.unwrap_or_else(|| DEFAULT_SUITE.to_owned());
        let component = self.component.unwrap_or_else(|| DEFAULT_COMPONENT.to_owned());
        object(json!({"suite": suite, "component": component}))
    }

    fn of_options(_: &Value) -> Result<UploadFields> {
        Ok(UploadFields::default())
    }
}

/// Fields that make a component.
#[derive(Serialize, Deserialize, JsonSchema)]
struct ComponentFields {
    /// The suite.
    distribution: String,
    /// The component.
    component: String,
}

impl RestOptions for ComponentFields {
    fn into_options(self) -> Result<Map<String, Value>> {
        object(json!({"suite": self.distribution, "component": self.component}))
    }

    fn of_options(options: &Value) -> Result<ComponentFields> {
        let text = |name: &str| options[name].as_str().unwrap_or_default().to_owned();
        Ok(ComponentFields { distribution: text("suite"), component: text("component") })
    }
}

fn read<T: DeserializeOwned>(options: &Value) -> Result<T> {
    T::deserialize(options).map_err(|error| Error::Internal(error.to_string()))
}

/// Without what is null.
fn object(options: Value) -> Result<Map<String, Value>> {
    match options {
        Value::Object(options) => Ok(options.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        _ => Err(Error::Internal("options are no object".into())),
    }
}

/// The fields of a package, and the fields of its stanza that they show.
const PACKAGE_FIELDS: [(&str, &str); 32] = [
    ("package", "Package"),
    ("source", "Source"),
    ("version", "Version"),
    ("architecture", "Architecture"),
    ("section", "Section"),
    ("priority", "Priority"),
    ("origin", "Origin"),
    ("tag", "Tag"),
    ("bugs", "Bugs"),
    ("essential", "Essential"),
    ("build_essential", "Build-Essential"),
    ("installed_size", "Installed-Size"),
    ("maintainer", "Maintainer"),
    ("original_maintainer", "Original-Maintainer"),
    ("description", "Description"),
    ("description_md5", "Description-md5"),
    ("homepage", "Homepage"),
    ("built_using", "Built-Using"),
    ("auto_built_package", "Auto-Built-Package"),
    ("multi_arch", "Multi-Arch"),
    ("breaks", "Breaks"),
    ("conflicts", "Conflicts"),
    ("depends", "Depends"),
    ("recommends", "Recommends"),
    ("suggests", "Suggests"),
    ("enhances", "Enhances"),
    ("pre_depends", "Pre-Depends"),
    ("provides", "Provides"),
    ("replaces", "Replaces"),
    ("binary", "Binary"),
    ("format", "Format"),
    ("standards_version", "Standards-Version"),
];
const PACKAGE_NAMES: [&str; 29] = {
    let mut names = [""; 29];
    let mut index = 0;
    while index < names.len() {
        names[index] = PACKAGE_FIELDS[index].0;
        index += 1;
    }
    names
};
const SOURCE_NAMES: [&str; 9] = [
    "source",
    "version",
    "architecture",
    "section",
    "priority",
    "maintainer",
    "binary",
    "format",
    "standards_version",
];

/// Where a package goes that was uploaded into no repository: the component that its path in the pool names, of the
/// suite that Pulp has for such packages.
pub(crate) fn place(files: &[UnitArtifact]) -> String {
    let component =
        files.first().and_then(|file| file.path.as_str().strip_prefix("pool/")?.split('/').next());
    place::join(DEFAULT_SUITE, Some(component.unwrap_or(DEFAULT_COMPONENT)))
}

/// What the API shows of a unit.
pub(crate) fn fields(unit: &Unit) -> Map<String, Value> {
    if unit.content_type == RELEASE_FILE {
        return release_fields(unit);
    }
    let stanza = Stanza::new(&unit.body);
    let names: &[&str] = match unit.content_type.as_str() {
        SOURCE_PACKAGE => &SOURCE_NAMES,
        PACKAGE | INSTALLER_PACKAGE => &PACKAGE_NAMES,
        _ => &[],
    };
    let shown = PACKAGE_FIELDS.iter().filter(|(name, _)| names.contains(name));
    let value = |(name, field): &(&str, &str)| {
        // A stanza of Sources calls the source package Package.
        let field = if unit.content_type == SOURCE_PACKAGE && *name == "source" { "Package" } else { field };
        ((*name).to_owned(), stanza.get_str(field).map_or(Value::Null, |text| json!(text.trim())))
    };
    shown.map(value).collect()
}

const RELEASE_FILE_NAMES: [&str; 5] = ["codename", "suite", "distribution", "components", "architectures"];

fn release_fields(unit: &Unit) -> Map<String, Value> {
    // It was read when it was synced.
    let Ok(release) = files::body::<ReleaseFile>(unit) else { return Map::new() };
    let directory = unit.key.strip_suffix("/Release").unwrap_or("/");
    let values = [
        json!(release.codename),
        json!(release.suite),
        json!(directory.strip_prefix("dists/").unwrap_or(directory)),
        json!(release.components.join(" ")),
        json!(release.architectures.join(" ")),
    ];
    RELEASE_FILE_NAMES.map(str::to_owned).into_iter().zip(values).collect()
}

/// Types that follow from where packages stand.
const RELEASE: &str = "deb.release";
const RELEASE_ARCHITECTURE: &str = "deb.release_architecture";
const PACKAGE_RELEASE_COMPONENT: &str = "deb.package_release_component";
const SOURCE_RELEASE_COMPONENT: &str = "deb.source_package_release_component";
const RELEASE_NAMES: [&str; 7] =
    ["distribution", "codename", "suite", "version", "origin", "label", "description"];

/// The suites, components and architectures that there are because a package stands in them, and that it does.
pub(crate) fn derived(place: &str, key: &str) -> Vec<Derived> {
    let (suite, component) = place::split(place);
    let fields = |value: Value| match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let one = |content_type, key: String, value| Derived {
        content_type,
        key,
        fields: fields(value),
        links: Vec::new(),
    };
    let mut shown = Map::from_iter(RELEASE_NAMES.map(|name| (name.to_owned(), Value::Null)));
    shown.extend(["distribution", "codename"].map(|name| (name.to_owned(), json!(suite))));
    let mut all = vec![one(RELEASE, suite.to_owned(), Value::Object(shown))];
    let Some(component) = component else { return all };
    let plain = component.rsplit('/').next();
    let shown = json!({"distribution": suite, "component": component, "plain_component": plain});
    all.push(one(RELEASE_COMPONENT, place.to_owned(), shown));
    // The keys of everything but packages are paths.
    let parts: Vec<&str> = key.split('_').collect();
    let [_, _, architecture] = parts[..] else { return all };
    if key.contains('/') {
        return all;
    }
    let (relation, unit, name) = match architecture == place::SOURCE {
        true => (SOURCE_RELEASE_COMPONENT, SOURCE_PACKAGE, "source_package"),
        false => (PACKAGE_RELEASE_COMPONENT, PACKAGE, "package"),
    };
    if architecture != place::SOURCE {
        let shown = json!({"distribution": suite, "architecture": architecture});
        all.push(one(RELEASE_ARCHITECTURE, format!("{suite} {architecture}"), shown));
    }
    let links = vec![
        (name, Link::Unit(unit)),
        ("release_component", Link::Derived(RELEASE_COMPONENT, place.to_owned())),
    ];
    all.push(Derived { links, ..one(relation, format!("{place} {key}"), json!({})) });
    all
}

pub(crate) fn rest() -> Rest {
    let apt = |model, fields| RestType { path: "apt", model, fields };
    Rest {
        version: "3.10.0",
        sync_task: "pulp_deb.app.tasks.synchronizing.synchronize",
        publish_task: "pulp_deb.app.tasks.publishing.publish",
        repository: apt("aptrepository", Some(RestFields::of::<RepositoryFields>())),
        remote: apt("aptremote", Some(RestFields::of::<RemoteFields>())),
        distribution: apt("aptdistribution", None),
        publications: vec![
            ("apt", apt("aptpublication", Some(RestFields::of::<PublicationFields>()))),
            ("verbatim", RestType { path: "verbatim", model: "verbatimpublication", fields: None }),
        ],
        content: content(),
    }
}

/// A content type that is kept: its name and its parameter, its path and its model, and the fields that it shows.
fn kept(
    (content_type, parameter): (&'static str, &'static str),
    (path, model): (&'static str, &'static str),
    shows: &'static [&'static str],
) -> RestContent {
    RestContent {
        content_type,
        parameter,
        rest: RestType { path, model, fields: Some(RestFields::of::<UploadFields>()) },
        upload: content_type == PACKAGE,
        several: [RELEASE_FILE, SOURCE_PACKAGE].contains(&content_type),
        key: match content_type {
            PACKAGE | INSTALLER_PACKAGE => Some(("package", "_")),
            SOURCE_PACKAGE => Some(("source", "_")),
            _ => None,
        },
        derived: false,
        links: &[],
        shows,
    }
}

/// The content types: those that are kept, then those that follow from where packages stand.
fn content() -> Vec<RestContent> {
    let derived = |(content_type, parameter), (path, model), shows, links| RestContent {
        content_type,
        parameter,
        rest: RestType { path, model, fields: None },
        upload: false,
        several: false,
        key: None,
        derived: true,
        links,
        shows,
    };
    let mut component = derived(
        (RELEASE_COMPONENT, "deb_release_component"),
        ("release_components", "releasecomponent"),
        &["distribution", "component", "plain_component"],
        &[],
    );
    (component.upload, component.rest.fields) = (true, Some(RestFields::of::<ComponentFields>()));
    vec![
        kept((PACKAGE, "deb_package"), ("packages", "package"), &PACKAGE_NAMES),
        kept(
            (INSTALLER_PACKAGE, "deb_installer_package"),
            ("installer_packages", "installerpackage"),
            &PACKAGE_NAMES,
        ),
        kept((SOURCE_PACKAGE, "deb_source_package"), ("source_packages", "sourcepackage"), &SOURCE_NAMES),
        kept((RELEASE_FILE, "deb_release_file"), ("release_files", "releasefile"), &RELEASE_FILE_NAMES),
        kept((PACKAGE_INDEX, "deb_package_index"), ("package_indices", "packageindex"), &[]),
        kept(
            (INSTALLER_FILE_INDEX, "deb_installer_file_index"),
            ("installer_file_indices", "installerfileindex"),
            &[],
        ),
        kept((GENERIC, "deb_generic_content"), ("generic_contents", "genericcontent"), &[]),
        derived((RELEASE, "deb_release"), ("releases", "release"), &RELEASE_NAMES, &[]),
        component,
        derived(
            (RELEASE_ARCHITECTURE, "deb_release_architecture"),
            ("release_architectures", "releasearchitecture"),
            &["distribution", "architecture"],
            &[],
        ),
        derived(
            (PACKAGE_RELEASE_COMPONENT, "deb_package_release_component"),
            ("package_release_components", "packagereleasecomponent"),
            &[],
            &["package", "release_component"],
        ),
        derived(
            (SOURCE_RELEASE_COMPONENT, "deb_source_release_component"),
            ("source_release_components", "sourcepackagereleasecomponent"),
            &[],
            &["source_package", "release_component"],
        ),
    ]
}
