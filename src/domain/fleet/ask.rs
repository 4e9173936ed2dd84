//! What waits on a person: asked, answered, withdrawn.

use std::sync::Arc;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::revise::{GIVE_UP, TRY_AGAIN};
use crate::domain::id::{ProcessId, RequestId, RunId};
use crate::domain::inbox::{Answer, Ask, Request};
use crate::domain::log::LogKind;
use crate::domain::order::Order;
use crate::domain::process::{Phase, Stage, Turn};
use crate::domain::snapshot::Evidence;

/// Requests that are kept, answered or not; open ones are kept all.
const REQUESTS: usize = 1000;

impl Fleet {
    pub(super) fn open_requests(&self, id: ProcessId) -> impl Iterator<Item = &Arc<Request>> {
        self.requests
            .values()
            .filter(move |request| request.process == id && request.is_open() && !request.own)
    }

    pub(super) fn asked(
        &mut self,
        id: ProcessId,
        run: RunId,
        key: String,
        ask: Ask,
        input: serde_json::Value,
    ) {
        if self
            .open_requests(id)
            .any(|request| request.run == run && request.agent_key == key)
        {
            return;
        }
        // The agent's own ask rules stand above what it remembers, so it asks again for what a
        // person has allowed for good.
        if let Ask::Permission { rule, .. } = &ask
            && self
                .processes
                .get(&id)
                .is_some_and(|process| process.allowed.contains(rule))
        {
            self.note(id, LogKind::Ask, &format!("allowed by your rule {rule}"));
            self.send(
                id,
                Order::Allow {
                    key,
                    input,
                    remember: None,
                },
            );
            return;
        }
        self.meta.request += 1;
        self.dirty.meta = true;
        let now = self.now;
        let request = RequestId(self.meta.request);
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.evidence = Evidence {
            source: "the agent's own event".to_owned(),
            at: now.wall,
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        let (turn, stage) = (live.turn, live.stage);
        self.requests.insert(
            request,
            Arc::new(Request {
                id: request,
                process: id,
                run,
                task: turn.task(),
                agent_key: key,
                ask,
                input,
                asked: now.wall,
                answer: None,
                answered: None,
                own: false,
            }),
        );
        self.dirty.requests.insert(request);
        self.enter_request(request);
        self.touch(id);
        self.pause_lease(id);
        // A task that is to be finished before a stop does not wait for a person.
        if let (Stage::Finishing { .. }, Turn::Task { .. }) = (stage, turn) {
            self.interrupt_to_stop(id);
        }
    }

    pub(super) fn approve(&mut self, reply: ReplyId, id: RequestId) -> Result<(), Refusal> {
        let request = self.open_request(id)?;
        if request.own {
            let answer = Answer::Once;
            return self.decide(reply, &request, true, answer);
        }
        if let Ask::Question { .. } = request.ask {
            let text = format!("{id} is a question: answer it with `headcount answer {id} TEXT`");
            return Err(Refusal::Invalid(text));
        }
        let (key, input) = (request.agent_key.clone(), request.input.clone());
        let order = Order::Allow {
            key,
            input,
            remember: None,
        };
        self.close_request(reply, &request, Answer::Once, order);
        Ok(())
    }

    pub(super) fn approve_always(
        &mut self,
        reply: ReplyId,
        id: RequestId,
        rule: Option<String>,
    ) -> Result<(), Refusal> {
        let request = self.open_request(id)?;
        let Ask::Permission { rule: proposed, .. } = &request.ask else {
            return Err(Refusal::Invalid(format!(
                "{id} is a question: it has no rule"
            )));
        };
        let rule = rule.unwrap_or_else(|| proposed.clone()).trim().to_owned();
        let sound = rule.chars().next().is_some_and(char::is_alphabetic)
            && !rule.contains(char::is_control)
            && (rule.contains('(') == rule.ends_with(')'));
        if !sound {
            let text =
                format!("`{rule}` is not a rule; write it as Bash(git push *) or Edit(*.md)");
            return Err(Refusal::Invalid(text));
        }
        let (key, input) = (request.agent_key.clone(), request.input.clone());
        if let Some(process) = self.processes.get_mut(&request.process)
            && !process.allowed.contains(&rule)
        {
            process.allowed.push(rule.clone());
        }
        let order = Order::Allow {
            key,
            input,
            remember: Some(rule.clone()),
        };
        self.close_request(reply, &request, Answer::Always { rule }, order);
        Ok(())
    }

    pub(super) fn deny(
        &mut self,
        reply: ReplyId,
        id: RequestId,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let request = self.open_request(id)?;
        let reason = reason
            .filter(|reason| !reason.trim().is_empty())
            .unwrap_or_else(|| "A person refused this.".to_owned());
        if request.own {
            let answer = Answer::Denied { reason };
            return self.decide(reply, &request, false, answer);
        }
        let order = Order::Deny {
            key: request.agent_key.clone(),
            reason: reason.clone(),
        };
        self.close_request(reply, &request, Answer::Denied { reason }, order);
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        reply: ReplyId,
        id: RequestId,
        answers: &[String],
    ) -> Result<(), Refusal> {
        let request = self.open_request(id)?;
        let Ask::Question { questions } = &request.ask else {
            let text = format!("{id} asks for a permission: use `headcount approve` or `deny`");
            return Err(Refusal::Invalid(text));
        };
        if answers.len() != questions.len() {
            let text = format!(
                "{id} has {} questions, not {}",
                questions.len(),
                answers.len()
            );
            return Err(Refusal::Invalid(text));
        }
        let answers: Vec<(String, String)> = questions
            .iter()
            .map(|question| question.text.clone())
            .zip(answers.iter().cloned())
            .collect();
        if request.own {
            let said = answers.first().map_or("", |(_, answer)| answer.trim());
            let again = said.eq_ignore_ascii_case(TRY_AGAIN);
            if !again && !said.eq_ignore_ascii_case(GIVE_UP) {
                let text = format!("answer `{TRY_AGAIN}` or `{GIVE_UP}`");
                return Err(Refusal::Invalid(text));
            }
            return self.decide(reply, &request, again, Answer::Answered { answers });
        }
        let mut input = request.input.clone();
        if let Some(fields) = input.as_object_mut() {
            let given = answers
                .iter()
                .map(|(q, a)| (q.clone(), a.clone().into()))
                .collect();
            fields.insert("answers".to_owned(), serde_json::Value::Object(given));
        }
        let order = Order::Allow {
            key: request.agent_key.clone(),
            input,
            remember: None,
        };
        self.close_request(reply, &request, Answer::Answered { answers }, order);
        Ok(())
    }

    fn open_request(&self, id: RequestId) -> Result<Arc<Request>, Refusal> {
        let request = self.requests.get(&id).ok_or(Refusal::UnknownRequest(id))?;
        match &request.answer {
            None => Ok(Arc::clone(request)),
            Some(Answer::Withdrawn) => Err(Refusal::State(format!(
                "{id} is void: the turn that asked is over"
            ))),
            Some(_) => Err(Refusal::State(format!("{id} is answered already"))),
        }
    }

    fn close_request(&mut self, reply: ReplyId, request: &Request, answer: Answer, order: Order) {
        self.seen(request.process, self.by);
        let line = match &answer {
            Answer::Once => "allowed by you, this once".to_owned(),
            Answer::Always { rule } => format!("allowed by you, always: {rule}"),
            Answer::Denied { reason } => format!("refused by you: {reason}"),
            Answer::Answered { answers } => {
                let texts: Vec<&str> = answers.iter().map(|(_, answer)| answer.as_str()).collect();
                format!("answered by you: {}", texts.join("; "))
            }
            Answer::Withdrawn => "withdrawn".to_owned(),
        };
        self.note(request.process, LogKind::Ask, &line);
        self.mark_answered(request.id, answer);
        self.send(request.process, order);
        self.resume_lease(request.process);
        self.reply_durably(reply, Ok(Outcome::Done));
    }

    pub(super) fn mark_answered(&mut self, id: RequestId, answer: Answer) {
        let at = self.now.wall;
        if let Some(request) = self.requests.get_mut(&id) {
            let request = Arc::make_mut(request);
            request.answer = Some(answer);
            request.answered = Some(at);
            let process = request.process;
            self.dirty.requests.insert(id);
            self.touch(process);
            self.enter_answer(id);
        }
        self.forget_old_requests();
    }

    /// Nobody looks at what was answered long ago, and each look at the open ones passes by it.
    fn forget_old_requests(&mut self) {
        while self.requests.len() > REQUESTS {
            let Some((old, _)) = self.requests.iter().find(|(_, one)| !one.is_open()) else {
                return;
            };
            let old = *old;
            self.requests.remove(&old);
            self.dirty.requests.insert(old);
        }
    }

    pub(super) fn withdrawn(&mut self, id: ProcessId, key: &str) {
        let void = self
            .open_requests(id)
            .find(|request| request.agent_key == key);
        if let Some(void) = void.map(|request| request.id) {
            self.mark_answered(void, Answer::Withdrawn);
            self.resume_lease(id);
        }
    }

    /// Nobody waits for an answer any more: the turn or the run is over.
    pub(super) fn withdraw_all(&mut self, id: ProcessId) {
        let void: Vec<RequestId> = self.open_requests(id).map(|request| request.id).collect();
        for request in void {
            self.mark_answered(request, Answer::Withdrawn);
        }
    }

    /// The task that it has in hand; not one whose lease is over, though its turn goes on.
    fn leased_to(&self, id: ProcessId) -> Option<crate::domain::id::TaskId> {
        let live = self.live(id)?;
        let task = live.turn.task()?;
        let lease = self.tasks.get(&task)?.lease?;
        (lease.process == id && lease.run == live.run).then_some(task)
    }

    /// Waiting for a person does not count against the task's time.
    fn pause_lease(&mut self, id: ProcessId) {
        let now = self.now.mono;
        let Some(task) = self.leased_to(id) else {
            return;
        };
        self.with_task(task, |task| {
            task.state = crate::domain::task::TaskState::Waiting;
            if let Some(lease) = &mut task.lease
                && let Some(deadline) = lease.deadline.take()
            {
                lease.left = Some(deadline.since(now));
            }
        });
    }

    fn resume_lease(&mut self, id: ProcessId) {
        let now = self.now.mono;
        if self.open_requests(id).next().is_some() {
            return;
        }
        let Some(task) = self.leased_to(id) else {
            return;
        };
        self.with_task(task, |task| {
            task.state = crate::domain::task::TaskState::Running;
            if let Some(lease) = &mut task.lease
                && let Some(left) = lease.left.take()
            {
                lease.deadline = Some(now + left);
            }
        });
    }
}
