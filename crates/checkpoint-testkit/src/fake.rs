//! A plugin whose publishing does what a test wants, and a signer that signs with a word.

use std::cmp::Ordering;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use checkpoint_core::catalog::KnownUnit;
use checkpoint_core::model::{NewUnit, Placed, Unit, UnitArtifact};
use checkpoint_core::plugin::{
    ContentType, Declaration, Label, OptionsType, PinJob, Plugin, PublishJob, Rest, RestContent, RestType,
    SameKey, Seal, SyncMode, Upload,
};
use checkpoint_core::signer::{Signer, Verifier};
use checkpoint_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

fn rest() -> Rest {
    let named = |path, model| RestType { path, model, fields: None };
    Rest {
        version: "1.0.0",
        sync_task: "fake.sync",
        publish_task: "fake.publish",
        repository: named("fake", "repository"),
        remote: named("fake", "remote"),
        distribution: named("fake", "distribution"),
        publications: vec![("fake", named("fake", "publication"))],
        content: vec![RestContent {
            content_type: "fake.note",
            parameter: "fake_note",
            rest: named("notes", "note"),
            upload: true,
            several: false,
            key: None,
            derived: false,
            links: &[],
            shows: &[],
        }],
    }
}

/// What happens while a publication is made.
pub type Hook = Box<dyn FnMut() -> Result<()> + Send>;

/// Notes: files whose first line is `name version`. A publication has an `index` of them and a `time`.
#[derive(Clone, Default)]
pub struct FakePlugin {
    hook: Arc<Mutex<Option<Hook>>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

impl FakePlugin {
    /// Calls `hook` after the index of each publication is written.
    pub fn while_publishing(&self, hook: impl FnMut() -> Result<()> + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }
}

/// The bytes of a note.
pub fn note(name: &str, version: u32) -> Vec<u8> {
    format!("{name} {version}\n").into_bytes()
}

#[async_trait]
impl Plugin for FakePlugin {
    fn declaration(&self) -> Declaration {
        Declaration {
            name: "fake",
            about: "notes, for tests",
            repository: OptionsType::of::<NoOptions>(),
            remote: None,
            sync_mode: SyncMode::Additive,
            publication: OptionsType::of::<NoOptions>(),
            content: vec![ContentType {
                name: "fake.note",
                upload: OptionsType::of::<NoOptions>(),
                immutable_paths: true,
                served: true,
            }],
            rest: rest(),
        }
    }

    fn parse_upload(&self, mut upload: Upload<'_>) -> Result<Placed<NewUnit>> {
        let mut text = String::new();
        let read = upload.file.read_to_string(&mut text);
        let words: Vec<&str> = text.split_whitespace().collect();
        let (Ok(_), [name, version]) = (read, &words[..]) else {
            return Err(Error::Invalid("it is not a note".into()));
        };
        let key = format!("{name}_{version}");
        let path = format!("notes/{key}").parse()?;
        let file = UnitArtifact { path, sha256: upload.digests.sha256, size: upload.digests.size };
        let unit =
            NewUnit { content_type: "fake.note", body: key.clone().into_bytes(), key, artifacts: vec![file] };
        Ok(Placed { place: String::new(), unit })
    }

    fn same_key(&self, _: &KnownUnit, new: &NewUnit) -> SameKey {
        SameKey::Refuse(format!("{} is there already", new.key))
    }

    fn label(&self, unit: &Unit) -> Label {
        let (name, version) = unit.key.split_once('_').unwrap_or((&unit.key, ""));
        Label { name: name.into(), variant: String::new(), version: version.into() }
    }

    fn compare_versions(&self, left: &str, right: &str) -> Ordering {
        left.parse::<u32>().ok().cmp(&right.parse().ok())
    }

    fn publish(&self, job: PublishJob<'_>) -> Result<Seal> {
        let mut index = job.writer.create()?;
        for unit in job.contents.units() {
            writeln!(index, "{}", unit?.unit.key).map_err(Error::io("write", "an index"))?;
        }
        let path: checkpoint_core::name::RelativePath = "index".parse()?;
        job.writer.add(path.clone(), index)?;
        job.writer.derive(&path, "index.upper".parse()?, &mut |reader, writer| {
            let mut text = String::new();
            reader.read_to_string(&mut text).map_err(Error::io("read", "an index"))?;
            writer.write_all(text.to_uppercase().as_bytes()).map_err(Error::io("write", "an index"))
        })?;
        if let Some(hook) = self.hook.lock().unwrap().as_mut() {
            hook()?;
        }
        Ok(Box::new(|time| Ok(vec![("time".parse()?, time.to_string().into_bytes())])))
    }

    fn pin(&self, job: &PinJob<'_>) -> Result<String> {
        Ok(format!("{}\n", job.url))
    }
}

/// Signs with a word.
pub struct FakeSigner;

impl Signer for FakeSigner {
    fn clearsign(&self, text: &[u8], _: SystemTime) -> Result<Vec<u8>> {
        Ok([b"signed\n", text].concat())
    }

    fn detach(&self, data: &[u8], _: SystemTime) -> Result<Vec<u8>> {
        Ok(format!("signature over {} bytes\n", data.len()).into_bytes())
    }

    fn public_keys(&self) -> Result<String> {
        Ok("public key\n".into())
    }
}

impl Verifier for FakeSigner {
    fn verify_clearsigned(&self, _: &[u8], message: &[u8], _: SystemTime) -> Result<Vec<u8>> {
        let text = message.strip_prefix(b"signed\n").map(<[u8]>::to_vec);
        text.ok_or_else(|| Error::Signing("it is not signed".into()))
    }

    fn verify_detached(&self, _: &[u8], data: &[u8], signature: &[u8], now: SystemTime) -> Result<()> {
        match signature == self.detach(data, now)? {
            true => Ok(()),
            false => Err(Error::Signing("the signature is over something else".into())),
        }
    }
}
