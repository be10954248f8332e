//! A clock that is wrong for one program: the services keep the right time, as they do in the world.
//!
//! The program asks its C library what time it is; a small library that is loaded before answers in its place. This works for
//! chartsync, and not for programs that ask the kernel themselves, as those written in Go do.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::process::{hermetic, run};

const SOURCE: &str = r"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += OFF_BY;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
";

/// For `LD_PRELOAD`.
pub(crate) struct Clock {
    preloaded: PathBuf,
    _dir: TempDir,
}

impl Clock {
    /// Ahead by so many seconds, or behind.
    pub(crate) fn off_by(seconds: i64) -> Self {
        let dir = TempDir::new().unwrap();
        let (source, preloaded) = (dir.path().join("clock.c"), dir.path().join("clock.so"));
        std::fs::write(&source, SOURCE).unwrap();
        // Whoever builds Rust has one.
        let mut compiler = hermetic("cc", dir.path());
        compiler.args(["-shared", "-fPIC", &format!("-DOFF_BY=({seconds})"), "-o"]).arg(&preloaded).arg(&source);
        run(&mut compiler).ok();
        Self { preloaded, _dir: dir }
    }

    /// What `LD_PRELOAD` must name.
    pub(crate) fn preloaded(&self) -> &Path {
        &self.preloaded
    }
}
