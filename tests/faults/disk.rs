//! Disks that are full, and databases that are none.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::errors;
use crate::instance::Instance;
use crate::terminal_support::PATIENCE;

/// A small file system in a folder that is there.
struct SmallDisk {
    folder: PathBuf,
    /// Run before it goes: ends whoever is on it still after a failed test.
    last: Command,
}

impl SmallDisk {
    fn at(folder: &Path, size: &str, last: Command) -> Option<Self> {
        let made = nix::unistd::geteuid().is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
                .arg(folder)
                .status()
                .is_ok_and(|status| status.success());
        made.then(|| Self {
            folder: folder.to_owned(),
            last,
        })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Leaves not a byte.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        for block in [64 << 10, 4 << 10, 1] {
            while ballast.write_all(&vec![0; block]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.ballast()).expect("is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        fs::remove_file(self.ballast()).ok();
        self.last.output().ok();
        let mut umount = Command::new("umount");
        umount.arg("-l").arg(&self.folder).status().ok();
    }
}

#[test]
fn d9_on_a_full_disk_new_work_is_refused_and_supervision_goes_on() {
    let instance = Instance::demo();
    let state = instance.state_folder();
    fs::create_dir_all(&state).expect("a folder");
    let down = instance.command(&["down", "--force"]);
    let Some(disk) = SmallDisk::at(&state, "4m", down) else {
        println!("skipped d9_on_a_full_disk…: only root can mount a small disk");
        return;
    };
    instance.ok(&["create", "senior_developer", "--name", "Ada"]);
    instance.ok(&["create", "senior_developer", "--name", "Bob"]);
    let go = instance.workspace().join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let text = "TOOL Bash cat go ;; FLOOD 3000 80 ;; SAY flooded";
    let task = instance.json(&["task", "add", text, "--process", "ada"]);
    let task = task["id"].as_str().expect("an id").to_owned();
    instance.until_logged("ada", "Bash  cat go");

    disk.fill();
    let refused = instance.run(&["task", "add", "SAY never", "--process", "bob"]);
    let said = errors(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("full") && said.contains("try: "), "{said}");
    // The flood begins, and has nowhere to go.
    fs::write(&go, "go\n").expect("the tool reads on");
    let begin = SystemTime::now();
    loop {
        let now = instance.json(&["ps"])[0]["now"].to_string();
        if now.contains("output held: ") {
            break;
        }
        assert!(begin.elapsed().expect("a clock") < PATIENCE, "{now}");
    }
    let stopped = instance.ok(&["stop", "bob"]);
    assert!(stopped.contains("1 process ended, 0 left"), "{stopped}");
    let processes = instance.json(&["ps"]);
    let ada = &processes[0];
    assert_eq!(ada["status"], "running", "{ada:#}");

    disk.empty();
    let done = instance.json(&["task", "wait", &task, "--timeout", "30s"]);
    assert_eq!(done["result"]["text"], "flooded", "{done:#}");
    let log = instance.ok(&["logs", "ada", "-n", "all"]);
    for n in 1..=3000 {
        assert_eq!(log.matches(&format!("{n:08} xxx")).count(), 1, "line {n}");
    }
    let later = instance.json(&["task", "add", "SAY later", "--process", "ada"]);
    let later = later["id"].as_str().expect("an id");
    instance.ok(&["task", "wait", later, "--timeout", "30s"]);
    // What was said while the disk was full is on disk now.
    instance.kill_instance();
    instance.ok(&["up"]);
    let processes = instance.json(&["ps"]);
    assert_eq!(
        (&processes[0]["status"], &processes[1]["status"]),
        (&"running".into(), &"stopped".into()),
        "{processes:#}"
    );
    let tasks = instance.json(&["task", "ls"]);
    assert_eq!(tasks.as_array().map(Vec::len), Some(2), "{tasks:#}");
    instance.close();
}

#[test]
fn d8_a_bad_database_gives_way_to_the_last_good_copy_and_is_kept() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer", "--name", "Ada", "--no-start"]);
    let path = instance.state().join("headcount.db");
    for (round, wrong) in ["this is no database ".repeat(300), String::new()]
        .iter()
        .enumerate()
    {
        instance.ok(&["down"]);
        fs::write(&path, wrong).expect("is written");
        instance.ok(&["up"]);
        assert_eq!(instance.json(&["ps"])[0]["employee"], "emp_001");
        let aside = format!("{}.bad-{}", path.display(), round + 1);
        assert_eq!(&fs::read_to_string(&aside).expect("is kept"), wrong);
        let alerts = instance.json(&["alerts"]);
        let told = alerts.as_array().expect("a list").iter().find(|alert| {
            alert["kind"] == "state"
                && alert["text"]
                    .as_str()
                    .is_some_and(|text| text.contains(&aside))
        });
        let told = told.unwrap_or_else(|| panic!("not told: {alerts:#}"));
        assert!(told["text"].to_string().contains("is lost"), "{told:#}");
    }
    instance.close();
}

#[test]
fn d8_a_database_that_is_none_is_named_and_left_alone_where_there_is_no_copy() {
    let instance = Instance::demo();
    instance.ok(&["up"]);
    let path = instance.state().join("headcount.db");
    instance.ok(&["down"]);
    for suffix in ["-wal", "-shm"] {
        // They go with a good end; then there is nothing to remove.
        drop(fs::remove_file(format!("{}{suffix}", path.display())));
    }
    fs::remove_file(format!("{}.good", path.display())).expect("a copy");
    let garbage = "this is no database, but it is long enough to be one ".repeat(99);
    fs::write(&path, &garbage).expect("is written");
    let refused = instance.run(&["up"]);
    let said = errors(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&*path.to_string_lossy()), "{said}");
    assert!(said.contains("not a database"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("is there"), garbage);
    instance.until_nothing_is_left();
}

/// Tears a document of each process; returns the database, which is not in use.
fn tear(path: &Path) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(path).expect("a database");
    let torn = database.execute("update process set document = ?1", [TORN]);
    assert_ne!(torn.expect("is changed"), 0);
    database
}

