//! An agent in a few lines of shell: just enough of the protocol to misbehave in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::company::{Company, Setup};

/// Answers `initialize`; does each task at once; writes its PID into `begun`, and into `twice` who of
/// those in there lived when it began.
const AGENT: &str = r#"
[ "$1" = --version ] && echo "${SAYS:-2.1.330 (a script)}" && exit
for one in $(cat begun 2>/dev/null); do
  read -r _ _ state _ < /proc/$one/stat && [ "$state" != Z ] && echo "$one" >> twice
done 2>/dev/null
echo $$ >> begun
while IFS= read -r line; do
  case $line in
  *'"subtype":"initialize"'*)
    id=${line#*'"request_id":"'}; id=${id%%'"'*}
    echo '{"type":"control_response","response":{"subtype":"success","request_id":"'$id'","response":{"commands":[]}}}' ;;
  *'"type":"user"'*)
    uuid=${line#*'"uuid":"'}; uuid=${uuid%%'"'*}
    echo '{"type":"command_lifecycle","command_uuid":"'$uuid'","state":"started"}'
    echo '{"type":"result","subtype":"success","is_error":false,"result":"done","num_turns":1,"terminal_reason":"completed","user_message_uuid":"'$uuid'"}'
    echo '{"type":"system","subtype":"session_state_changed","state":"idle"}' ;;
  esac
done
"#;

/// One role, `worker`, whose agent is the program `agent` in the workspace.
pub(crate) const ROLES: &str = r#"
[defaults]
agent = "script"
stop = { terminate = "1s" }
[departments.development]
title = "Development"
cpu = { min = 1.0, max = 4.0 }
memory = { min = "512MB", max = "2GB" }
[roles.worker]
title = "Worker"
department = "development"
prompt = "corporate-prompts/development/senior-developer.md"
[agents.script]
command = "WORKSPACE/agent"
protocol = "claude-stream-json"
[automation]
auto_restart = { enabled = true, max_retries = 3, retry_delay = "10ms", stable_after = "10m" }
"#;

/// A company of workers; their program is to be put there.
pub(crate) fn open() -> Company {
    Company::with(Setup {
        roles: ROLES.to_owned(),
        demo: false,
        ..Setup::default()
    })
}

/// Puts the program there: lines of shell before and after the well-behaved agent.
pub(crate) fn put(folder: &Path, before: &str, after: &str) {
    let path = folder.join("agent");
    let text = format!("#!/bin/sh\n{before}\n{AGENT}\n{after}\n");
    // In place of the old one, not into it: that one may be running.
    let new = folder.join("agent.new");
    fs::write(&new, text).expect("a script");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("is ours");
    fs::rename(new, path).expect("is ours");
}
