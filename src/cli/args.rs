//! Flags that are declared: each upload option of a plugin becomes a flag of `content add`, each publication option one
//! of `publish`, each remote option one of `remote create` and `remote update`, and so do the settings that remotes of
//! all plugins have. A flag that two plugins declare is one flag.

use std::collections::BTreeMap;

use checkpoint_core::model::RemoteSettings;
use checkpoint_core::plugin::{OptionsType, Plugin, Registry};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Map, Value};

use crate::openpgp::armored_keys;

/// A command, and which declared options are its flags.
struct Declared {
    command: &'static [&'static str],
    options: fn(&dyn Plugin) -> Option<OptionsType>,
    /// Options that do not depend on the plugin.
    common: Option<fn() -> OptionsType>,
}

const DECLARED: [Declared; 4] = [
    Declared {
        command: &["content", "add"],
        options: |plugin| Some(plugin.declaration().uploaded().ok()?.upload.clone()),
        common: None,
    },
    Declared {
        command: &["publish"],
        options: |plugin| Some(plugin.declaration().publication),
        common: None,
    },
    Declared { command: &["remote", "create"], options: remote_options, common: Some(remote_settings) },
    Declared { command: &["remote", "update"], options: remote_options, common: Some(remote_settings) },
];

fn remote_options(plugin: &dyn Plugin) -> Option<OptionsType> {
    plugin.declaration().remote
}

/// The settings of remotes, as options.
pub(super) fn remote_settings() -> OptionsType {
    OptionsType::of::<RemoteSettings>()
}

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing for true, or `=false`.
    Truth,
    Text,
    Texts,
    Number,
    Decimal,
    /// The name of a file of public keys, which are the option's value.
    Keys,
    /// The name of a file whose text is the option's value.
    File,
    /// The name of a file whose first line is the option's value.
    Password,
}

struct Flag {
    help: String,
    takes: Takes,
}

/// Adds the flags.
pub(super) fn with_declared(mut cli: Command, registry: &Registry) -> Command {
    for declared in DECLARED {
        let flags = declared.flags(registry).into_iter().map(|(option, flag)| {
            let long = option.replace('_', "-");
            let arg = Arg::new(option.clone()).help(flag.help);
            match flag.takes {
                Takes::Truth => {
                    let arg = arg.long(long).value_parser(value_parser!(bool)).value_name("BOOL");
                    arg.num_args(0..=1).require_equals(true).default_missing_value("true")
                }
                Takes::Text => arg.long(long).value_name(option.to_uppercase()),
                Takes::Number | Takes::Decimal => arg.long(long).value_name("NUMBER"),
                Takes::Texts => arg.long(long).value_name(option.to_uppercase()).action(ArgAction::Append),
                Takes::Keys | Takes::File => arg.long(long).value_name("FILE"),
                Takes::Password => arg.long(format!("{long}-file")).value_name("FILE"),
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
                Takes::Truth => inner.get_one::<bool>(&option).map(|truth| Value::Bool(*truth)),
                Takes::Texts => inner.get_many::<String>(&option).map(|texts| texts.cloned().collect()),
                // An empty text sets an option back.
                _ if text().is_some_and(String::is_empty) => Some(Value::Null),
                Takes::Text => text().map(|text| Value::String(text.clone())),
                Takes::Number => text().map(|text| number_of(&option, text)).transpose()?,
                Takes::Decimal => text().map(|text| decimal_of(&option, text)).transpose()?,
                Takes::Keys => text().map(|file| keys_of(file)).transpose()?,
                Takes::File => text().map(|file| text_of(file).map(Value::String)).transpose()?,
                Takes::Password => text().map(|file| first_line_of(file)).transpose()?,
            };
            let emptied = value == Some(Value::Array(vec![Value::String(String::new())]));
            said.extend(value.map(|value| (option, if emptied { Value::Null } else { value })));
        }
    }
    Ok(said)
}

fn wrong(why: String) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{why}\n"))
}

fn keys_of(file: &str) -> clap::error::Result<Value> {
    let wrong = |why: String| wrong(format!("the keyring {file} cannot be used: {why}"));
    let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    Ok(Value::String(armored_keys(&bytes).map_err(|error| wrong(error.to_string()))?))
}

fn text_of(file: &str) -> clap::error::Result<String> {
    std::fs::read_to_string(file).map_err(|error| wrong(format!("the file {file} cannot be used: {error}")))
}

fn first_line_of(file: &str) -> clap::error::Result<Value> {
    let text = text_of(file)?;
    let line = text.lines().next().filter(|line| !line.is_empty());
    let line = line.ok_or_else(|| wrong(format!("the file {file} has no password in its first line")))?;
    Ok(Value::String(line.to_owned()))
}

fn number_of(option: &str, text: &str) -> clap::error::Result<Value> {
    let number =
        text.parse::<u64>().map_err(|_| wrong(format!("{option}: '{text}' is not a whole number")))?;
    Ok(Value::from(number))
}

fn decimal_of(option: &str, text: &str) -> clap::error::Result<Value> {
    let number = text.parse::<f64>().map_err(|_| wrong(format!("{option}: '{text}' is not a number")))?;
    Ok(Value::from(number))
}

impl Declared {
    /// The options of all plugins, with help that says whose they are.
    fn flags(&self, registry: &Registry) -> BTreeMap<String, Flag> {
        let mut flags: BTreeMap<String, Flag> = BTreeMap::new();
        if let Some(common) = self.common.map(|common| common()) {
            let flag = |(option, description): (String, String)| {
                let takes = takes(&common, &option);
                (option, Flag { help: description.trim_end_matches('.').to_owned(), takes })
            };
            flags.extend(common.fields().into_iter().map(flag));
        }
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
    if says("format") == Some("password") {
        return Takes::Password;
    }
    let kinds = field.and_then(|field| field.get("type"));
    let is = |kind: &str| match kinds {
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        Some(one) => one == kind,
        None => false,
    };
    match says("contentMediaType") {
        Some("application/pgp-keys") => Takes::Keys,
        Some("application/x-pem-file") => Takes::File,
        _ if is("boolean") => Takes::Truth,
        _ if is("array") => Takes::Texts,
        _ if is("integer") => Takes::Number,
        _ if is("number") => Takes::Decimal,
        _ => Takes::Text,
    }
}
