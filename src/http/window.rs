//! How many requests a server gets at once: as many as settings say, half as many each time it says that these are too many,
//! and then one more for each windowful that it answers.
//!
//! Owns that number. Knows no request and no time: how long a server is left alone is `retry`'s.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

/// The places for requests to one server.
#[derive(Debug)]
pub(crate) struct Window {
    most: usize,
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many places there are, those in use included.
    size: usize,
    /// How many of the places in use are to vanish when they are given back.
    owed: usize,
    /// Answers since the size last changed.
    answers: usize,
    /// How often it shrank: what was under way then tells nothing about the smaller window.
    cuts: u64,
}

impl Window {
    pub(crate) fn new(most: usize) -> Self {
        let state = State { size: most, owed: 0, answers: 0, cuts: 0 };
        Self { most, places: Semaphore::new(most), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place: those who came first get one first.
    pub(crate) async fn place(&self) -> Result<Place<'_>, AcquireError> {
        let permit = self.places.acquire().await?;
        Ok(Place { window: self, permit: Some(permit), cuts: self.state().cuts })
    }
}

/// A place in a [`Window`], given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    window: &'a Window,
    permit: Option<SemaphorePermit<'a>>,
    cuts: u64,
}

impl Place<'_> {
    /// The server answered what had this place.
    pub(crate) fn answered(&self) {
        let mut state = self.window.state();
        if state.size == self.window.most {
            return;
        }
        state.answers += 1;
        if state.answers < state.size {
            return;
        }
        state.answers = 0;
        state.size += 1;
        if state.owed > 0 {
            state.owed -= 1;
        } else {
            self.window.places.add_permits(1);
        }
    }

    /// The server said that there are too many requests. However many under way are told so, the window shrinks once.
    pub(crate) fn throttled(&self) {
        let mut state = self.window.state();
        if state.cuts != self.cuts {
            return;
        }
        let cut = state.size / 2;
        state.size -= cut;
        state.answers = 0;
        state.cuts += 1;
        state.owed += cut - self.window.places.forget_permits(cut);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.window.state();
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// As many places as there are now.
    fn take(window: &Window) -> Vec<Place<'_>> {
        std::iter::from_fn(|| window.place().now_or_never()).map(Result::unwrap).collect()
    }

    #[test]
    fn it_halves_once_for_all_that_was_under_way_and_grows_back_one_by_one() {
        let window = Window::new(8);
        let under_way = take(&window);
        assert_eq!(under_way.len(), 8);
        under_way.iter().for_each(Place::throttled);
        drop(under_way);
        let places = take(&window);
        assert_eq!(places.len(), 4, "eight were told, it halved once");
        places[..3].iter().for_each(Place::answered);
        assert!(take(&window).is_empty(), "a windowful is not answered yet");
        places[3].answered();
        drop(places);
        let places = take(&window);
        assert_eq!(places.len(), 5, "one more for a windowful");
        places[0].throttled();
        drop(places);
        assert_eq!(take(&window).len(), 3);
        for _ in 0..100 {
            take(&window).iter().for_each(Place::answered);
        }
        assert_eq!(take(&window).len(), 8, "never more than at first");
    }

    #[test]
    fn one_place_is_always_left() {
        let window = Window::new(5);
        for expected in [3, 2, 1, 1] {
            take(&window)[0].throttled();
            assert_eq!(take(&window).len(), expected);
        }
    }

    #[test]
    fn what_grows_while_places_are_owed_is_set_against_them() {
        let window = Window::new(4);
        let under_way = take(&window);
        under_way[0].throttled();
        under_way[1].answered();
        under_way[2].answered();
        drop(under_way);
        assert_eq!(take(&window).len(), 3);
    }
}