const TORN: &str = "{\"id\":1,\"name\":";

#[test]
fn d8_a_database_whose_documents_are_torn_gives_way_and_no_id_is_given_out_twice() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer", "--name", "Ada", "--no-start"]);
    instance.ok(&["down"]);
    // What is done now is in no copy when the instance is killed.
    instance.ok(&["create", "senior_developer", "--name", "Bob", "--no-start"]);
    let task = instance.json(&["task", "add", "SAY lost", "--process", "bob"]);
    assert_eq!(task["id"], "task_0001");
    let path = instance.state().join("headcount.db");
    instance.kill_instance();
    drop(tear(&path));
    instance.ok(&["up"]);
    let processes = instance.json(&["ps"]);
    let names: Vec<_> = processes.as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 1, "{processes:#}");
    assert_eq!(names[0]["id"], "proc_001", "{processes:#}");
    let alerts = instance.json(&["alerts"]);
    let told = alerts[0]["text"].as_str().expect("an alert");
    let aside = format!("{}.bad-1", path.display());
    assert!(told.contains("is torn") && told.contains(&aside), "{told}");
    let kept: String = rusqlite::Connection::open(&aside)
        .and_then(|kept| kept.query_row("select document from process", [], |row| row.get(0)))
        .expect("is kept");
    assert_eq!(kept, TORN);
    // Nothing that Bob, his task or his alerts were known by is another's.
    instance.ok(&["create", "senior_developer", "--name", "Cleo", "--no-start"]);
    let cleo = instance.json(&["inspect", "cleo"]);
    assert_eq!(
        (&cleo["id"], &cleo["employee"]),
        (&"proc_1002".into(), &"emp_1002".into()),
        "{cleo:#}"
    );
    let task = instance.json(&["task", "add", "SAY later", "--process", "cleo"]);
    assert_eq!(task["id"], "task_100001");
    // The gap is on disk: it comes once.
    instance.kill_instance();
    instance.ok(&["up"]);
    let task = instance.json(&["task", "add", "SAY more", "--process", "cleo"]);
    assert_eq!(task["id"], "task_100002");
    instance.close();
}

#[test]
fn d8_a_database_whose_documents_are_torn_is_named_and_left_alone_where_there_is_no_copy() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer", "--no-start"]);
    let path = instance.state().join("headcount.db");
    instance.ok(&["down"]);
    fs::remove_file(format!("{}.good", path.display())).expect("a copy");
    let database = tear(&path);
    let refused = instance.run(&["up"]);
    let said = errors(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&*path.to_string_lossy()), "{said}");
    assert!(said.contains("the document of a process is torn"), "{said}");
    let kept: String = database
        .query_row("select document from process", [], |row| row.get(0))
        .expect("is there");
    assert_eq!(kept, TORN);
    instance.until_nothing_is_left();
}
