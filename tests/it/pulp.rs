//! Pulp's own command, as released, against debpoint.

mod core;
mod deb;
mod document;
mod file;
mod rights;

use std::process::{Command, Output};

use checkpoint_testkit::peer;
use serde_json::Value;

use crate::support::{Debpoint, Server, text};

/// The `pulp` command that tests/run installs; `None` if it is not there and that is said.
fn program() -> Option<String> {
    let path = std::env::var("DEBPOINT_TEST_PULP").unwrap_or_default();
    peer("the pulp command (DEBPOINT_TEST_PULP)", std::path::Path::new(&path).is_file()).then_some(path)
}

/// A server with an administrator, and the command set up to use it.
pub struct Pulp {
    pub debpoint: Debpoint,
    pub server: Server,
    program: String,
}

impl Pulp {
    /// `None` if the command is not there.
    pub fn start() -> Option<Pulp> {
        let program = program()?;
        let debpoint = Debpoint::new();
        let password = debpoint.file("password", "correct horse\n");
        let create = ["user", "create", "admin", "--role", "administrator", "--password-file", &password];
        debpoint.ok(&create);
        let server = debpoint.serve();
        Some(Pulp { debpoint, server, program })
    }

    /// A line of words for the command.
    pub fn command(&self, line: &str) -> Command {
        let words = line.split_whitespace();
        self.command_of(&words.collect::<Vec<_>>())
    }

    pub fn command_of(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        let base = ["--base-url", &self.server.url, "--username", "admin", "--password", "correct horse"];
        command.args(base).args(["--format", "json"]).args(words);
        command
            .env("XDG_CACHE_HOME", self.debpoint.path("cache"))
            .env("XDG_CONFIG_HOME", self.debpoint.path("config"));
        command.env("PYTHONWARNINGS", "ignore");
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "PULP_CLI_CONFIG"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// A command that has to work; gives what it prints, which is JSON or nothing.
    pub fn ok(&self, line: &str) -> Value {
        self.ok_of(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub fn ok_of(&self, words: &[&str]) -> Value {
        let output = self.command_of(words).output().unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "pulp {words:?} failed: {err}{out}");
        serde_json::from_str(&out).unwrap_or(Value::Null)
    }

    /// A command that has to be refused; gives what it says.
    pub fn refused(&self, line: &str) -> String {
        let output = self.run(line);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!output.status.success(), "pulp {line} was not refused: {out}");
        assert!(!err.contains("Traceback"), "pulp {line}: {err}");
        err
    }

    /// One request to the API as the administrator, with a JSON body.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call_as("admin:correct horse", method, path, body)
    }

    /// The same as somebody else; nobody if `who` is empty.
    pub fn call_as(&self, who: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        use base64::Engine as _;
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(who));
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", text.len());
        head.push_str("Content-Type: application/json\r\n");
        if !who.is_empty() {
            head.push_str(&format!("Authorization: {basic}\r\n"));
        }
        let mut connection = self.server.connect();
        connection.send(format!("{head}\r\n{text}").as_bytes());
        let answer = connection.answer(method == "HEAD");
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    /// The task that a call has asked for, once it has ended.
    pub fn done(&self, answer: &(u16, Value)) -> Value {
        assert_eq!(answer.0, 202, "{}", answer.1);
        assert_eq!(answer.1.as_object().unwrap().len(), 1, "only the task: {}", answer.1);
        loop {
            let (_, task) = self.call("GET", answer.1["task"].as_str().unwrap(), &Value::Null);
            if task["finished_at"].is_string() {
                return task;
            }
        }
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let mut names: Vec<String> = list.as_array().unwrap().iter().map(|entry| string(&entry[field])).collect();
    names.sort();
    names
}
