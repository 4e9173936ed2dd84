//! Starts the leader of a run: its own session, its own streams, nothing inherited.
//!
//! The shim forks by itself, as it has one thread: any code may run in the child, each step that
//! fails is told apart, and a terminal needs no second start of this program.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::pty::{Winsize, openpty};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, ForkResult, Pid, pipe2};

use crate::os::cgroup::Leaf;
use crate::os::sandbox::{self, Walls};
use crate::os::spec::{LaunchFailure, LaunchSpec, LaunchStage, Stderr, Stdio};

/// Asked of the kernel for the output pipe: fewer turns for a noisy child.
const PIPE_SIZE: i32 = 256 << 10;

/// A leader that runs, and our ends of its streams, none of which ever blocks.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) pid: u32,
    pub(super) input: OwnedFd,
    pub(super) out: OwnedFd,
    pub(super) err: Option<OwnedFd>,
    pub(super) is_terminal: bool,
}

type Step<T> = Result<T, (LaunchStage, Errno)>;

/// Launches; `marks` go into the environment in place of what the spec says there.
pub(super) fn launch(
    spec: &LaunchSpec,
    marks: &[(&str, String)],
    mask: Mode,
) -> Result<Leader, LaunchFailure> {
    try_launch(spec, marks, mask).map_err(|(stage, errno)| LaunchFailure {
        stage,
        errno: errno as i32,
    })
}

fn try_launch(spec: &LaunchSpec, marks: &[(&str, String)], mask: Mode) -> Step<Leader> {
    let image = Image::of(spec, marks, mask)?;
    let (ours, theirs) = streams(spec.stdio).map_err(at(LaunchStage::Streams))?;
    let (mut answer, report) = pipe2(OFlag::O_CLOEXEC)
        .map(|(read, write)| (File::from(read), File::from(write)))
        .map_err(at(LaunchStage::Streams))?;
    let pid = match fork().map_err(at(LaunchStage::Fork))? {
        None => image.become_leader(&theirs, report),
        Some(pid) => pid,
    };
    drop((theirs, report));
    // The pipe ends without a word when the program begins.
    let mut failure = [0; 5];
    match answer.read_exact(&mut failure) {
        Ok(()) => {
            // Ended or about to end; nothing else can be waiting for it.
            let _ = nix::sys::wait::waitpid(pid, None);
            let [stage, errno @ ..] = failure;
            let stage = LaunchStage::ALL.get(usize::from(stage)).copied();
            Err((
                stage.unwrap_or(LaunchStage::Program),
                Errno::from_raw(i32::from_be_bytes(errno)),
            ))
        }
        Err(_) => Ok(Leader {
            pid: pid.as_raw().unsigned_abs(),
            input: ours.input,
            out: ours.out,
            err: ours.err,
            is_terminal: theirs_is_terminal(spec.stdio),
        }),
    }
}

fn theirs_is_terminal(stdio: Stdio) -> bool {
    matches!(stdio, Stdio::Terminal { .. })
}

fn at(stage: LaunchStage) -> impl Fn(Errno) -> (LaunchStage, Errno) {
    move |errno| (stage, errno)
}

struct Ours {
    input: OwnedFd,
    out: OwnedFd,
    err: Option<OwnedFd>,
}

struct Theirs {
    input: OwnedFd,
    out: OwnedFd,
    err: OwnedFd,
    is_terminal: bool,
}

