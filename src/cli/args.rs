//! Flags that plugins declare: each upload option becomes a flag of `content add`, each publication option one
//! of `publish`. A flag that two plugins declare is one flag.

use std::collections::BTreeMap;

use checkpoint_core::plugin::{OptionsType, Plugin, Registry};
use clap::{Arg, ArgMatches, Command};
use serde_json::{Map, Value};

/// A command, and which of a plugin's declared options are its flags.
struct Declared {
    command: &'static [&'static str],
    options: fn(&dyn Plugin) -> Option<OptionsType>,
}

const DECLARED: [Declared; 2] = [
    Declared {
        command: &["content", "add"],
        options: |plugin| Some(plugin.declaration().uploaded().ok()?.upload.clone()),
    },
    Declared {
        command: &["publish"],
        options: |plugin| Some(plugin.declaration().publication),
    },
];

/// Adds the flags.
pub(super) fn with_declared(mut cli: Command, registry: &Registry) -> Command {
    for declared in DECLARED {
        let flags = declared.flags(registry).into_iter().map(|(option, help)| {
            let value = option.to_uppercase();
            Arg::new(option.clone())
                .long(option.replace('_', "-"))
                .value_name(value)
                .help(help)
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
pub(super) fn declared(matches: &ArgMatches, registry: &Registry) -> Map<String, Value> {
    let mut said = Map::new();
    for declared in DECLARED {
        let inner = declared
            .command
            .iter()
            .try_fold(matches, |matches, name| matches.subcommand_matches(name));
        let Some(inner) = inner else { continue };
        for option in declared.flags(registry).into_keys() {
            if let Some(value) = inner.get_one::<String>(&option) {
                said.insert(option, Value::String(value.clone()));
            }
        }
    }
    said
}

impl Declared {
    /// The options of all plugins with their help, which says whose they are.
    fn flags(&self, registry: &Registry) -> BTreeMap<String, String> {
        let mut flags: BTreeMap<String, String> = BTreeMap::new();
        for plugin in registry.iter() {
            let name = plugin.declaration().name;
            for (option, description) in (self.options)(&**plugin).map(|o| o.fields()).unwrap_or_default() {
                let description = description.trim_end_matches('.');
                let help = flags.entry(option).or_default();
                if !help.is_empty() {
                    help.push_str("; ");
                }
                help.push_str(&format!("{name}: {description}"));
            }
        }
        flags
    }
}
