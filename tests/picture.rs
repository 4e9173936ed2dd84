//! The picture in the README: a real screen of the built program, written as SVG.
//!
//! `cargo test --release --test picture -- --ignored` makes docs/picture.svg anew. The company in it is
//! a demonstration; what it says is written in its tasks (docs/guide/demo.md).

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use vt100::{Cell, Color, Parser};

const ROWS: NonZero<u16> = NonZero::new(36).expect("rows");
const COLUMNS: NonZero<u16> = NonZero::new(120).expect("columns");
/// How long the screen may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// One employee: name, role, and the tasks that it is given.
const STAFF: &[(&str, &str, &[&str])] = &[
    (
        "Joan",
        "project_manager",
        &[
            "Cut release 2.4 into tasks\nUSAGE 38200 5200 Eleven tasks.",
            "Plan the week\nSLOW 900",
        ],
    ),
    (
        "Ada",
        "senior_developer",
        &[
            "Prepare the release\nUSAGE 61000 4100 It is ready.",
            "Push the release\nTOOL Bash git log --oneline -1\nTHINK Nothing is left to commit.\n\
             TOOL Bash git status --short --branch\nSAY The tests pass and the tree is clean. I would \
             like to push the branch so that CI runs.\nASK git push origin main",
        ],
    ),
    (
        "Linus",
        "senior_developer",
        &[
            "Add a retry to the client\nUSAGE 88000 9400 Done.",
            "Fix the flaky login test\nSLOW 900",
        ],
    ),
    (
        "Grace",
        "qa_engineer",
        &[
            "Try the sign-up form with long names\nUSAGE 30200 2100 No faults found.",
            "Try the sign-up form without a network\nUSAGE 28400 1900 One fault found.",
            "Write up what you found\nUSAGE 12100 2600 Written.",
        ],
    ),
    ("Ken", "test_engineer", &["Measure the coverage\nCRASH 134"]),
    (
        "Radia",
        "security_engineer",
        &[
            "Go through the dependencies\nUSAGE 41000 2300 Two are old.",
            "Read the login code\nLIMIT +5400",
        ],
    ),
    ("Margaret", "devops_engineer", &[]),
    (
        "Barbara",
        "technical_writer",
        &[
            "Write the notes of release 2.3\nUSAGE 22300 3700 Written.",
            "Describe the export\nSLOW 900",
        ],
    ),
    (
        "Dennis",
        "build_engineer",
        &["Shorten the build\nUSAGE 51900 3300 By a third."],
    ),
];

#[test]
#[ignore = "makes the picture of the README"]
fn the_picture_of_the_readme() {
    let company = Company::new();
    for (name, role, tasks) in STAFF {
        company.run(&["create", role, "--name", name]);
        let process = name.to_lowercase();
        for task in *tasks {
            company.run(&["task", "add", task, "--process", &process]);
            // In the order of the list, whatever their prices.
            if task.contains("USAGE") {
                company.run(&["task", "wait", "--timeout", "30s", &company.last_task()]);
            }
        }
    }
    company.run(&["stop", "margaret"]);
    for task in [
        "Draw the new settings page",
        "Choose signs for the toolbar",
        "Look at the contrast of the tables",
    ] {
        company.run(&["task", "add", task, "--role", "ui_ux_designer"]);
    }
    let screen = company.screen("7 up");
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/picture.svg");
    fs::write(picture, svg(screen.screen())).expect("the picture is written");
}

/// A workspace of its own, with a git repository in it.
struct Company {
    folder: tempfile::TempDir,
}

