//! schemathesis holds the server against its own docs/api.json.

use std::path::Path;
use std::process::Command;

use checkpoint_testkit::peer;

use super::Pulp;
use crate::support::text;

/// How long it may try, in seconds.
const TIME: &str = "60";

#[test]
fn no_answer_is_a_failure_of_the_server_or_undocumented() {
    let Some(pulp) = Pulp::start() else { return };
    let program = Path::new(&pulp.program).with_file_name("schemathesis");
    if !peer("schemathesis", program.is_file()) {
        return;
    }
    pulp.ok("file repository create --name files");
    pulp.ok("file publication create --repository files --checkpoint");
    let checks =
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let document = format!("{}/pulp/api/v3/docs/api.json?pk_path=1", pulp.server.url);
    let mut command = Command::new(program);
    command.args([
        "run",
        &document,
        "--url",
        &pulp.server.url,
        "--auth",
        "admin:correct horse",
        "--checks",
        checks,
    ]);
    command.args(["--phases", "coverage,fuzzing", "--max-examples", "3", "--max-time", TIME, "--no-color"]);
    command.current_dir(pulp.debpoint.path("")).env_remove("http_proxy");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
}
