//! What every corporate prompt has: title, opening, and three sections.

use serde::Serialize;

use crate::domain::role::Role;

/// The sections that the company expects, by their headings.
const SECTIONS: &[&str] = &[
    "Core Responsibilities",
    "Communication Style",
    "Success Behaviors",
];

/// Something that a prompt lacks or has left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Counted from 1; `None` where something is missing.
    pub line: Option<usize>,
    /// What is wrong, a lower-case fragment.
    pub message: String,
    /// What to write.
    pub help: String,
}

/// Returns what a role's prompt lacks; empty if it is as the company wants it.
#[must_use]
pub fn lint(role: &Role, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut findings = Vec::new();
    check_title(role, &lines, &mut findings);
    check_opening(role, &lines, &mut findings);
    for section in SECTIONS {
        check_section(section, &lines, &mut findings);
    }
    check_blanks(&lines, &mut findings);
    findings
}

fn check_title(role: &Role, lines: &[&str], findings: &mut Vec<Finding>) {
    let title = format!("# {} - Corporate System Prompt", role.title);
    let first = lines.iter().position(|line| !line.is_empty());
    if first.is_none_or(|at| lines[at] != title) {
        findings.push(Finding {
            line: first.map(|at| at + 1),
            message: "the first line is not the title of the role".to_owned(),
            help: format!("write `{title}`"),
        });
    }
}

/// The opening stands before the first section; lines may be broken anywhere in it.
fn check_opening(role: &Role, lines: &[&str], findings: &mut Vec<Finding>) {
    let opening = lines
        .iter()
        .take_while(|line| !line.starts_with("## "))
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    let said = |article: &str| {
        opening.contains(&format!(
            "You are {article} {} at Claude AI Software Company",
            role.title
        ))
    };
    if !said("a") && !said("an") {
        findings.push(Finding {
            line: None,
            message: "the opening does not say who the employee is".to_owned(),
            help: format!(
                "write `You are a {} at Claude AI Software Company` before the first section",
                role.title
            ),
        });
    }
}

fn check_section(section: &str, lines: &[&str], findings: &mut Vec<Finding>) {
    let heading = format!("## {section}");
    let Some(at) = lines.iter().position(|line| *line == heading) else {
        findings.push(Finding {
            line: None,
            message: format!("the section `{section}` is missing"),
            help: format!("add `{heading}`"),
        });
        return;
    };
    let mut body = lines[at + 1..]
        .iter()
        .take_while(|line| !line.starts_with("## ") && !line.starts_with("# "));
    if body.all(|line| line.is_empty()) {
        findings.push(Finding {
            line: Some(at + 1),
            message: format!("the section `{section}` is empty"),
            help: "say what the employee does there".to_owned(),
        });
    }
}

/// A blank of a template that nobody filled in; in backticks it is code that the prompt talks about.
fn check_blanks(lines: &[&str], findings: &mut Vec<Finding>) {
    let prose = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.contains('`'));
    for (at, line) in prose {
        let blank = ["{{", "<Role>", "[Role]", "TBD"]
            .into_iter()
            .find(|blank| line.contains(blank));
        if let Some(blank) = blank {
            findings.push(Finding {
                line: Some(at + 1),
                message: format!("`{blank}` is a blank that was not filled in"),
                help: "write what belongs there".to_owned(),
            });
        }
    }
}
