//! How much room a file system has.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::statvfs::statvfs;

/// Room of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What a user may still write.
    pub free: u64,
    /// The whole of it.
    pub total: u64,
}

impl Room {
    /// Looks at the file system that a path is on.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn of(path: &Path) -> Result<Self, Errno> {
        let found = statvfs(path)?;
        let size = found.fragment_size();
        Ok(Self {
            free: found.blocks_available().saturating_mul(size),
            total: found.blocks().saturating_mul(size),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_less_room_than_there_is_disk() {
        let room = Room::of(Path::new("/")).unwrap();
        assert!(room.total > 0 && room.free <= room.total);
        Room::of(Path::new("/nowhere/at/all")).unwrap_err();
    }
}
