//! G5: an employee that takes hold of our own program and sockets.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::terminal_support::Company;

/// Tries all that an employee may not do; each exit code goes into a file, with what was said.
const SPY: &str = r#"
try() { name=$1; shift; "$@" > "$here.$name" 2>&1; echo "$name $?" >> "$here.codes"; }
headcount() { EXE --workspace SHOP --state STATE "$@"; }
here=$1
try approve headcount approve req_001
try stop headcount stop bob
try add headcount task add 'SAY evil'
try ps headcount ps
try post perl post.pl /api/approvals/req_001/approve
try kill perl post.pl /api/processes/proc_002/force-stop
try attach script -qec 'EXE --workspace SHOP --state STATE' /dev/null < /dev/null
"#;

/// The same without our program: a request straight to the socket; exits with the answer's status.
const POST: &str = r#"
use IO::Socket::UNIX;
my $socket = IO::Socket::UNIX->new(Peer => 'SOCKET') or die "no socket: $!";
print $socket "POST $ARGV[0] HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
my $answer = join '', <$socket>;
print $answer;
exit($answer =~ /^HTTP\S+ 403/ ? 5 : 0);
"#;

fn ok(company: &Company, words: &[&str]) -> String {
    let output = company.command(words).output().expect("it runs");
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn task(company: &Company, who: &str, text: &str) {
    ok(company, &["task", "add", text, "--process", who]);
}

/// Waits until somebody opens a fifo for writing.
fn heard(fifo: &Path) {
    fs::read_to_string(fifo).expect("a fifo");
}

#[test]
fn g5_an_employee_that_calls_headcount_is_refused_and_reported() {
    for tool in ["script", "perl"] {
        if Command::new(tool).arg("--version").output().is_err() {
            println!("skipped g5_an_employee…: {tool} is not installed");
            return;
        }
    }
    let company = Company::new();
    let (shop, state) = (company.workspace(), company.state());
    let exe = env!("CARGO_BIN_EXE_headcount");
    // The simulated agent in the place of the real one: not a demonstration.
    let roles = fs::read_to_string(shop.join("roles.toml")).expect("roles.toml");
    let agent = format!("command = \"{exe}\"\nargs = [\"__agent\"]");
    fs::write(
        shop.join("roles.toml"),
        roles
            .replace("command = \"claude\"", &agent)
            .replace("\nargs = []", ""),
    )
    .expect("roles.toml");
    let spy = SPY
        .replace("EXE", exe)
        .replace("SHOP", &shop.display().to_string())
        .replace("STATE", &state.display().to_string());
    fs::write(shop.join("spy.sh"), spy).expect("a script");
    let socket = company.place().api_socket();
    let post = POST.replace("SOCKET", &socket.display().to_string());
    fs::write(shop.join("post.pl"), post).expect("a script");
    for fifo in ["asked", "spied"] {
        nix::unistd::mkfifo(&shop.join(fifo), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    }

    for name in ["Ada", "Bob"] {
        let cwd = shop.display().to_string();
        ok(
            &company,
            &["create", "senior_developer", "--name", name, "--cwd", &cwd],
        );
    }
    let screen = company.open();
    screen.wait_for_the_screen();
    // Twice forked and in a session of its own, it waits for its employee's own request.
    let far = "TOOL Bash (setsid sh -c 'cat asked; sh spy.sh far; echo > spied' > far.out 2>&1 &) \
               ;; ASK echo secret";
    task(&company, "ada", far);
    screen.wait_for("3 Inbox 1");
    fs::write(shop.join("asked"), "now\n").expect("it waits");
    screen.wait_for("Ada tried to attach to the screen: refused");
    heard(&shop.join("spied"));
    task(&company, "bob", "TOOL Bash sh spy.sh near; echo > spied");
    heard(&shop.join("spied"));

    for spy in ["far", "near"] {
        let codes = fs::read_to_string(shop.join(format!("{spy}.codes"))).expect("codes");
        assert_eq!(
            codes, "approve 5\nstop 5\nadd 5\nps 5\npost 5\nkill 5\nattach 5\n",
            "{spy}"
        );
        for name in ["approve", "stop", "add", "ps", "post", "kill"] {
            let said = fs::read_to_string(shop.join(format!("{spy}.{name}"))).expect("words");
            let words = "an employee may not control the company";
            assert!(said.contains(words), "{spy} {name}: {said}");
        }
        let said = fs::read_to_string(shop.join(format!("{spy}.attach"))).expect("words");
        assert!(said.contains("may not attach"), "{spy}: {said}");
    }
    // Nothing of it was done, and each has it in its log.
    let inbox = ok(&company, &["inbox"]);
    assert!(inbox.contains("echo secret"), "{inbox}");
    let tasks = ok(&company, &["task", "ls"]);
    assert!(!tasks.contains("evil"), "{tasks}");
    for who in ["ada", "bob"] {
        let log = ok(&company, &["logs", who, "-n", "all"]);
        for act in [
            "GET /api/approvals: refused",
            "POST /api/approvals/req_001/approve: refused",
            "POST /api/processes/proc_002/force-stop: refused",
            "POST /api/tasks: refused",
            "GET /api/processes: refused",
            "tried to attach to the screen: refused",
        ] {
            assert!(log.contains(act), "{who}: no `{act}` in {log}");
        }
    }
    let status = ok(&company, &["ps", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status[0]["status"], "waiting");
    assert_eq!(status[1]["status"], "running");
    ok(&company, &["down", "--force"]);
}
