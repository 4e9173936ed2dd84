//! What an agent asks of a person, in the words of the inbox.

use serde_json::Value;

use crate::agent::stream_json::text::exact;
use crate::agent::stream_json::value::{is, list, text};
use crate::agent::stream_json::{diff, rule};
use crate::domain::inbox::{Ask, Choice, Question};

/// The input of a tool that we do not know is shown up to here.
const MOST_INPUT: usize = 2000;

/// Reads a `can_use_tool` request.
pub(super) fn of(request: &Value) -> Ask {
    let tool = text(request, "tool_name");
    let input = request.get("input").unwrap_or(&Value::Null);
    if tool == "AskUserQuestion" {
        let questions = list(input, "questions").iter().map(question).collect();
        return Ask::Question { questions };
    }
    // The tool's own words come first: the request's are about the same, or the reason for asking.
    let description = [text(input, "description"), text(request, "decision_reason")]
        .into_iter()
        .find(|text| !text.is_empty())
        .map(exact);
    Ask::Permission {
        tool: exact(tool),
        subject: subject(tool, input),
        diff: diff::of(tool, input),
        description,
        rule: rule::propose(tool, input),
    }
}

fn question(question: &Value) -> Question {
    let choice = |option: &Value| Choice {
        label: text(option, "label").to_owned(),
        description: exact(text(option, "description")),
    };
    Question {
        // Answers are keyed by it, so it stays as it came.
        text: text(question, "question").to_owned(),
        choices: list(question, "options").iter().map(choice).collect(),
        several: is(question, "multiSelect"),
    }
}

/// What a tool acts on.
pub(super) fn subject(tool: &str, input: &Value) -> String {
    let keys: &[&str] = match tool {
        "Bash" => &["command"],
        "Read" | "Edit" | "Write" | "MultiEdit" => &["file_path"],
        "NotebookEdit" => &["notebook_path"],
        "WebFetch" => &["url"],
        "WebSearch" => &["query"],
        "Glob" | "Grep" => &["pattern", "path"],
        "Agent" | "Task" => &["description"],
        "Skill" => &["skill", "args"],
        "ExitPlanMode" => &["plan"],
        _ => &[],
    };
    let found: Vec<&str> = keys
        .iter()
        .map(|key| text(input, key))
        .filter(|text| !text.is_empty())
        .collect();
    if !found.is_empty() {
        return exact(&found.join("  "));
    }
    match input {
        Value::Null => String::new(),
        Value::Object(fields) if fields.is_empty() => String::new(),
        input => {
            let all = exact(&input.to_string());
            match all.char_indices().nth(MOST_INPUT) {
                Some((cut, _)) => format!("{} …", &all[..cut]),
                None => all,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_is_asked_for_as_it_would_run() {
        let ask = of(&json!({
            "tool_name": "Bash",
            "input": {"command": "git push\t\u{1b}[8morigin", "description": "Publish"},
            "description": "Publish",
        }));
        assert_eq!(ask.line(), "asks to run: git push    \u{fffd}[8morigin");
        let Ask::Permission {
            diff,
            description,
            rule,
            ..
        } = ask
        else {
            panic!("no permission");
        };
        assert_eq!((diff, description.as_deref()), (None, Some("Publish")));
        // Tabs and escapes are not what a rule can be about.
        assert_eq!(rule, "Bash(git push\t\u{1b}[8morigin)");
    }

    #[test]
    fn an_unknown_tool_is_asked_for_with_its_input() {
        let ask = of(&json!({"tool_name": "mcp__office__hire", "input": {"role": "sre", "n": 2}}));
        assert_eq!(
            ask.line(),
            r#"asks to use mcp__office__hire: {"n":2,"role":"sre"}"#
        );
        assert_eq!(subject("mcp__office__list", &json!({})), "");
    }

    #[test]
    fn a_question_keeps_its_text_by_which_it_is_answered() {
        let ask = of(
            &json!({"tool_name": "AskUserQuestion", "input": {"questions": [{
                "question": "Which colour?", "header": "Colour", "multiSelect": true,
                "options": [{"label": "Red", "description": "r"}, {"label": "Blue"}],
            }]}}),
        );
        let Ask::Question { questions } = ask else {
            panic!("no question");
        };
        assert_eq!(questions[0].text, "Which colour?");
        assert!(questions[0].several);
        let labels: Vec<&str> = questions[0]
            .choices
            .iter()
            .map(|c| c.label.as_str())
            .collect();
        assert_eq!(labels, ["Red", "Blue"]);
    }
}
