//! Flags that plugins declare: each upload option becomes a flag of `content add`, each publication option one
//! of `publish`, each remote option one of `remote create`. A flag that two plugins declare is one flag.

use std::collections::BTreeMap;

use checkpoint_core::plugin::{OptionsType, Plugin, Registry};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};

use crate::openpgp::armored_keys;

/// A command, and which of a plugin's declared options are its flags.
struct Declared {
    command: &'static [&'static str],
    options: fn(&dyn Plugin) -> Option<OptionsType>,
}

const DECLARED: [Declared; 3] = [
    Declared {
        command: &["content", "add"],
        options: |plugin| Some(plugin.declaration().uploaded().ok()?.upload.clone()),
    },
    Declared { command: &["publish"], options: |plugin| Some(plugin.declaration().publication) },
    Declared { command: &["remote", "create"], options: |plugin| plugin.declaration().remote },
];

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Text,
    Texts,
    /// The name of a file of public keys, which are the option's value.
    Keys,
}

struct Flag {
    help: String,
    takes: Takes,
}

/// Adds the flags.
pub(super) fn with_declared(mut cli: Command, registry: &Registry) -> Command {
    for declared in DECLARED {
        let flags = declared.flags(registry).into_iter().map(|(option, flag)| {
            let value = if flag.takes == Takes::Keys { "FILE".to_owned() } else { option.to_uppercase() };
            let arg = Arg::new(option.clone()).long(option.replace('_', "-")).help(flag.help);
            match flag.takes {
                Takes::Nothing => arg.action(ArgAction::SetTrue),
                Takes::Text | Takes::Keys => arg.value_name(value),
                Takes::Texts => arg.value_name(value).action(ArgAction::Append),
            }
        });
        let flags: Vec<Arg> = flags.collect();
        cli = mutate(cli, declared.command, &flags);
    }
    cli
}

fn mutate(command: Command, path: &[&'static str], flags: &[Arg]) -> Command {
    match path {
        [] => command.args(flags.iter().cloned()),
        [first, rest @ ..] => command.mut_subcommand(first, |inner| mutate(inner, rest, flags)),
    }
}

/// What was said by declared flags.
pub(super) fn declared(matches: &ArgMatches, registry: &Registry) -> clap::error::Result<Map<String, Value>> {
    let mut said = Map::new();
    for declared in DECLARED {
        let inner =
            declared.command.iter().try_fold(matches, |matches, name| matches.subcommand_matches(name));
        let Some(inner) = inner else { continue };
        for (option, flag) in declared.flags(registry) {
            let text = || inner.get_one::<String>(&option);
            let value = match flag.takes {
                Takes::Nothing => inner.get_flag(&option).then_some(Value::Bool(true)),
                Takes::Text => text().map(|text| Value::String(text.clone())),
                Takes::Keys => text().map(|file| keys_of(file)).transpose()?,
                Takes::Texts => inner.get_many::<String>(&option).map(|texts| texts.cloned().collect()),
            };
            said.extend(value.map(|value| (option, value)));
        }
    }
    Ok(said)
}

fn keys_of(file: &str) -> clap::error::Result<Value> {
    let wrong = |why: String| {
        clap::Error::raw(ErrorKind::ValueValidation, format!("the keyring {file} cannot be used: {why}\n"))
    };
    let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    Ok(Value::String(armored_keys(&bytes).map_err(|error| wrong(error.to_string()))?))
}

impl Declared {
    /// The options of all plugins, with help that says whose they are.
    fn flags(&self, registry: &Registry) -> BTreeMap<String, Flag> {
        let mut flags: BTreeMap<String, Flag> = BTreeMap::new();
        for plugin in registry.iter() {
            let Some(options) = (self.options)(&**plugin) else { continue };
            for (option, description) in options.fields() {
                let takes = takes(&options, &option);
                let flag = flags.entry(option).or_insert(Flag { help: String::new(), takes });
                if !flag.help.is_empty() {
                    flag.help.push_str("; ");
                }
                let description = description.trim_end_matches('.');
                flag.help.push_str(&format!("{}: {description}", plugin.declaration().name));
            }
        }
        flags
    }
}

fn takes(options: &OptionsType, option: &str) -> Takes {
    let schema = options.schema();
    let field = schema.get("properties").and_then(|properties| properties.get(option));
    let says = |name: &str| field.and_then(|field| field.get(name)).and_then(Value::as_str);
    match (says("contentMediaType"), says("type")) {
        (Some("application/pgp-keys"), _) => Takes::Keys,
        (_, Some("boolean")) => Takes::Nothing,
        (_, Some("array")) => Takes::Texts,
        _ => Takes::Text,
    }
}
