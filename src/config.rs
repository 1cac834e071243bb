//! The configuration: `debpoint.toml` in the data directory, and the environment.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use crate::error::{Error, Result};

/// Where the server listens unless it is told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
/// The data directory unless it is named.
const DEFAULT_DATA: &str = "debpoint-data";
/// Variables with these beginnings are options of the artifact store.
const STORE_VARIABLES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// What `debpoint.toml` says.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Scheme, host and port under which clients reach the server.
    pub public_url: Option<String>,
    /// Address and port to listen on.
    pub listen: Option<String>,
    /// The catalog: `sqlite://FILE` or `postgres://USER@HOST/NAME`.
    pub database: Option<String>,
    /// The artifact store: `file:///DIRECTORY`, `s3://BUCKET/PREFIX`, `az://…`, `gs://…`.
    pub store: Option<String>,
    /// Options of the artifact store.
    pub store_options: BTreeMap<String, String>,
}

impl Config {
    /// Reads the configuration of a data directory; all defaults if there is no file.
    pub fn read(data: &Path) -> Result<Config> {
        let path = data.join("debpoint.toml");
        let wrong = |reason: String| Error::Config { path: path.clone(), reason };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let mut config: Config = toml::from_str(&text).map_err(|error| wrong(one_line(&error, &text)))?;
        if let Some(url) = &config.public_url {
            config.public_url = Some(check_public_url(url).map_err(wrong)?);
        }
        config.store_options.extend(store_variables());
        Ok(config)
    }
}

/// The data directory: as named, else from `DEBPOINT_DATA`, else `debpoint-data` here.
pub fn data_directory(named: Option<PathBuf>) -> PathBuf {
    named
        .or_else(|| std::env::var_os("DEBPOINT_DATA").map(PathBuf::from))
        .unwrap_or_else(|| DEFAULT_DATA.into())
}

/// Which log messages are wanted: `DEBPOINT_LOG`, such as `debug` or `debpoint::server=debug`.
pub fn log_filter() -> String {
    std::env::var("DEBPOINT_LOG").unwrap_or_else(|_| "warn".into())
}

/// A fresh directory for the demonstration goes below this one.
pub fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

/// The name of this machine.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// The system's user who runs this process: the name in /etc/passwd, else the number.
pub fn system_user() -> String {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(process) = std::fs::metadata("/proc/self") else {
        return "unknown".to_owned();
    };
    let number = process.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name_of = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1)? == number).then_some(name)
    };
    users.lines().find_map(name_of).unwrap_or(number)
}

fn store_variables() -> impl Iterator<Item = (String, String)> {
    let wanted = |name: &String| STORE_VARIABLES.iter().any(|beginning| name.starts_with(beginning));
    let all = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    all.filter(move |(name, _)| wanted(name)).map(|(name, value)| (name.to_ascii_lowercase(), value))
}

fn check_public_url(url: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("public_url '{url}' {why}, it should be of the form http://host:port");
    let parsed = Url::parse(url).map_err(|error| wrong(&format!("is not a URL ({error})")))?;
    let bare = parsed.query().is_none() && parsed.fragment().is_none() && parsed.username().is_empty();
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() || !bare {
        return Err(wrong("is not one that clients could use"));
    }
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("holds a blank"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// The toml crate draws its errors over several lines; here is the message and the line's number.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', " ");
    match error.span() {
        Some(span) => {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("line {line}: {message}")
        }
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config> {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("debpoint.toml"), text).unwrap();
        Config::read(data.path())
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = read("listen = \"[::1]:80\"\npublik_url = \"x\"\n").unwrap_err().sentence();
        assert!(error.contains("line 2: unknown field `publik_url`"), "{error}");
    }

    #[test]
    fn a_public_url_loses_its_last_slash_and_must_be_http() {
        assert_eq!(read("public_url = \"http://a:1/\"").unwrap().public_url.unwrap(), "http://a:1");
        for bad in ["ftp://a", "a:1", "http://", "http://a/?x", "http://a b"] {
            assert!(read(&format!("public_url = {bad:?}")).is_err(), "{bad}");
        }
    }
}
