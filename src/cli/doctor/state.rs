//! The state folder: writable, on a file system that keeps its promises, with room left.

use std::path::Path;

use nix::sys::statfs::statfs;
use nix::unistd::{AccessFlags, access};

use crate::app::fitness;
use crate::cli::doctor::agent;
use crate::cli::doctor::check::Check;
use crate::cli::format::bytes;

const NAME: &str = "state folder";

/// File systems whose locks and sockets are shared by machines, by magic number.
const NETWORK: [(i64, &str); 10] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x5346_414F, "AFS"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
];

/// File systems that the kernel makes up, where no file can be made, by magic number.
const MADE_UP: [(i64, &str); 6] = [
    (0x9FA0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x6367_7270, "cgroup"),
    (0x0027_E0EB, "cgroup"),
    (0x1CD1, "devpts"),
    (0x6462_6720, "debugfs"),
];

/// Looks at the folder, or at the nearest parent that exists.
pub(super) fn check(folder: &Path) -> Vec<Check> {
    let there = folder
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return vec![Check::fail(
            NAME,
            format!(
                "{} cannot be made: {} is not a folder",
                folder.display(),
                there.display()
            ),
            "choose another folder with --state",
        )];
    }
    match statfs(there) {
        Ok(stat) => {
            #[expect(
                clippy::useless_conversion,
                reason = "the width of the type differs between platforms"
            )]
            let kind = i64::from(stat.filesystem_type().0) & 0xFFFF_FFFF;
            if let Some(check) = made_up(folder, kind) {
                return vec![check];
            }
            let block = u64::try_from(stat.block_size()).unwrap_or(0);
            let free = stat.blocks_available().saturating_mul(block);
            vec![
                writable(folder, there),
                file_system(kind),
                room(there, free),
            ]
        }
        Err(error) => vec![
            writable(folder, there),
            Check::warn(
                "file system",
                format!("{} cannot be looked at: {error}", there.display()),
                "choose another folder with --state",
            ),
        ],
    }
}

fn made_up(folder: &Path, kind: i64) -> Option<Check> {
    let (_, name) = MADE_UP.iter().find(|(magic, _)| *magic == kind)?;
    let text = format!("{} is on {name}, which keeps no files", folder.display());
    Some(Check::fail(
        NAME,
        text,
        "choose another folder with --state",
    ))
}

fn writable(folder: &Path, there: &Path) -> Check {
    match access(there, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) if folder == there => Check::ok(NAME, folder.display().to_string()),
        Ok(()) => Check::ok(NAME, format!("{}, not made yet", folder.display())),
        Err(error) => Check::fail(
            NAME,
            format!("{} is not writable: {error}", there.display()),
            "mend its permissions, or choose another folder with --state",
        ),
    }
}

fn file_system(kind: i64) -> Check {
    match NETWORK.iter().find(|(magic, _)| *magic == kind) {
        Some((_, name)) => Check::warn(
            "file system",
            format!("the state folder is on {name}, where locks and sockets are not dependable"),
            "choose a folder on a local disk with --state",
        ),
        None => Check::ok("file system", "local"),
    }
}

/// The room that is left; what is to be said of it is what a start says.
fn room(folder: &Path, free: u64) -> Check {
    fitness::room(folder).map_or_else(
        || Check::ok("disk", format!("{} free", bytes(free))),
        |finding| agent::of_all(&finding),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Verdict;

    #[test]
    fn a_network_file_system_is_told() {
        assert_eq!(file_system(0x6969).verdict, Verdict::Warn);
        assert_eq!(file_system(0xEF53).verdict, Verdict::Ok);
    }

    #[test]
    fn a_folder_that_is_not_made_yet_is_judged_by_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let checks = check(&folder.path().join("a/b"));
        assert_eq!(checks[0].verdict, Verdict::Ok);
        assert!(checks[0].detail.ends_with("not made yet"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, words) in [
            (file.join("state"), "is not a folder"),
            ("/proc/state".into(), "is on proc"),
        ] {
            let checks = check(&path);
            assert_eq!(checks[0].verdict, Verdict::Fail, "{}", path.display());
            assert!(checks[0].detail.contains(words), "{}", checks[0].detail);
        }
    }
}
