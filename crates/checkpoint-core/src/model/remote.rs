//! Remotes: where an upstream is, and how it is reached. The words are Pulp's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::Id;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::time::Timestamp;

/// An upstream and how to fetch from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Remote {
    #[serde(skip)]
    #[doc(hidden)]
    pub id: Id,
    /// Its unique name.
    pub name: Name,
    /// The plugin it belongs to.
    #[serde(rename = "type")]
    pub plugin: String,
    /// Where it is.
    pub url: String,
    /// The plugin's options for it.
    pub options: Value,
    /// How it is reached. Secrets are left out where a remote is shown.
    #[serde(serialize_with = "without_secrets")]
    pub settings: RemoteSettings,
    /// When it was created.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

/// How an upstream is reached, whatever its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteSettings {
    /// When the files of units are fetched: immediate, with the sync; on_demand, when the first client asks; streamed, whenever a client asks, and never stored [default: immediate].
    pub policy: Policy,
    /// Proxy for all requests, such as http://proxy.example.org:3128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<String>,
    /// User name at the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_username: Option<String>,
    /// File with the password at the proxy in its first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "password"))]
    pub proxy_password: Option<String>,
    /// File with the certificates, PEM, of the authorities that the upstream is believed by, instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("contentMediaType" = "application/x-pem-file"))]
    pub ca_cert: Option<String>,
    /// File with the certificate, PEM, that is shown to the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("contentMediaType" = "application/x-pem-file"))]
    pub client_cert: Option<String>,
    /// File with the key, PEM, of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("contentMediaType" = "application/x-pem-file"))]
    pub client_key: Option<String>,
    /// Believe the upstream only if its certificate is right; if not, its signatures and hashes have to do [default: true].
    pub tls_validation: bool,
    /// User name at the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File with the password at the upstream in its first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "password"))]
    pub password: Option<String>,
    /// The most requests in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub rate_limit: Option<u32>,
    /// The most bytes in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub bandwidth_limit: Option<u64>,
    /// How many files are fetched at once [default: 16].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub download_concurrency: Option<u16>,
    /// How often a transfer that breaks is taken up again [default: 5].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// The most seconds that one transfer may take, before it is taken up again [default: no limit].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_timeout: Option<f64>,
    /// The most seconds until there is a connection [default: 20].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<f64>,
    /// The same; of the two the smaller counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sock_connect_timeout: Option<f64>,
    /// The most seconds in which nothing arrives [default: 30].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sock_read_timeout: Option<f64>,
}

/// The longest timeout, in seconds.
const MAX_TIMEOUT: f64 = 24.0 * 3600.0;

impl Default for RemoteSettings {
    fn default() -> Self {
        RemoteSettings {
            policy: Policy::default(),
            proxy_url: None,
            proxy_username: None,
            proxy_password: None,
            ca_cert: None,
            client_cert: None,
            client_key: None,
            tls_validation: true,
            username: None,
            password: None,
            rate_limit: None,
            bandwidth_limit: None,
            download_concurrency: None,
            max_retries: None,
            total_timeout: None,
            connect_timeout: None,
            sock_connect_timeout: None,
            sock_read_timeout: None,
        }
    }
}

/// When the files of units are fetched.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// With the sync.
    #[default]
    Immediate,
    /// When the first client asks.
    OnDemand,
    /// Whenever a client asks; they are never stored.
    Streamed,
}

impl RemoteSettings {
    /// What nobody is shown, by the names of the fields.
    pub const SECRETS: [&str; 3] = ["proxy_password", "client_key", "password"];

    /// Reads settings out of fields; a field that is null is as good as none.
    pub fn from_fields(fields: Map<String, Value>) -> Result<RemoteSettings> {
        let said = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let settings: RemoteSettings = serde_json::from_value(Value::Object(said))
            .map_err(|error| Error::Invalid(format!("settings of the remote: {error}")))?;
        settings.check()?;
        Ok(settings)
    }

    /// The settings as fields, secrets among them.
    pub fn to_fields(&self) -> Result<Map<String, Value>> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => Ok(fields),
            _ => Err(Error::Internal("the settings of a remote are no object".into())),
        }
    }

    fn check(&self) -> Result<()> {
        let refuse = |why: &str| Err(Error::Invalid(format!("settings of the remote: {why}")));
        if self.password.is_some() && self.username.is_none() {
            return refuse("a password needs a user name");
        }
        if self.proxy_password.is_some() && self.proxy_username.is_none() {
            return refuse("a password at the proxy needs a user name there");
        }
        if self.proxy_username.is_some() && self.proxy_url.is_none() {
            return refuse("a user name at a proxy needs the URL of the proxy");
        }
        let timeouts =
            [self.total_timeout, self.connect_timeout, self.sock_connect_timeout, self.sock_read_timeout];
        if timeouts.iter().flatten().any(|seconds| !(0.001..=MAX_TIMEOUT).contains(seconds)) {
            return refuse("a timeout is more than 0 seconds, and at most a day");
        }
        let zero = self.rate_limit == Some(0)
            || self.bandwidth_limit == Some(0)
            || self.download_concurrency.is_some_and(|count| !(1..=256).contains(&count));
        match zero {
            true => refuse("limits are at least 1, and at most 256 files are fetched at once"),
            false => Ok(()),
        }
    }
}

fn without_secrets<S: Serializer>(settings: &RemoteSettings, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = settings.to_fields().map_err(serde::ser::Error::custom)?;
    fields.retain(|name, _| !RemoteSettings::SECRETS.contains(&name.as_str()));
    fields.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_shown_without_its_secrets() {
        let settings = RemoteSettings {
            username: Some("user".into()),
            password: Some("secret".into()),
            ..RemoteSettings::default()
        };
        let (name, plugin, url) = ("up".parse().unwrap(), "fake".into(), "http://example.org".into());
        let (created, updated) = (Timestamp::from_unix(0), Timestamp::from_unix(0));
        let remote = Remote { id: 1, name, plugin, url, options: Value::Null, settings, created, updated };
        let shown = serde_json::to_string(&remote).unwrap();
        assert!(shown.contains("user") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for fields in [
            serde_json::json!({"password": "x"}),
            serde_json::json!({"proxy_username": "x"}),
            serde_json::json!({"rate_limit": 0}),
            serde_json::json!({"download_concurrency": 1000}),
            serde_json::json!({"total_timeout": 0}),
            serde_json::json!({"sock_read_timeout": 1e300}),
            serde_json::json!({"policy": "later"}),
            serde_json::json!({"unknown": 1}),
        ] {
            let Value::Object(fields) = fields else { unreachable!() };
            assert!(RemoteSettings::from_fields(fields.clone()).is_err(), "{fields:?}");
        }
    }
}
