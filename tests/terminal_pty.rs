//! The built program on real pseudo-terminals. None of them ever answers a question of ours.

mod terminal_support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use terminal_support::{Company, PATIENCE};

#[test]
fn e1_leaving_restores_the_terminal() {
    let company = Company::new();
    let mut screen = company.open();
    screen.wait_for_the_screen();
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
    screen.assert_restored();
}

#[test]
fn e1_a_signal_restores_the_terminal() {
    let company = Company::new();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGHUP,
    ] {
        let mut screen = company.open();
        screen.wait_for_the_screen();
        screen.assert_not_restored();
        screen.signal(signal);
        screen.ended();
        screen.assert_restored();
    }
}

#[test]
fn e1_after_a_kill_the_next_run_restores_the_terminal() {
    let company = Company::new();
    let mut screen = company.open();
    screen.wait_for_the_screen();
    screen.signal(Signal::SIGKILL);
    screen.ended();
    screen.assert_not_restored();
    company.cook(&screen);
    let before = screen.raw().len();
    company.run_again(&mut screen);
    screen.wait_for_bytes(before, "\x1b[?1049h");
    screen.assert_alive();
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
    screen.assert_restored();
}

#[test]
fn d6_a_hangup_ends_the_screen_and_nothing_else() {
    let company = Company::new();
    assert!(company.command(&["up"]).output().unwrap().status.success());
    // `script` holds the screen's terminal, as sshd would.
    let program = env!("CARGO_BIN_EXE_headcount");
    let mut cable = company.run(&["script", "-qfc", program, "/dev/null"], &[]);
    let mut other = company.open();
    cable.wait_for_the_screen();
    other.wait_for_the_screen();
    company.wait_for_terminals(2);
    let instance = company.running();
    cable.signal(Signal::SIGKILL);
    cable.ended();
    company.wait_for_terminals(1);
    other.assert_alive();
    assert_eq!(company.running(), instance);
}

#[test]
fn e2_ctrl_z_gives_the_terminal_to_the_shell_and_fg_gives_it_back() {
    let company = Company::new();
    let script = format!(
        "set -m; {}; stty -a | tr ' ' '\\n' | grep -x -e icanon -e -icanon; echo stopped; \
         read line; fg; echo over",
        env!("CARGO_BIN_EXE_headcount")
    );
    let mut screen = company.run(&["bash", "-c", &script], &[]);
    screen.wait_for_the_screen();
    screen.keys(b"\x1a");
    screen.wait_for("stopped");
    screen.assert_restored();
    assert!(!screen.shown().contains("-icanon"));
    screen.keys(b"\n");
    screen.wait_for_the_screen();
    screen.assert_alive();
    screen.keys(b"q");
    screen.wait_for("over");
    screen.assert_restored();
}

