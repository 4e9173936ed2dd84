//! What an actor keeps of an exit, and writes down of a start.

use crate::domain::event::Event;
use crate::domain::flight::Flight;
use crate::domain::id::RunId;
use crate::domain::log::{LogAnchor, LogChoice, LogForm, LogKind, LogLine, LogQuery};
use crate::runtime::actor::Actor;
use crate::runtime::flights;

/// Lines of the log that are kept with an exit.
const LAST_LINES: usize = 100;

impl Actor {
    /// The end of the log, for the record of an exit.
    pub(crate) fn last_lines(&self, run: RunId) -> Vec<String> {
        let is_read = self.run.as_ref().is_some_and(|run| run.is_read());
        let query = LogQuery {
            process: self.id,
            form: LogForm::Rendered,
            anchor: LogAnchor::End,
            lines: LAST_LINES,
            choice: LogChoice::All,
        };
        let window = tokio::task::block_in_place(|| {
            self.context.logs.window(query, (!is_read).then_some(run))
        });
        match window {
            Ok(window) => window.lines.iter().map(LogLine::shown).collect(),
            Err(error) => {
                tracing::warn!(process = %self.id, %error, "an exit is kept without its last lines");
                Vec::new()
            }
        }
    }

    /// Keeps what there is of an exit. Where that fails it is missing there, and only there.
    pub(crate) async fn record(&self, flight: &Flight) {
        let kept =
            tokio::task::block_in_place(|| flights::keep(self.context.logs.folder(), flight));
        if let Err(error) = kept {
            tracing::warn!(process = %self.id, %error, "an exit is not kept");
            let text = format!("what led to exit {} is not kept: {error}", flight.number);
            self.context
                .tell(Event::Trouble {
                    process: Some(self.id),
                    text,
                })
                .await;
        }
    }

    /// What a launch has done so far, into the log.
    pub(crate) fn write_steps(&mut self, steps: &[String]) {
        let lines: Vec<(LogKind, String)> = steps
            .iter()
            .map(|step| (LogKind::System, step.clone()))
            .collect();
        self.write_lines(&lines);
    }
}
