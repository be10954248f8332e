//! Kills a program at one of the changes that it makes to files, in the middle of it or at its end.
//!
//! The program asks its C library to change files; a small library that is loaded before counts, does its part, and ends the
//! program there and then. What goes past the C library, as some renaming does, comes after the end of the change before it.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::process::{hermetic, run};

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NO, MIDDLE, END };

/* Counts a change: what is to become of it. */
static int counted(void) {
    static _Atomic long count;
    const char *at = getenv("SCYTHE_AT");
    if (!at || atomic_fetch_add(&count, 1) + 1 != atol(at)) return NO;
    return getenv("SCYTHE_MIDDLE") ? MIDDLE : END;
}

static long end(int how, long result) {
    if (how != NO) for (;;) kill(getpid(), SIGKILL);
    return result;
}

static int is_file(int file) {
    struct stat about;
    return fstat(file, &about) == 0 && S_ISREG(about.st_mode);
}

ssize_t write(int file, const void *bytes, size_t count) {
    int how = is_file(file) ? counted() : NO;
    return end(how, syscall(SYS_write, file, bytes, how == MIDDLE ? count / 2 : count));
}

#define CHANGE(call) int how = counted(); if (how == MIDDLE) end(how, 0); return end(how, call)

int fsync(int file) { CHANGE(syscall(SYS_fsync, file)); }
int unlink(const char *path) { CHANGE(syscall(SYS_unlinkat, AT_FDCWD, path, 0)); }
int mkdir(const char *path, mode_t mode) { CHANGE(syscall(SYS_mkdirat, AT_FDCWD, path, mode)); }
int rename(const char *from, const char *to) { CHANGE(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0)); }
int fchmod(int file, mode_t mode) { CHANGE(syscall(SYS_fchmod, file, mode)); }

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    if (!(flags & O_CREAT)) return syscall(SYS_openat, AT_FDCWD, path, flags, 0);
    CHANGE(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
"#;

/// Where a program is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    /// At which of its changes of files, from 1.
    pub(crate) number: usize,
    pub(crate) moment: Moment,
}

/// How much of the change is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Half of what is to be written, or nothing of what cannot be halved.
    Middle,
    /// All of it.
    End,
}

/// For `LD_PRELOAD`.
pub(crate) struct Scythe {
    preloaded: PathBuf,
    _dir: TempDir,
}

impl Scythe {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (source, preloaded) = (dir.path().join("scythe.c"), dir.path().join("scythe.so"));
        std::fs::write(&source, SOURCE).unwrap();
        // Whoever builds Rust has one.
        let mut compiler = hermetic("cc", dir.path());
        run(compiler.args(["-shared", "-fPIC", "-o"]).arg(&preloaded).arg(&source)).ok();
        Self { preloaded, _dir: dir }
    }

    /// The command will be killed there, if it comes there.
    pub(crate) fn raised<'a>(&self, command: &'a mut Command, change: Change) -> &'a mut Command {
        command.env("LD_PRELOAD", &self.preloaded).env("SCYTHE_AT", change.number.to_string());
        if change.moment == Moment::Middle {
            command.env("SCYTHE_MIDDLE", "1");
        }
        command
    }
}
