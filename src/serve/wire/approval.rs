//! A request that waits on a person, as a document.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::inbox::{Answer, Ask, Choice, Request};
use crate::domain::snapshot::Snapshot;

/// One question of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionDoc {
    /// The question.
    pub text: String,
    /// Its choices; any other text may be answered too.
    pub choices: Vec<Choice>,
    /// Whether several may be chosen.
    pub several: bool,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalDoc {
    /// `req_0001`.
    pub id: RequestId,
    /// Who asks.
    pub process: ProcessId,
    /// The first name of who asks.
    pub name: Option<String>,
    /// For which task.
    pub task: Option<TaskId>,
    /// `permission` or `question`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is asked, in one line.
    pub line: String,
    /// The tool that it wants to use.
    pub tool: Option<String>,
    /// What the tool would act on: the whole command, the file, the address.
    pub subject: Option<String>,
    /// The change that it would make, as a unified diff.
    pub diff: Option<String>,
    /// What the agent says of it.
    pub description: Option<String>,
    /// The permission rule that `always` would make.
    pub rule: Option<String>,
    /// The questions.
    pub questions: Vec<QuestionDoc>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Whether it still waits.
    pub open: bool,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}

impl ApprovalDoc {
    /// Writes a request of a snapshot down.
    #[must_use]
    pub fn new(request: &Request, snapshot: &Snapshot) -> Self {
        let name = snapshot
            .process(request.process)
            .map(|view| view.name.clone());
        let mut doc = Self {
            id: request.id,
            process: request.process,
            name,
            task: request.task,
            kind: "question".to_owned(),
            line: request.ask.line(),
            tool: None,
            subject: None,
            diff: None,
            description: None,
            rule: None,
            questions: Vec::new(),
            asked_at: request.asked,
            open: request.is_open(),
            answer: request.answer.clone(),
            answered_at: request.answered,
        };
        match &request.ask {
            Ask::Permission {
                tool,
                subject,
                diff,
                description,
                rule,
            } => {
                doc.kind = "permission".to_owned();
                doc.tool = Some(tool.clone());
                doc.subject = Some(subject.clone());
                doc.diff.clone_from(diff);
                doc.description.clone_from(description);
                doc.rule = Some(rule.clone());
            }
            Ask::Question { questions } => {
                doc.questions = questions
                    .iter()
                    .map(|question| QuestionDoc {
                        text: question.text.clone(),
                        choices: question.choices.clone(),
                        several: question.several,
                    })
                    .collect();
            }
        }
        doc
    }
}