fn streams(stdio: Stdio) -> nix::Result<(Ours, Theirs)> {
    match stdio {
        Stdio::Pipes { stderr } => {
            let (input, our_input) = pipe2(OFlag::O_CLOEXEC)?;
            let (our_out, out) = pipe2(OFlag::O_CLOEXEC)?;
            // Refused where the user's pipes are large enough already; the usual size works too.
            let _ = fcntl(&our_out, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
            let (our_err, err) = match stderr {
                Stderr::Merged => (None, unistd::dup(&out)?),
                Stderr::Separate => {
                    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
                    (Some(read), write)
                }
            };
            for fd in [Some(&our_input), Some(&our_out), our_err.as_ref()]
                .into_iter()
                .flatten()
            {
                never_block(fd)?;
            }
            let ours = Ours {
                input: our_input,
                out: our_out,
                err: our_err,
            };
            Ok((
                ours,
                Theirs {
                    input,
                    out,
                    err,
                    is_terminal: false,
                },
            ))
        }
        Stdio::Terminal { rows, cols } => {
            let size = Winsize {
                ws_row: rows,
                ws_col: cols,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            let pty = openpty(&size, None)?;
            for fd in [&pty.master, &pty.slave] {
                fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
            }
            never_block(&pty.master)?;
            let input = duplicate(&pty.master)?;
            let ours = Ours {
                input,
                out: pty.master,
                err: None,
            };
            let (out, err) = (duplicate(&pty.slave)?, duplicate(&pty.slave)?);
            Ok((
                ours,
                Theirs {
                    input: pty.slave,
                    out,
                    err,
                    is_terminal: true,
                },
            ))
        }
    }
}

fn duplicate(fd: &OwnedFd) -> nix::Result<OwnedFd> {
    fd.try_clone()
        .map_err(|error| error.raw_os_error().map_or(Errno::EMFILE, Errno::from_raw))
}

fn never_block(fd: &impl AsFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

/// Gives the terminal behind `master` a new size; its foreground processes are told.
#[expect(unsafe_code, reason = "nix has no call to size a terminal")]
pub(super) fn resize(master: &OwnedFd, rows: u16, cols: u16) -> nix::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the call reads one `winsize`, which lives until it returns.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    Errno::result(result).map(drop)
}

/// Returns the child's number in the shim, and nothing in the child.
#[expect(unsafe_code, reason = "this is where the shim forks")]
fn fork() -> nix::Result<Option<Pid>> {
    // SAFETY: the shim has a single thread, so no lock is held by another at this moment, and
    // the child may run any code.
    match unsafe { unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// What the child becomes, made ready before the fork.
struct Image {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    working_directory: CString,
    cgroup: Option<CString>,
    open_files: Option<u64>,
    walls: Option<Walls>,
    mask: Mode,
    shim: Pid,
}

impl Image {
    fn of(spec: &LaunchSpec, marks: &[(&str, String)], mask: Mode) -> Step<Self> {
        let refuse = |errno| at(LaunchStage::Arguments)(errno);
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| refuse(Errno::EINVAL));
        let absolute = |path: &Path, stage| match path.is_absolute() {
            true => text(path.as_os_str()),
            false => Err((stage, Errno::ENOENT)),
        };
        let variable = |name: &OsStr, value: &OsStr| {
            let mut entry = OsString::from(name);
            entry.push("=");
            entry.push(value);
            CString::new(entry.into_vec()).map_err(|_| refuse(Errno::EINVAL))
        };
        let is_mark = |name: &OsStr| marks.iter().any(|(mark, _)| name == *mark);
        let program = absolute(&spec.program, LaunchStage::Program)?;
        let mut arguments = vec![program.clone()];
        for argument in &spec.arguments {
            arguments.push(text(argument)?);
        }
        let mut environment = Vec::new();
        for (name, value) in spec.environment.iter().filter(|(name, _)| !is_mark(name)) {
            environment.push(variable(name, value)?);
        }
        for (name, value) in marks {
            environment.push(variable(name.as_ref(), value.as_ref())?);
        }
        let cgroup = spec
            .cgroup
            .as_ref()
            .map(|path| Leaf::at(path).door())
            .transpose();
        Ok(Self {
            program,
            arguments,
            environment,
            working_directory: absolute(&spec.working_directory, LaunchStage::WorkingDirectory)?,
            cgroup: cgroup.map_err(|_| refuse(Errno::EINVAL))?,
            open_files: spec.open_files,
            walls: spec.walls.clone(),
            mask,
            shim: Pid::this(),
        })
    }

    /// Runs in the child, and says in `report` what failed, if it comes to that.
    #[expect(unsafe_code, reason = "a forked child must not return into the shim")]
    fn become_leader(&self, theirs: &Theirs, mut report: File) -> ! {
        let (stage, errno) = match self.try_become_leader(theirs) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        let index = LaunchStage::ALL
            .iter()
            .position(|other| *other == stage)
            .unwrap_or_default();
        let mut message = vec![u8::try_from(index).unwrap_or_default()];
        message.extend((errno as i32).to_be_bytes());
        // If this fails too, the exit code is all there is.
        let _ = report.write_all(&message);
        // SAFETY: ends this process at once and runs nothing that belongs to the shim.
        unsafe { libc::_exit(127) }
    }

    fn try_become_leader(&self, theirs: &Theirs) -> Step<std::convert::Infallible> {
        let session = at(LaunchStage::Session);
        unistd::setsid().map_err(&session)?;
        if theirs.is_terminal {
            take_terminal(&theirs.input).map_err(&session)?;
        }
        unistd::dup2_stdin(&theirs.input).map_err(&session)?;
        unistd::dup2_stdout(&theirs.out).map_err(&session)?;
        unistd::dup2_stderr(&theirs.err).map_err(&session)?;
        reset_signals();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(&session)?;
        umask(self.mask);
        if let Some(door) = &self.cgroup {
            enter(door).map_err(at(LaunchStage::Cgroup))?;
        }
        if let Some(soft) = self.open_files {
            let limits = at(LaunchStage::Limits);
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(&limits)?;
            setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard).map_err(&limits)?;
        }
        unistd::chdir(self.working_directory.as_c_str())
            .map_err(at(LaunchStage::WorkingDirectory))?;
        if let Some(walls) = &self.walls {
            sandbox::enter(walls).map_err(at(LaunchStage::Sandbox))?;
        }
        // If the shim was killed meanwhile, nobody would record or reap this run.
        if unistd::getppid() != self.shim {
            return Err((LaunchStage::Program, Errno::ECANCELED));
        }
        unistd::execve(&self.program, &self.arguments, &self.environment)
            .map_err(at(LaunchStage::Program))
    }
}

/// Joins the control group whose list of members is `door`.
fn enter(door: &CStr) -> nix::Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::open(door, flags, Mode::empty())?;
    unistd::write(&file, b"0").map(drop)
}

#[expect(unsafe_code, reason = "nix has no call to take a terminal")]
fn take_terminal(slave: &OwnedFd) -> nix::Result<()> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    Errno::result(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
}

/// Gives each signal its default again: what the shim ignores would stay ignored.
#[expect(unsafe_code, reason = "nix does not know the real-time signals")]
fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: installs no handler. The kernel refuses for two signals that cannot be changed.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
