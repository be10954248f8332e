//! Asking a service that may be in trouble: a few times, each for a while, and no more once nobody got an answer.
//!
//! Owns what is tried again, when a run gives a service up, and that its requests are seen: those who make them tell nobody.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::signature::error::{Service, SignatureError};
use crate::tally::{self, Answer, Exchange};

/// How long one answer may take. A log of the second kind answers when its next checkpoint is out.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// How often a service is asked that does not answer, or says that it is broken.
const TRIES: u32 = 3;
/// How often a service is asked that says to come back later.
const THROTTLED_TRIES: u32 = 4;
/// The pause after the first try; each next one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a service gave no answer that can be used.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may answer later.
    Passing(String),
    /// It asks for a pause.
    Throttled(String),
    /// It will say the same again.
    Lasting(String),
}

impl Failure {
    pub(super) fn of_status(status: u16, message: &str) -> Self {
        let detail = format!("HTTP {status}: {}", message.trim_end_matches([':', ' ']));
        match status {
            429 => Self::Throttled(detail),
            500.. => Self::Passing(detail),
            _ => Self::Lasting(detail),
        }
    }
}

/// One service, and how it went with it in this run.
#[derive(Debug)]
pub(super) struct Line {
    service: Service,
    patience: Duration,
    pause: Duration,
    answers: AtomicU64,
    /// What was said when it was given up: whoever asks after that need not wait as long for the same.
    given_up: OnceLock<String>,
    /// Method and URL of its requests; none where they are not of the web.
    request: Option<(&'static str, String)>,
}

impl Line {
    pub(super) fn to(service: Service, patience: Duration) -> Self {
        let (answers, given_up) = (AtomicU64::new(0), OnceLock::new());
        Self { service, patience, pause: PAUSE.min(patience), answers, given_up, request: None }
    }

    /// The same line, whose requests are of this method and go to this path below an address.
    pub(super) fn with(self, method: &'static str, address: &str, path: &str) -> Self {
        Self { request: Some((method, format!("{}{path}", address.trim_end_matches('/')))), ..self }
    }

    /// Asks until there is an answer, at most a few times. When all tries of one asker were in vain and nobody else had an
    /// answer meanwhile, the service is given up for the rest of the run. `bytes` are how many it is told each time.
    pub(super) async fn ask<T>(
        &self,
        bytes: usize,
        ask: impl AsyncFn() -> Result<T, Failure>,
    ) -> Result<T, SignatureError> {
        let before = self.answers.load(Ordering::SeqCst);
        let mut tries = 0;
        loop {
            if let Some(detail) = self.given_up.get() {
                return Err(self.unreachable(format!("{detail}, and it is not asked again in this run")));
            }
            tries += 1;
            let (begun, request) = (Instant::now(), self.request.as_ref());
            if request.is_some() {
                tally::sent(bytes);
            }
            let answer = tokio::time::timeout(self.patience, ask()).await;
            if let Some((method, url)) = request {
                let (url, time) = (url.clone(), begun.elapsed());
                tally::exchanged(|| Exchange { method, url, answer: told(&answer), time });
            }
            let (detail, most) = match answer {
                Ok(Ok(answer)) => {
                    self.answers.fetch_add(1, Ordering::SeqCst);
                    return Ok(answer);
                }
                Ok(Err(Failure::Lasting(detail))) => {
                    self.answers.fetch_add(1, Ordering::SeqCst);
                    return Err(SignatureError::Refused { service: self.service, detail: bounded(&detail) });
                }
                Ok(Err(Failure::Passing(detail))) => (detail, TRIES),
                Ok(Err(Failure::Throttled(detail))) => (detail, THROTTLED_TRIES),
                Err(_) => (format!("no answer within {} s", self.patience.as_secs_f32()), TRIES),
            };
            if tries >= most {
                let detail = format!("{} ({tries} tries)", bounded(&detail));
                if self.answers.load(Ordering::SeqCst) == before {
                    let _ = self.given_up.set(detail.clone());
                }
                return Err(self.unreachable(detail));
            }
            let pause = self.pause * (1 << (tries - 1));
            tokio::time::sleep(pause.mul_f32(1.0 + fastrand::f32())).await;
        }
    }