#[test]
fn e2_ctrl_z_without_a_shell_stops_nothing() {
    let company = Company::new();
    let mut screen = company.open();
    screen.wait_for_the_screen();
    screen.keys(b"\x1a");
    screen.assert_alive();
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn e3_any_size_is_drawn() {
    let company = Company::new();
    let mut screen = company.open();
    screen.wait_for_the_screen();
    for (rows, columns) in [(0, 0), (1, 1), (5, 20), (3, 200), (24, 80)] {
        screen.resize(rows, columns);
    }
    screen.assert_alive();
}

#[test]
fn e4_a_terminal_that_does_not_read_holds_nobody_up() {
    let company = Company::new();
    let mut screen = company.open();
    screen.wait_for_the_screen();

    let mut stalled = UnixStream::connect(company.place().attach_socket()).unwrap();
    stalled.set_write_timeout(Some(PATIENCE)).unwrap();
    say(&mut stalled, HELLO);
    for columns in (1..3000).map(|n| 60 + n % 140) {
        say(
            &mut stalled,
            &format!(r#"{{"redraw":{{"columns":{columns},"rows":60}}}}"#),
        );
    }
    screen.assert_alive();
    assert_eq!(
        company.command(&["down"]).output().unwrap().status.code(),
        Some(0)
    );
    company.wait_for_the_end();
    screen.ended();
    screen.assert_restored();
    screen.wait_for("The instance ended.");
}

#[test]
fn e5_without_a_terminal_there_is_a_message_and_no_instance() {
    let company = Company::new();
    let output = company.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("standard input is not a terminal"), "{said}");
    assert!(said.contains("headcount ps"), "{said}");
    assert!(!company.state().exists());

    for term in ["dumb", ""] {
        let mut screen = company.run(&[env!("CARGO_BIN_EXE_headcount")], &[("TERM", term)]);
        assert_eq!(screen.ended(), 1);
        screen.wait_for("the terminal cannot show a screen: TERM is");
    }
}

#[test]
fn e5_no_color_means_no_colour() {
    let company = Company::new();
    let program = env!("CARGO_BIN_EXE_headcount");
    let mut plain = company.run(&[program], &[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]);
    let mut colour = company.run(&[program], &[("COLORTERM", "truecolor")]);
    for (screen, coloured) in [(&mut plain, false), (&mut colour, true)] {
        screen.wait_for_the_screen();
        let raw = String::from_utf8_lossy(&screen.raw()).into_owned();
        assert_eq!(raw.contains("[38;") || raw.contains(";38;"), coloured);
    }
}

#[test]
fn e5_a_terminal_of_sixteen_colours_gets_those_alone() {
    let company = Company::new();
    let program = env!("CARGO_BIN_EXE_headcount");
    let screen = company.run(&[program], &[("TERM", "xterm-16color"), ("COLORTERM", "")]);
    screen.wait_for_the_screen();
    let raw = String::from_utf8_lossy(&screen.raw()).into_owned();
    assert!(!raw.contains("8;2;"), "{raw:?}");
    let indices = raw.split("8;5;").skip(1).map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u8>().expect("an index")
    });
    assert!(indices.clone().all(|index| index < 16), "{raw:?}");
    assert!(indices.count() > 0, "{raw:?}");
}

#[test]
fn e6_no_answer_of_the_terminal_is_taken_for_a_key() {
    let company = Company::new();
    let mut screen = company.open();
    screen.wait_for_the_screen();
    for answer in [
        &b"\x1b]11;rgb:1e1e/1e1e/qqqq\x07"[..],
        b"\x1b]10;rgb:??/qq/qq\x1b\\",
        b"\x1b[?1;2c",
        b"\x1b[>0;276;0c",
        b"\x1b[12;40R",
        b"\x1b[?997;1n",
        b"\x1bP>|q?(390)\x1b\\",
    ] {
        screen.keys(answer);
    }
    // Behind all of these: an answer that was a key has been heeded by now.
    screen.keys(b"2");
    screen.wait_for("Tasks");
    screen.keys(b"1");
    assert!(!screen.shown().contains("leave the screen"));
    assert!(screen.child.try_wait().unwrap().is_none());
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn a_client_of_a_strange_version_is_told_which_one_runs() {
    let company = Company::new();
    let screen = company.open();
    screen.wait_for_the_screen();
    let mut strange = UnixStream::connect(company.place().attach_socket()).unwrap();
    say(&mut strange, r#"{"protocol":99,"build":"9.9.9"}"#);
    let answer = everything(strange);
    assert!(answer.contains(r#""versions""#), "{answer}");
    assert!(answer.contains(env!("CARGO_PKG_VERSION")), "{answer}");
}

#[test]
fn garbage_on_the_socket_ends_that_connection_alone() {
    let company = Company::new();
    let mut screen = company.open();
    screen.wait_for_the_screen();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0\x04null",
        b"\xff\xff\xff\xff",
    ] {
        let mut stream = UnixStream::connect(company.place().attach_socket()).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        everything(stream);
    }
    screen.assert_alive();
}

const HELLO: &str = r#"{"protocol":1,"build":"0.1.0","columns":200,"rows":60,"term":"xterm"}"#;

/// Writes one frame.
fn say(stream: &mut UnixStream, text: &str) {
    let length = u32::try_from(text.len()).expect("a short text");
    let frame = [&length.to_be_bytes(), text.as_bytes()].concat();
    stream.write_all(&frame).expect("the instance reads");
}

/// Reads to the end of the connection.
fn everything(mut stream: UnixStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut bytes = Vec::new();
    // A connection that is reset has ended as well.
    stream.read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}
