//! When to try again, and how a host is paced.
//!
//! Owns which failures pass, how long to wait, and the pause of a host that asked for one: that slows every task that talks
//! to it, not only the one that was told. Sends nothing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Failure, Fault, HttpError, Limits};

/// What to do about a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing will change.
    GiveUp,
    /// Wait, then try again.
    Wait {
        /// How long.
        delay: Duration,
        /// Whether every request to the host waits.
        host: bool,
    },
}

/// What to do after the `attempt`-th attempt (from 1) failed, with so much of the operation's time left.
pub(crate) fn next(error: &HttpError, attempt: u32, left: Duration, limits: &Limits) -> Next {
    if !passing(error) || attempt >= limits.attempts {
        return Next::GiveUp;
    }
    let (asked, host) = match error {
        HttpError::Status(failure) => (failure.retry_after, slows(error)),
        _ => (None, false),
    };
    let delay = match asked {
        Some(asked) if asked > limits.longest_retry_after => return Next::GiveUp,
        // So that those who were told the same time do not come back together.
        Some(asked) => asked + jitter(asked / 8),
        None => {
            let doubled = limits.backoff.saturating_mul(1 << (attempt - 1).min(16));
            jitter(doubled.min(limits.longest_backoff))
        }
    };
    if delay >= left { Next::GiveUp } else { Next::Wait { delay, host } }
}

/// Whether another attempt may fare better.
pub(crate) fn passing(error: &HttpError) -> bool {
    match error {
        HttpError::Transport { fault, .. } => *fault != Fault::Lasting,
        HttpError::Status(failure) => {
            throttles(failure) || matches!(failure.status, 408 | 500 | 502 | 504) || lost_upload(failure)
        }
        HttpError::Refused(_) | HttpError::Protocol(_) | HttpError::Down(_) => false,
    }
}

/// Whether this tells of the whole server, not of one request to it.
pub(crate) fn condemns(error: &HttpError) -> bool {
    match error {
        HttpError::Transport { fault, .. } => *fault == Fault::Unreachable,
        HttpError::Status(_) => slows(error),
        HttpError::Down(_) => true,
        HttpError::Refused(_) | HttpError::Protocol(_) => false,
    }
}

/// Whether the server itself says that there are too many requests.
pub(crate) fn slows(error: &HttpError) -> bool {
    matches!(error, HttpError::Status(failure) if throttles(failure) && failure.elsewhere.is_none())
}

/// Whether this server itself has more on its hands than it can do: a token server is another one.
pub(crate) fn crowds(error: &HttpError) -> bool {
    slows(error) && matches!(error, HttpError::Status(failure) if failure.token_server.is_none())
}

/// Whether the answer says that there are too many requests. GitHub says it with 403 and a time to wait.
pub(crate) fn throttles(failure: &Failure) -> bool {
    matches!(failure.status, 429 | 503) || (failure.status == 403 && failure.retry_after.is_some())
}

/// Whether the registry lost the place to upload to: another one may hold.
fn lost_upload(failure: &Failure) -> bool {
    failure.codes.iter().any(|code| code == "BLOB_UPLOAD_UNKNOWN" || code == "BLOB_UPLOAD_INVALID")
}

/// A random time up to `limit`.
fn jitter(limit: Duration) -> Duration {
    limit.mul_f64(fastrand::f64())
}

/// `Retry-After`, in seconds or as a date.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// How one host is doing.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<State>);

