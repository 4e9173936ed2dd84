//! The real Claude Code, if it is installed, and the environment in which a test may run it.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Returns where the real Claude Code is; says what is skipped, if it is not.
///
/// `HEADCOUNT_TEST_CLAUDE` names it; otherwise it is looked for below `target/claude-code`.
#[expect(
    clippy::print_stdout,
    reason = "what a test run skips is said in its output"
)]
pub(crate) fn find() -> Option<PathBuf> {
    let path = env::var_os("HEADCOUNT_TEST_CLAUDE").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("target/claude-code/node_modules/.bin/claude")
        },
        PathBuf::from,
    );
    if path.is_file() {
        return Some(path);
    }
    println!(
        "skipped: real Claude Code not installed ({} is not there)",
        path.display()
    );
    None
}

/// Returns all variables that the real Claude Code gets from us: it reaches nothing but the fake API.
pub(crate) fn environment(home: &Path, api_url: &str) -> Vec<(String, String)> {
    let home = home.to_string_lossy();
    let path = env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    [
        ("PATH", path.as_str()),
        ("HOME", &home),
        ("CLAUDE_CONFIG_DIR", &format!("{home}/.claude")),
        ("ANTHROPIC_API_KEY", "sk-dummy-for-tests-on-loopback"),
        ("ANTHROPIC_BASE_URL", api_url),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
