//! Tells systemd which process a service is, where a service started us.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Names the socket of whoever waits for a word.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Says that it is ready, and which process is the service if it is not the one that was started. Says
/// nothing where nobody waits.
///
/// # Errors
/// What the socket said.
pub fn ready(service: Option<u32>) -> io::Result<()> {
    let Some(path) = std::env::var_os(SOCKET).filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&path)?,
    };
    let socket = UnixDatagram::unbound()?;
    let words = service.map_or_else(
        || "READY=1".to_owned(),
        |pid| format!("MAINPID={pid}\nREADY=1"),
    );
    socket.send_to_addr(words.as_bytes(), &address)?;
    Ok(())
}