#[derive(Debug)]
struct State {
    paused_until: Instant,
    down: Option<(Instant, HttpError)>,
    answers: u64,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { paused_until: Instant::now(), down: None, answers: 0 }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the host is paused.
    pub(crate) async fn ready(&self) {
        while let Some(until) = self.paused_until() {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Until when the host is paused, if it is.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        Some(self.state().paused_until).filter(|until| *until > Instant::now())
    }

    /// Lets every request to the host wait so long.
    pub(crate) fn pause(&self, delay: Duration) {
        let mut state = self.state();
        state.paused_until = state.paused_until.max(Instant::now() + delay);
    }

    /// How many answers the host has given: a mark for [`Pace::failed`].
    pub(crate) fn answers(&self) -> u64 {
        self.state().answers
    }

    /// The host answered.
    pub(crate) fn answered(&self) {
        let mut state = self.state();
        state.answers += 1;
        state.down = None;
    }

    /// An operation that began at this mark has failed for good: unless the host answered others since, it is down.
    pub(crate) fn failed(&self, mark: u64, error: &HttpError, limits: &Limits) {
        let mut state = self.state();
        if state.answers == mark && !matches!(error, HttpError::Down(_)) {
            state.down = Some((Instant::now() + limits.down, error.clone()));
        }
    }

    /// Fails while the host is down, so that a thousand charts do not each wait for it.
    pub(crate) fn up(&self) -> Result<(), HttpError> {
        let mut state = self.state();
        match &state.down {
            Some((until, error)) if *until > Instant::now() => Err(HttpError::Down(Box::new(error.clone()))),
            _ => {
                state.down = None;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<u64>) -> HttpError {
        let retry_after = retry_after.map(Duration::from_secs);
        HttpError::Status(Box::new(Failure {
            status,
            retry_after,
            codes: Vec::new(),
            message: String::new(),
            token_server: None,
            elsewhere: None,
        }))
    }

    #[test]
    fn failures_pass_or_stay() {
        let limits = Limits::default();
        let left = Duration::from_secs(100);
        for (error, waits) in [
            (status(429, None), Some(true)),
            (status(429, Some(2)), Some(true)),
            (status(429, Some(61)), None),
            (status(503, Some(2)), Some(true)),
            (status(500, None), Some(false)),
            (status(502, None), Some(false)),
            (status(403, None), None),
            (status(403, Some(1)), Some(true)),
            (status(404, Some(1)), None),
            (status(401, None), None),
            (status(501, None), None),
            (HttpError::Transport { detail: String::new(), fault: Fault::Broken }, Some(false)),
            (HttpError::Transport { detail: String::new(), fault: Fault::Lasting }, None),
            (HttpError::Refused(String::new()), None),
            (HttpError::Down(Box::new(status(500, None))), None),
        ] {
            let found = match next(&error, 1, left, &limits) {
                Next::GiveUp => None,
                Next::Wait { host, .. } => Some(host),
            };
            assert_eq!(found, waits, "{error:?}");
        }
        assert_eq!(next(&status(500, None), limits.attempts, left, &limits), Next::GiveUp, "attempts end");
        assert_eq!(next(&status(429, Some(5)), 1, Duration::from_secs(4), &limits), Next::GiveUp, "time ends");
    }

    #[test]
    fn a_server_is_crowded_by_its_own_word() {
        for (number, token_server, expected) in
            [(429, None, true), (503, None, true), (429, Some("https://tokens.example"), false), (404, None, false)]
        {
            let HttpError::Status(mut failure) = status(number, None) else { unreachable!() };
            failure.token_server = token_server.map(str::to_owned);
            assert_eq!(crowds(&HttpError::Status(failure)), expected, "{number} {token_server:?}");
        }
    }

    #[test]
    fn waits_are_as_asked_or_random_within_bounds() {
        let limits = Limits::default();
        for attempt in 1..5 {
            for _ in 0..100 {
                let Next::Wait { delay, .. } = next(&status(429, Some(8)), attempt, Duration::MAX, &limits) else {
                    panic!()
                };
                assert!((Duration::from_secs(8)..=Duration::from_secs(9)).contains(&delay), "{delay:?}");
                let Next::Wait { delay, .. } = next(&status(500, None), attempt, Duration::MAX, &limits) else {
                    panic!()
                };
                assert!(delay <= limits.backoff * (1 << (attempt - 1)), "{delay:?}");
            }
        }
    }

    #[test]
    fn retry_after_has_two_forms() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_host_that_answers_is_not_down() {
        let (pace, limits, error) = (Pace::new(), Limits::default(), status(500, None));
        let mark = pace.answers();
        pace.answered();
        pace.failed(mark, &error, &limits);
        assert_eq!(pace.up(), Ok(()), "others were answered meanwhile");
        pace.failed(pace.answers(), &error, &limits);
        assert!(matches!(pace.up(), Err(HttpError::Down(_))));
        pace.answered();
        assert_eq!(pace.up(), Ok(()));
        pace.failed(pace.answers(), &error, &Limits { down: Duration::ZERO, ..limits });
        assert_eq!(pace.up(), Ok(()), "only for a while");
    }
}
