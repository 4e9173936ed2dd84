//! What an agent asks, written out whole: the command or the change itself, the question and its choices.

use crate::domain::inbox::{Answer, Ask, Request};
use crate::tui::look::Palette;
use crate::tui::widgets::sheet::Sheet;

/// What an agent reads where a person refused it without a word.
const NO_REASON: &str = "A person refused this.";

/// Writes what is asked.
pub(crate) fn write(sheet: &mut Sheet, ask: &Ask, palette: &Palette) {
    match ask {
        Ask::Permission {
            tool,
            subject,
            diff,
            description,
            ..
        } => {
            sheet.text(&format!("▸ {tool}"), 0, palette.strong);
            sheet.text(subject, 2, palette.plain);
            if let Some(description) = description {
                sheet.text(description, 2, palette.dim);
            }
            if let Some(diff) = diff {
                sheet.gap();
                sheet.diff(diff, 2);
            }
        }
        Ask::Question { questions } => {
            for question in questions {
                sheet.gap();
                sheet.text(&question.text, 0, palette.strong);
                for (number, choice) in question.choices.iter().enumerate() {
                    sheet.text(
                        &format!("{} {}", number + 1, choice.label),
                        2,
                        palette.plain,
                    );
                    if !choice.description.is_empty() && choice.description != choice.label {
                        sheet.text(&choice.description, 4, palette.dim);
                    }
                }
                if question.several {
                    sheet.text("several may be chosen", 2, palette.dim);
                }
            }
        }
    }
}

/// What was answered, in one line.
pub(crate) fn answer(request: &Request) -> String {
    match &request.answer {
        None => "waits".to_owned(),
        // What the agent is told where nobody gave a reason is none for a person.
        Some(Answer::Denied { reason }) if reason == NO_REASON => "denied".to_owned(),
        Some(answer) => answer.line(),
    }
}

/// The line that stands in a list; the command itself, whatever it is.
pub(crate) fn line(request: &Request) -> String {
    let line = request.ask.line();
    match &request.ask {
        Ask::Permission {
            diff: Some(diff), ..
        } => {
            let count = |sign: char, head: &str| {
                diff.lines()
                    .filter(|line| line.starts_with(sign) && !line.starts_with(head))
                    .count()
            };
            format!("{line}  +{} -{}", count('+', "+++"), count('-', "---"))
        }
        _ => line,
    }
}
