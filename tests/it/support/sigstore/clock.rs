//! A clock that is wrong for one program, or runs fast: the services keep the right time, as they do in the world.
//!
//! The program asks its C library what time it is; a small library that is loaded before answers in its place. This works for
//! chartsync, and not for programs that ask the kernel themselves, as those written in Go do.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::process::{hermetic, run};

const SOURCE: &str = r"
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
/* Since when a second is as long as a hundredth of one, and by how much earlier hurries were ahead at their end: nanoseconds. */
static long long hurrying, ahead;

static long long hurried(long long now) {
    pthread_mutex_lock(&turn);
    int wanted = access(HURRY, F_OK) == 0;
    if (wanted && !hurrying) hurrying = now;
    long long more = hurrying && now > hurrying ? (now - hurrying) * 99 : 0;
    if (!wanted && hurrying) {
        ahead += more;
        hurrying = more = 0;
    }
    now += ahead + more;
    pthread_mutex_unlock(&turn);
    return now;
}

/* What the file says, in seconds: the clock on the wall jumps by it. */
static long long leapt(void) {
    char text[24] = {0};
    int file = open(LEAP, O_RDONLY);
    if (file < 0) return 0;
    long long seconds = read(file, text, sizeof text - 1) > 0 ? atoll(text) : 0;
    close(file);
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += OFF_BY + leapt();
    if (!failed && clock == CLOCK_MONOTONIC) {
        long long fast = hurried(now->tv_sec * 1000000000LL + now->tv_nsec);
        now->tv_sec = fast / 1000000000;
        now->tv_nsec = fast % 1000000000;
    }
    return failed;
}

/* Whoever waits for something or for a time does so in short turns, and looks at the clock between them. */
int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        int turn = timeout < 0 || timeout > 5 ? 5 : timeout;
        int found = syscall(SYS_epoll_pwait, epoll, events, most, turn, 0, 8);
        if (found) return found;
        clock_gettime(CLOCK_MONOTONIC, &now);
        long long waited = (now.tv_sec - start.tv_sec) * 1000LL + (now.tv_nsec - start.tv_nsec) / 1000000;
        if (timeout >= 0 && waited >= timeout) return 0;
    }
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

/// The file that makes a clock run fast, while it is there.
const HURRY: &str = "hurry";
/// The file that makes the clock on the wall jump by the seconds that it holds.
const LEAP: &str = "leap";

/// For `LD_PRELOAD`.
pub(crate) struct Clock {
    preloaded: PathBuf,
    dir: TempDir,
}

impl Clock {
    /// Ahead by so many seconds, or behind.
    pub(crate) fn off_by(seconds: i64) -> Self {
        let dir = TempDir::new().unwrap();
        let (source, preloaded) = (dir.path().join("clock.c"), dir.path().join("clock.so"));
        std::fs::write(&source, SOURCE).unwrap();
        // Whoever builds Rust has one.
        let mut compiler = hermetic("cc", dir.path());
        compiler.args(["-shared", "-fPIC", &format!("-DOFF_BY=({seconds})")]);
        compiler.arg(format!("-DHURRY=\"{}\"", dir.path().join(HURRY).display()));
        compiler.arg(format!("-DLEAP=\"{}\"", dir.path().join(LEAP).display()));
        compiler.arg("-o").arg(&preloaded).arg(&source);
        run(&mut compiler).ok();
        Self { preloaded, dir }
    }

    /// From now on a hundred seconds pass for the program in one.
    pub(crate) fn hurry(&self) {
        std::fs::write(self.dir.path().join(HURRY), "").unwrap();
    }

    /// From now on a second is a second again.
    pub(crate) fn calm(&self) {
        std::fs::remove_file(self.dir.path().join(HURRY)).unwrap();
    }

    /// From now on the time of day is another by so many seconds; what passes is not.
    pub(crate) fn leap(&self, seconds: i64) {
        let made = self.dir.path().join("next");
        std::fs::write(&made, seconds.to_string()).unwrap();
        std::fs::rename(made, self.dir.path().join(LEAP)).unwrap();
    }

    /// What `LD_PRELOAD` must name.
    pub(crate) fn preloaded(&self) -> &Path {
        &self.preloaded
    }
}
