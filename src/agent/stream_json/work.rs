//! What a turn does while it lasts: tools that it calls, files that they change.

use serde_json::Value;

use crate::agent::stream_json::ask::subject;
use crate::agent::stream_json::render::within;
use crate::agent::stream_json::text::{first_line, readable};
use crate::agent::stream_json::value::{list, text};
use crate::domain::event::Fact;
use crate::domain::work::FileChange;

/// How much of what a tool acts on is told.
const MOST_SUBJECT: usize = 120;

/// Tools that a message of the agent calls, its subagents' included.
pub(super) fn used(message: &Value, directory: Option<&str>, facts: &mut Vec<Fact>) {
    let content = message
        .get("message")
        .map_or(&[][..], |inner| list(inner, "content"));
    let calls = content
        .iter()
        .filter(|block| matches!(text(block, "type"), "tool_use" | "server_tool_use"));
    for block in calls {
        let tool = readable(text(block, "name"));
        let input = block.get("input").unwrap_or(&Value::Null);
        let subject = subject(&tool, input);
        let subject = first_line(within(&subject, directory), MOST_SUBJECT);
        facts.push(Fact::ToolUsed { tool, subject });
    }
}

/// The file that a tool changed, from the structured twin of its result.
pub(super) fn changed(message: &Value) -> Option<FileChange> {
    let twin = message.get("tool_use_result")?;
    let path = text(twin, "filePath");
    // Only what changes a file has a patch; a refused or failed call has no twin but a text.
    let patch = twin.get("structuredPatch")?.as_array()?;
    if path.is_empty() {
        return None;
    }
    let (mut added, mut removed) = (0, 0);
    for hunk in patch {
        for line in list(hunk, "lines").iter().filter_map(Value::as_str) {
            match line.as_bytes().first() {
                Some(b'+') => added += 1,
                Some(b'-') => removed += 1,
                _ => {}
            }
        }
    }
    if patch.is_empty() {
        // A new file has nothing to be compared with.
        added = text(twin, "content").lines().count() as u64;
    }
    let path = readable(path);
    Some(FileChange {
        path,
        added,
        removed,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_of_files_are_counted_from_their_patches() {
        let check = |twin: Value, expected: Option<(&str, u64, u64)>| {
            let message = json!({"type": "user", "tool_use_result": twin});
            let change = changed(&message);
            let found = change
                .as_ref()
                .map(|change| (change.path.as_str(), change.added, change.removed));
            assert_eq!(found, expected);
        };
        let hunk = json!({"lines": [" a", "-b", "+c", "+d"]});
        let edit = json!({"filePath": "/w/a.rs", "structuredPatch": [hunk]});
        check(edit, Some(("/w/a.rs", 2, 1)));
        let write = json!({"type": "create", "filePath": "/w/new", "content": "1\n2\n3\n", "structuredPatch": []});
        check(write, Some(("/w/new", 3, 0)));
        check(
            json!({"type": "text", "file": {"filePath": "/w/read"}}),
            None,
        );
        check(json!("Error: refused"), None);
        check(json!({"filePath": "", "structuredPatch": []}), None);
    }

    #[test]
    fn calls_are_told_with_what_they_act_on() {
        let message = json!({"message": {"content": [
            {"type": "text", "text": "now"},
            {"type": "tool_use", "name": "Edit", "input": {"file_path": "/w/src/a.rs"}},
            {"type": "tool_use", "name": "Bash", "input": {"command": "cargo test\nls"}}]}});
        let mut facts = Vec::new();
        used(&message, Some("/w"), &mut facts);
        let told = |tool: &str, subject: &str| Fact::ToolUsed {
            tool: tool.to_owned(),
            subject: subject.to_owned(),
        };
        assert_eq!(
            facts,
            [told("Edit", "src/a.rs"), told("Bash", "cargo test …")]
        );
    }
}
