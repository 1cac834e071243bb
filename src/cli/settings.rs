//! `--set KEY=VALUE`: options of plugins, with dots between the names of objects inside objects.

use checkpoint_core::plugin::OptionsType;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The options that the settings amount to. A value is a text where the option takes one, else JSON; an empty
/// value sets the option back to its default.
pub(super) fn options(settings: &[String], kind: &OptionsType) -> Result<Map<String, Value>> {
    let mut options = Map::new();
    for setting in settings {
        let (key, value) = setting.split_once('=').ok_or_else(|| Error::Setting(setting.clone()))?;
        let path: Vec<&str> = key.split('.').collect();
        if path.iter().any(|name| name.is_empty()) {
            return Err(Error::Setting(setting.clone()));
        }
        insert(&mut options, &path, typed(&path, value, kind));
    }
    Ok(options)
}

fn typed(path: &[&str], value: &str, kind: &OptionsType) -> Value {
    if value.is_empty() {
        return Value::Null;
    }
    let text = Value::String(value.to_owned());
    let refused = |value: &Value| {
        let mut alone = Map::new();
        insert(&mut alone, path, value.clone());
        kind.check("options", &Value::Object(alone)).err().map(|error| error.to_string())
    };
    let words = || Value::Array(value.split(',').map(|word| Value::String(word.trim().to_owned())).collect());
    let json = serde_json::from_str::<Value>(value).ok();
    let candidates: Vec<Value> = [Some(text.clone()), json, Some(words())].into_iter().flatten().collect();
    let fitting = candidates.iter().find(|value| refused(value).is_none());
    // If none will do, the one that is of the right type says best what is wrong.
    let typed = |value: &&Value| refused(value).is_some_and(|error| !error.contains("invalid type"));
    fitting.or_else(|| candidates.iter().find(typed)).cloned().unwrap_or(text)
}

fn insert(options: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [name] => {
            options.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let inner = options.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deb(settings: &[&str]) -> Value {
        let settings: Vec<String> = settings.iter().map(|setting| setting.to_string()).collect();
        let kind = crate::plugins::registry().get("deb").unwrap().declaration().repository;
        let options = Value::Object(options(&settings, &kind).unwrap());
        kind.check("options", &options).unwrap();
        options
    }

    #[test]
    fn a_value_is_what_the_option_takes() {
        let options = deb(&[
            "origin=12",
            "architectures=amd64,arm64",
            "suites.bookworm.version=12",
            "suites.bookworm.not_automatic=true",
        ]);
        let expected = serde_json::json!({
            "origin": "12",
            "architectures": ["amd64", "arm64"],
            "suites": { "bookworm": { "version": "12", "not_automatic": true } },
        });
        assert_eq!(options, expected);
    }

    #[test]
    fn a_setting_without_an_equals_sign_or_name_is_refused() {
        let kind = crate::plugins::registry().get("deb").unwrap().declaration().repository;
        for setting in ["origin", "=x", "suites..x=y"] {
            assert!(options(&[setting.to_owned()], &kind).is_err(), "{setting}");
        }
    }
}
