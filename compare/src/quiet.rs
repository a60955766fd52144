//! Keeps the chatter of the peers' C code (LC, TTHRESH) out of what is printed here.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Points standard output at nothing and returns what it was.
///
/// # Errors
/// Where the file descriptor cannot be duplicated.
pub fn take_stdout() -> io::Result<File> {
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let nothing = File::options().write(true).open("/dev/null")?;
    // SAFETY: both descriptors are open; 1 stays open, on /dev/null.
    if unsafe { libc::dup2(nothing.as_raw_fd(), io::stdout().as_raw_fd()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(stdout)
}