    fn unreachable(&self, detail: String) -> SignatureError {
        SignatureError::Unreachable { service: self.service, detail }
    }
}

/// What came of a try.
fn told<T, E>(answer: &Result<Result<T, Failure>, E>) -> Answer {
    let failure = match answer {
        Ok(Ok(_)) => return Answer::Good,
        Ok(Err(failure)) => failure,
        Err(_) => return Answer::None("it took too long".to_owned()),
    };
    let (Failure::Passing(detail) | Failure::Throttled(detail) | Failure::Lasting(detail)) = failure;
    let status = detail.strip_prefix("HTTP ").and_then(|rest| rest.split(':').next()?.parse().ok());
    status.map_or_else(|| Answer::None(bounded(detail)), Answer::Status)
}

/// What a service says is anybody's.
fn bounded(detail: &str) -> String {
    detail.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    fn line() -> Line {
        Line::to(Service::Log, SHORT)
    }

    /// What is said about a service that does this at every try, and how often it was asked.
    async fn asked(line: &Line, answer: impl AsyncFn(u32) -> Result<(), Failure>) -> (String, u32) {
        let tries = Cell::new(0);
        let asked = line.ask(0, async || {
            tries.set(tries.get() + 1);
            answer(tries.get()).await
        });
        let said = asked.await.map_or_else(|error| error.to_string(), |()| "good".to_owned());
        (said, tries.get())
    }

    #[tokio::test]
    async fn passing_trouble_is_waited_for_and_lasting_trouble_is_told_at_once() {
        let check = async |answer: &dyn Fn(u32) -> Result<(), Failure>, expect: &str, tries: u32| {
            let (said, asked) = asked(&line(), async |tries| answer(tries)).await;
            assert!(said.contains(expect), "{said}");
            assert_eq!(asked, tries, "{said}");
        };
        let status = |status: u16| move |_| Err(Failure::of_status(status, "it said"));
        let until = |good: u32, status: u16| {
            move |tries| if tries < good { Err(Failure::of_status(status, "")) } else { Ok(()) }
        };
        check(&|_| Ok(()), "good", 1).await;
        check(&until(3, 500), "good", 3).await;
        check(&until(4, 429), "good", 4).await;
        check(&status(500), "the transparency log (Rekor) could not be reached: HTTP 500: it said (3 tries)", 3).await;
        check(&status(503), "HTTP 503: it said (3 tries)", 3).await;
        check(&status(429), "could not be reached: HTTP 429: it said (4 tries)", 4).await;
        check(&status(400), "the transparency log (Rekor) refused: HTTP 400: it said", 1).await;
        let endless = |_| Err(Failure::Lasting("x".repeat(1 << 20)));
        let (said, _) = asked(&line(), async |tries| endless(tries)).await;
        assert!(said.len() < 400, "{} bytes", said.len());
    }

    #[tokio::test]
    async fn a_service_that_stalls_is_left_after_a_while_and_holds_nobody_else() {
        let line = line();
        let never = async |_| std::future::pending::<Result<(), Failure>>().await;
        let (said, tries) = asked(&line, never).await;
        assert!(said.contains("could not be reached: no answer within 0.005 s (3 tries)"), "{said}");
        assert_eq!(tries, 3);
        let (said, tries) = asked(&line, never).await;
        assert!(said.contains("(3 tries), and it is not asked again in this run"), "{said}");
        assert_eq!(tries, 0);
    }

    /// Who has bad luck does not end the run for those who get through.
    #[tokio::test]
    async fn a_service_that_answers_others_is_not_given_up() {
        let line = line();
        let (said, _) = asked(&line, async |_| {
            line.ask(0, async || Ok(())).await.unwrap();
            Err(Failure::Passing("bad luck".to_owned()))
        })
        .await;
        assert!(said.contains("bad luck (3 tries)"), "{said}");
        assert_eq!(asked(&line, async |_| Ok(())).await, ("good".to_owned(), 1));
    }
}
