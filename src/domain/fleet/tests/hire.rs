//! Hiring with settings of one's own, and the look before it.

use crate::domain::command::{
    Command, LONGEST_PROMPT, NewProcess, Outcome, PromptOverride, Refusal,
};
use crate::domain::fleet::tests::rig::Rig;
use crate::domain::role::{PromptMode, Range};

fn new() -> NewProcess {
    NewProcess {
        role: "developer".to_owned(),
        ..NewProcess::default()
    }
}

#[test]
fn what_was_hired_with_is_shown_in_place_of_the_roles() {
    let mut rig = Rig::new();
    let own = NewProcess {
        prompt: Some(PromptOverride::File("/own.md".into())),
        prompt_mode: Some(PromptMode::Replace),
        cpu: Some(Range { min: 1.0, max: 3.0 }),
        memory: Some(Range { min: 5, max: 9 }),
        no_start: true,
        ..new()
    };
    let hire = rig.order(Command::Create(Box::new(own)));
    let Some(Ok(Outcome::Created(id))) = rig.answer(hire).cloned() else {
        panic!("not hired");
    };
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(view.prompt_file, Some("/own.md".into()));
    assert_eq!(view.prompt_mode, PromptMode::Replace);
    assert_eq!((view.cpu.max, view.memory.max), (3.0, 9));
    assert!(!view.own_prompt);
    // And by the next instance as well.
    let mut rig = rig.reborn();
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!((view.cpu.max, view.memory.max), (3.0, 9));
    let text = NewProcess {
        prompt: Some(PromptOverride::Text("Be brief.".to_owned())),
        no_start: true,
        ..new()
    };
    rig.order(Command::Create(Box::new(text)));
    let snapshot = rig.snapshot();
    let view = snapshot.processes.last().unwrap();
    assert_eq!((view.prompt_file.as_ref(), view.own_prompt), (None, true));
}

#[test]
fn a_look_reads_what_would_be_launched_and_hires_nobody() {
    let mut rig = Rig::new();
    let ask = NewProcess {
        working_directory: Some("/desk".into()),
        ..new()
    };
    rig.order(Command::Preview(vec![new(), ask]));
    let places: Vec<_> = rig.looks[0]
        .iter()
        .map(|plan| (plan.role.key.as_str(), plan.working_directory.to_str()))
        .collect();
    assert_eq!(
        places,
        [("developer", Some("/work")), ("developer", Some("/desk"))]
    );
    assert!(rig.launches.is_empty() && rig.snapshot().processes.is_empty());
}

#[test]
fn a_look_refuses_what_hiring_refuses() {
    let named = |name: &str| NewProcess {
        name: Some(name.to_owned()),
        ..new()
    };
    let prompt = |text: &str| NewProcess {
        prompt: Some(PromptOverride::Text(text.to_owned())),
        ..new()
    };
    let variable = |name: &str, value: &str| NewProcess {
        environment: [(name.to_owned(), value.to_owned())].into(),
        ..new()
    };
    let cases = [
        (
            NewProcess {
                role: "develper".to_owned(),
                ..new()
            },
            "there is no role `develper`; the nearest are developer",
        ),
        (named("Ada"), "there is an employee named Ada already"),
        (
            named("a/b"),
            "a name has 1 to 32 letters, digits, spaces or -_.'",
        ),
        (
            NewProcess {
                cpu: Some(Range { min: 2.0, max: 1.0 }),
                ..new()
            },
            "the CPU limits are not a range",
        ),
        (
            NewProcess {
                cpu: Some(Range {
                    min: f64::NAN,
                    max: 1.0,
                }),
                ..new()
            },
            "the CPU limits are not a range",
        ),
        (
            NewProcess {
                memory: Some(Range { min: 2, max: 1 }),
                ..new()
            },
            "the memory limits are not a range",
        ),
        (
            named("emp_001"),
            "emp_001 looks like an id: another could not be told from it",
        ),
        (
            named("Task-1"),
            "Task-1 looks like an id: another could not be told from it",
        ),
        (
            NewProcess {
                max_turns: Some(0),
                ..new()
            },
            "a task may take no turn at all: write a number from 1, or leave it out",
        ),
        (
            prompt(" "),
            "the prompt is empty: leave it out for that of the role",
        ),
        (
            prompt("a\0b"),
            "the prompt has a NUL character: take it out",
        ),
        (
            prompt(&"x".repeat(LONGEST_PROMPT + 1)),
            "the prompt is larger than 1 MB: shorten it, or name files in it",
        ),
        (
            NewProcess {
                working_directory: Some("/a\0b".into()),
                ..new()
            },
            "the working directory has a NUL character: take it out",
        ),
        (
            NewProcess {
                model: Some(String::new()),
                ..new()
            },
            "the model is empty: leave it out for that of the role",
        ),
        (
            NewProcess {
                model: Some("a\0b".to_owned()),
                ..new()
            },
            "the model has a NUL character: take it out",
        ),
        (
            NewProcess {
                tools: Some(vec![String::new()]),
                ..new()
            },
            "a tool has no name: leave the tools out for those of the role",
        ),
        (
            variable("", "x"),
            "`` is not a name for an environment variable: use letters, digits and `_`, and no digit first",
        ),
        (
            variable("A=B", "x"),
            "`A=B` is not a name for an environment variable: use letters, digits and `_`, and no digit first",
        ),
        (
            variable("A", "x\0"),
            "the variable A has a NUL character: take it out",
        ),
    ];
    let mut rig = Rig::new();
    rig.order(Command::Create(Box::new(named("Ada"))));
    for (new, says) in cases {
        for command in [
            Command::Preview(vec![new.clone()]),
            Command::Create(Box::new(new)),
        ] {
            let reply = rig.order(command);
            let Some(Err(refusal)) = rig.answer(reply) else {
                panic!("{says}: not refused");
            };
            assert!(!matches!(refusal, Refusal::Fault { .. }));
            assert_eq!(refusal.to_string(), says);
        }
    }
    assert_eq!(rig.snapshot().processes.len(), 1);
    assert!(rig.looks.is_empty());
}