impl Company {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let company = Self { folder };
        let workspace = company.workspace();
        fs::create_dir_all(&workspace).expect("a workspace");
        company.run(&["init", "."]);
        let git = "git init -q -b main && git add . && \
                   git -c user.name=Ada -c user.email=ada@example.com commit -q -m 'Prepare the release'";
        let made = Command::new("sh")
            .args(["-c", git])
            .current_dir(&workspace)
            .status()
            .expect("a shell");
        assert!(made.success(), "a repository");
        company
    }

    fn workspace(&self) -> PathBuf {
        self.folder.path().join("src/shop")
    }

    fn environment(&self) -> [(&'static str, String); 6] {
        [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", self.folder.path().display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
            ("COLORTERM", "truecolor".to_owned()),
            (
                "HEADCOUNT_WORKSPACE",
                self.workspace().display().to_string(),
            ),
        ]
    }

    /// Runs a command. What does not work out shows in the picture.
    fn run(&self, words: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_headcount"))
            .arg("--demo")
            .args(words)
            .env_clear()
            .envs(self.environment())
            .current_dir(self.workspace())
            .output()
            .expect("the program starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn last_task(&self) -> String {
        let list = self.run(&["task", "ls", "--json"]);
        let list: serde_json::Value = serde_json::from_str(&list).expect("a list of tasks");
        let ids = list.as_array().into_iter().flatten();
        let ids = ids.filter_map(|task| task["id"].as_str());
        ids.max().expect("a task").to_owned()
    }

    /// What a terminal shows once it shows `text`.
    fn screen(&self, text: &str) -> Parser {
        let size = PtySize {
            rows: ROWS.get(),
            cols: COLUMNS.get(),
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut builder = CommandBuilder::new(env!("CARGO_BIN_EXE_headcount"));
        builder.arg("--demo");
        builder.env_clear();
        for (name, value) in self.environment() {
            builder.env(name, value);
        }
        builder.cwd(self.workspace());
        let mut child = pair.slave.spawn_command(builder).expect("the screen opens");
        let mut reader = pair.master.try_clone_reader().expect("its output");
        let (bytes, drawn) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if bytes.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut screen = Parser::new(ROWS, COLUMNS, 0);
        until(&mut screen, &drawn, text);
        // To the one who waits for a person.
        let mut keys = pair.master.take_writer().expect("its input");
        keys.write_all(b"w").expect("a key");
        until(&mut screen, &drawn, "waiting for you");
        // Figures of CPU lie between two looks at the machine.
        for _ in 0..3 {
            let bytes = drawn.recv_timeout(PATIENCE).expect("figures");
            screen.process(&bytes);
        }
        keys.write_all(b"q").expect("a key");
        child.wait().expect("the screen closes");
        screen
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        self.run(&["down", "--force"]);
    }
}

/// Draws until the screen shows `text`.
fn until(screen: &mut Parser, drawn: &Receiver<Vec<u8>>, text: &str) {
    let begin = SystemTime::now();
    while !screen.screen().contents().contains(text) {
        let shown = screen.screen().contents();
        // The screen changes with every look at the machine, whatever else happens.
        let late = begin.elapsed().is_ok_and(|elapsed| elapsed > PATIENCE);
        assert!(!late, "no `{text}`; the screen shows:\n{shown}");
        if let Ok(bytes) = drawn.recv_timeout(PATIENCE) {
            screen.process(&bytes);
        }
    }
}

const SIZE: f32 = 14.0;
const CELL: (f32, f32) = (8.43, 18.0);
const MARGIN: f32 = 16.0;
const BACKGROUND: &str = "#16181d";
const TEXT: &str = "#d6d9df";

/// How a run of cells looks.
#[derive(Clone, PartialEq)]
struct Look {
    text: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
}

impl Look {
    fn of(cell: &Cell) -> Self {
        let text = colour(cell.fgcolor()).unwrap_or_else(|| TEXT.to_owned());
        let background = colour(cell.bgcolor());
        let (text, background) = if cell.inverse() {
            (
                background.unwrap_or_else(|| BACKGROUND.to_owned()),
                Some(text),
            )
        } else {
            (text, background)
        };
        Self {
            text,
            background,
            bold: cell.bold(),
            dim: cell.dim(),
        }
    }
}

fn colour(colour: Color) -> Option<String> {
    match colour {
        // The program is told that it has all colours, so it names none of the palette.
        Color::Default | Color::Idx(_) => None,
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

/// The screen as SVG. Each word has its own place, so that it stands in its column whatever font a
/// browser takes; rules and bars are drawn.
fn svg(screen: &vt100::Screen) -> String {
    let (rows, columns) = (ROWS.get(), COLUMNS.get());
    let width = f32::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL.1 + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" font-size=\"{SIZE}\" font-family=\"ui-monospace, \
         'DejaVu Sans Mono', 'SF Mono', Menlo, Consolas, monospace\">\n\
         <title>headcount: the list of processes</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            column = run(&mut svg, screen, row, column);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Writes the cells from `begin` on that belong together; returns the column behind them.
fn run(svg: &mut String, screen: &vt100::Screen, row: u16, begin: u16) -> u16 {
    let Some(cell) = screen.cell(row, begin) else {
        return COLUMNS.get();
    };
    let look = Look::of(cell);
    let kind = Kind::of(cell);
    let mut text = String::new();
    let mut end = begin;
    while let Some(cell) = screen.cell(row, end)
        && Look::of(cell) == look
        && Kind::of(cell) == kind
        && (kind != Kind::Sign || end == begin)
    {
        text.push_str(cell.contents());
        end += 1;
    }
    let (x, y) = (
        MARGIN + f32::from(begin) * CELL.0,
        MARGIN + f32::from(row) * CELL.1,
    );
    let width = f32::from(end - begin) * CELL.0;
    let fill = &look.text;
    // Writing to a string does not fail.
    if let Some(background) = &look.background {
        let (width, height) = (width + 0.3, CELL.1);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{background}\"/>"
        );
    }
    match kind {
        Kind::Blank => {}
        Kind::Rule => {
            let y = y + CELL.1 / 2.0;
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {y:.1}h{width:.1}\" stroke=\"{fill}\"/>"
            );
        }
        Kind::Bar => {
            let (width, height) = (CELL.0 / 2.0, CELL.1);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{fill}\"/>"
            );
        }
        Kind::Word | Kind::Sign => {
            let y = y + 13.2;
            let bold = if look.bold {
                " font-weight=\"bold\""
            } else {
                ""
            };
            let dim = if look.dim { " opacity=\"0.6\"" } else { "" };
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"{fill}\"{bold}{dim}>{text}</text>"
            );
        }
    }
    end
}

/// What stands in a cell.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Blank,
    Rule,
    Bar,
    Word,
    /// A sign beside letters: fonts differ in its width, so it stands alone.
    Sign,
}

impl Kind {
    fn of(cell: &Cell) -> Self {
        match cell.contents() {
            "" | " " => Self::Blank,
            "─" => Self::Rule,
            "▌" => Self::Bar,
            text if text.is_ascii() => Self::Word,
            _ => Self::Sign,
        }
    }
}
