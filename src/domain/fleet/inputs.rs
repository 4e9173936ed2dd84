//! What comes in, given to whom it concerns: an order to what carries it out, a fact to what it changes.

use jiff::{SignedDuration, Timestamp};

use crate::domain::alert::{AlertKind, AlertLevel};
use crate::domain::chronicle::What;
use crate::domain::command::{Command, Origin, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::event::Event;
use crate::domain::fleet::Fleet;
use crate::domain::log::LogKind;
use crate::domain::snapshot::Level;

/// Who touches no key for so long was away, although a terminal was attached.
const ABSENCE: SignedDuration = SignedDuration::from_mins(10);

impl Fleet {
    pub(super) fn order(&mut self, reply: ReplyId, origin: &Origin, command: Command) {
        if let Origin::Employee(process) = origin {
            let refusal = Refusal::Forbidden(format!("{process} may not give orders"));
            self.reply(reply, Err(refusal));
            return;
        }
        self.by = origin.words();
        let entry = self.entry_of(&command);
        let place = self.dirty.entries.len();
        let refused = match command {
            Command::Create(new) => self.create(reply, *new),
            Command::Preview(news) => self.preview(reply, news),
            Command::Start(id) => self.start(reply, id),
            Command::Stop(id) => self.stop(reply, id),
            Command::Kill(id) => self.kill(reply, id),
            Command::Restart(id) => self.restart(reply, id),
            Command::Update { process, when } => self.update(reply, process, when),
            Command::Remove(id) => self.remove(reply, id),
            Command::AddTask(new) => self.add_task(reply, *new),
            Command::AddTasks(new) => self.add_tasks(reply, new),
            Command::CheckTasks(new) => self.check_tasks(reply, &new),
            Command::EditTask { task, change } => self.edit_task(reply, task, *change),
            Command::MoveTask { task, to } => self.move_task(reply, task, to),
            Command::HoldTask(id) => self.hold_task(reply, id),
            Command::RemoveTask(id) => self.remove_task(reply, id),
            Command::CancelTask(id) => self.cancel_task(reply, id),
            Command::RetryTask(id) => self.retry_task(reply, id),
            Command::DismissTask(id) => self.dismiss_task(reply, id),
            Command::ReleaseTask(id) => self.release_task(reply, id),
            Command::Approve(id) => self.approve(reply, id),
            Command::ApproveAlways { request, rule } => self.approve_always(reply, request, rule),
            Command::Deny { request, reason } => self.deny(reply, request, reason),
            Command::Answer { request, answers } => self.answer(reply, request, &answers),
            Command::Say { process, text } => self.say_to(reply, process, text),
            Command::Check(id) => self.check(reply, id),
            Command::Cluster(to) => self.cluster(reply, to),
            Command::Acknowledge(id) => self.acknowledge_alert(reply, id),
            Command::Work { of, order } => self.work(reply, of, order),
            Command::Shutdown => {
                self.shut_down(reply, false);
                Ok(())
            }
            Command::HandOver { program } => self.hand_over(reply, program),
            Command::ShutdownNow => {
                self.shut_down(reply, true);
                Ok(())
            }
        };
        match (refused, entry) {
            (Err(refusal), _) => self.reply(reply, Err(refusal)),
            // Before what followed from it.
            (Ok(()), Some(entry)) => self.dirty.entries.insert(place, entry),
            (Ok(()), None) => {}
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Launched { run, details } => self.launched(run, *details),
            Event::Placed {
                run,
                worktree,
                notes,
            } => self.placed(run, worktree.map(|worktree| *worktree), &notes),
            Event::Moved {
                process,
                run,
                message,
                result,
            } => self.moved(process, run, message, *result),
            Event::Surveyed {
                process,
                summary,
                ended,
            } => self.surveyed(process, *summary, ended),
            Event::Marked {
                process,
                task,
                files,
            } => self.marked(process, task, files),
            Event::Worked {
                reply,
                process,
                worktree,
                result,
            } => self.worked(reply, process, &worktree, *result),
            Event::Cleared {
                reply,
                process,
                result,
            } => self.worktree_cleared(reply, process, *result),
            Event::LaunchFailed { run, failure } => self.launch_failed(run, failure),
            Event::LaunchPutOff { run, fault } => self.put_off(run, fault),
            Event::Adopted {
                run,
                accepted,
                alive,
            } => self.adopted(run, accepted, alive),
            Event::Heard { run, mark, facts } => self.heard(run, mark, facts),
            Event::Pong { run, number, pulse } => self.pong(run, number, pulse),
            Event::NoPing { run } => self.no_ping(run),
            Event::Room { free, total } => self.room(free, total),
            Event::Accepted { run, seq } => self.accepted(run, seq),
            Event::LeaderExited { run, status } => self.leader_exited(run, status),
            Event::Exited {
                run,
                exit,
                failure,
                lines,
            } => self.exited(run, *exit, failure, lines),
            Event::Stuck { run, left } => self.stuck(run, left),
            Event::Held { run, error } => self.held(run, Some(error)),
            Event::Flowing { run } => self.held(run, None),
            Event::Stored { token } => self.on_stored(token),
            Event::NotStored { token, error } => self.on_not_stored(token, &error),
            Event::Sampled {
                machine,
                trees,
                members,
            } => self.sampled(machine, trees, members),
            Event::Configured { catalogue } => {
                self.catalogue = catalogue;
                self.mistakes = None;
                self.stale.extend(self.processes.keys().copied());
                self.changed = true;
                self.compare();
                self.look_again();
                self.look_at_schedules();
            }
            Event::Compared { run, updates } => self.compared(run, updates),
            Event::Misconfigured { report } => {
                self.mistakes = Some(report);
                self.changed = true;
            }
            Event::Terminals { attached, seen } => self.terminals(attached, seen),
            Event::Booted => self.booted(),
            Event::Watched { processes } => self.watched(processes),
            Event::Trespass { process, what } => {
                let text = format!("{} {what}: refused", self.name_of(process));
                self.note(process, LogKind::Error, &text);
                self.say(Level::Error, Some(process), text);
                self.raise(
                    AlertKind::Trespass,
                    AlertLevel::Warning,
                    Some(process),
                    format!("{what}: refused"),
                );
            }
            Event::Trouble { process, text } => {
                self.enter(What::Trouble, process, &text);
                self.say(Level::Error, process, text);
            }
        }
    }

    /// Terminals came or left; `seen` is when a person was there last before that.
    fn terminals(&mut self, attached: u32, seen: Option<Timestamp>) {
        let now = self.now.wall;
        let known = self.meta.seen.max(seen);
        let word = if attached == 1 {
            "terminal"
        } else {
            "terminals"
        };
        let text = format!("{attached} {word} attached");
        if attached > self.terminals {
            let long_ago = known.is_some_and(|seen| now.duration_since(seen) >= ABSENCE);
            if self.terminals == 0 || long_ago {
                self.meta.left = known;
            }
            self.meta.seen = Some(now);
            self.enter(What::Attached, None, &text);
        } else {
            self.meta.seen = known;
            self.enter(What::Left, None, &text);
        }
        self.dirty.meta = true;
        self.terminals = attached;
        self.changed = true;
    }
}
