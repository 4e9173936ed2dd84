//! What a run may touch, held by the kernel. Where the kernel has no Landlock, a test says so and passes.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use headcount::os::sandbox::{Readable, Walls, version};
use headcount::os::spec::{LaunchSpec, Stdio};

use crate::rig::{Mode, Rig, sh};

/// Two folders: one that is granted, one that is not and has a file.
struct Places {
    folder: tempfile::TempDir,
}

impl Places {
    /// `None` where the kernel holds nothing.
    #[expect(clippy::print_stdout, reason = "what is skipped is said")]
    fn new(needs: u32) -> Option<Self> {
        if version() < needs {
            println!(
                "skipped: the kernel's Landlock is {}, this needs {needs}",
                version()
            );
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["in", "out"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        fs::write(folder.path().join("out/secret"), "plum\n").expect("a file");
        Some(Self { folder })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn walls(&self) -> Walls {
        Walls {
            write: vec![self.path("in").into(), "/dev".into()],
            ..Walls::default()
        }
    }

    fn spec(&self, script: &str, walls: Walls) -> LaunchSpec {
        let script = script
            .replace("$IN", &self.path("in"))
            .replace("$OUT", &self.path("out"));
        let mut spec = sh(&script);
        spec.walls = Some(walls);
        spec
    }

    fn has(&self, name: &str) -> bool {
        Path::new(&self.path(name)).exists()
    }
}

async fn says(spec: LaunchSpec) -> String {
    let mut rig = Rig::start(Mode::Walk, spec).await;
    rig.finish().await;
    rig.text()
}

#[tokio::test]
async fn a_run_writes_where_it_may_and_nowhere_else() {
    let Some(places) = Places::new(3) else { return };
    let script = "\
        echo a > $IN/a && echo written
        echo b > $OUT/b || echo refused
        echo > $OUT/secret || echo refused
        rm -f $OUT/secret || echo refused
        mv $IN/a $OUT/a || echo refused
        ln -s /etc $OUT/link || echo refused
        mkdir $OUT/dir || echo refused
        cat $OUT/secret
        echo done > /dev/null && echo written";
    let text = says(places.spec(script, places.walls())).await;
    let refused = text.lines().filter(|line| *line == "refused").count();
    assert_eq!(refused, 6, "{text}");
    assert_eq!(text.lines().filter(|line| *line == "written").count(), 2);
    assert!(text.contains("plum"), "it reads what it likes: {text}");
    assert!(places.has("in/a") && places.has("out/secret") && !places.has("out/b"));
}

#[tokio::test]
async fn who_descends_from_it_is_held_as_well_in_a_session_of_its_own_too() {
    let Some(places) = Places::new(1) else { return };
    let script = "(setsid sh -c 'echo b > $OUT/b; echo a > $IN/a; echo over > $IN/over' &) ; \
                  until [ -e $IN/over ]; do sleep 0.01; done; echo over";
    assert_eq!(says(places.spec(script, places.walls())).await, "over\n");
    assert!(places.has("in/a") && !places.has("out/b"));
}

#[tokio::test]
async fn a_terminal_can_be_held_in_and_is_still_one() {
    let Some(places) = Places::new(1) else { return };
    let script = "stty size; tty > $IN/tty; echo b > $OUT/b || echo refused";
    let mut spec = places.spec(script, places.walls());
    spec.stdio = Stdio::Terminal {
        rows: 30,
        cols: 100,
    };
    let text = says(spec).await;
    assert!(
        text.contains("30 100") && text.contains("refused"),
        "{text}"
    );
    let tty = fs::read_to_string(places.path("in/tty")).expect("it was written");
    assert!(tty.starts_with("/dev/"), "{tty}");
}

#[tokio::test]
async fn a_strict_one_reads_no_secret() {
    let Some(places) = Places::new(1) else { return };
    let mut readable = Vec::new();
    for entry in fs::read_dir("/").expect("the root").flatten() {
        if entry.path() != Path::new("/tmp")
            && !places
                .path("in")
                .starts_with(&*entry.path().to_string_lossy())
        {
            readable.push(entry.path().into_os_string());
        }
    }
    let walls = Walls {
        read: Some(Readable(readable)),
        ..places.walls()
    };
    let script =
        "echo a > $IN/a; cat $IN/a; cat $OUT/secret || echo refused; ls $OUT || echo refused";
    let text = says(places.spec(script, walls)).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, ["a", "refused", "refused"], "{text}");
}

#[tokio::test]
async fn a_strict_one_connects_to_certain_ports_alone() {
    let Some(places) = Places::new(4) else { return };
    let [good, bad] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
    let walls = Walls {
        ports: Some(vec![port(&good)]),
        ..places.walls()
    };
    let script = format!(
        "for port in {} {}; do bash -c \"exec 3<>/dev/tcp/127.0.0.1/$port\" 2>/dev/null && echo connected || echo refused; done",
        port(&good),
        port(&bad)
    );
    assert_eq!(
        says(places.spec(&script, walls)).await,
        "connected\nrefused\n"
    );
}

#[tokio::test]
async fn what_is_not_there_is_no_obstacle() {
    let Some(places) = Places::new(1) else { return };
    let mut walls = places.walls();
    walls.write.push(places.path("never").into());
    assert_eq!(says(places.spec("echo fine", walls)).await, "fine\n");
}
