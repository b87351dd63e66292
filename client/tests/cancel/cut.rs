//! Futures that are dropped half-way: polled so many times, and then no more.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// How long a case may take: whoever is stuck is found out.
const LIMIT: Duration = Duration::from_secs(30);
/// More await points than any future has.
const POINTS_MAX: usize = 500;

/// When a future is dropped that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// As soon as it waits.
    Waiting,
    /// When it could go on: what it waited for has come, and it has not seen it yet.
    Woken,
}

/// Where a future is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// So many times it has to wait before.
    waits: usize,
    moment: Moment,
}

impl Cut {
    /// What comes of the future, unless it is dropped before it is ready.
    pub(crate) async fn of<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut left = self.waits;
        poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(None);
            }
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending => {
                    left -= 1;
                    if left == 0 && self.moment == Moment::Waiting {
                        Poll::Ready(None)
                    } else {
                        Poll::Pending
                    }
                }
            }
        })
        .await
    }

    /// Whether the future is polled at all.
    pub(crate) fn begins(self) -> bool {
        self.waits > 0
    }
}

/// Goes through a case again and again, each time in a world of its own: its future is dropped before it begins, at its
/// first await point, at its second, until it gets to its end, which the case says.
pub(crate) async fn at_each_await(name: &str, case: impl AsyncFn(Cut) -> bool) {
    let mut points = 0;
    for moment in [Moment::Waiting, Moment::Woken] {
        for waits in 0.. {
            assert!(waits < POINTS_MAX, "{name}: it never gets to its end");
            let cut = Cut { waits, moment };
            let ended = tokio::time::timeout(LIMIT, case(cut)).await;
            if ended.unwrap_or_else(|_| panic!("{name} hangs after {cut:?}")) {
                break;
            }
            points = points.max(waits);
        }
    }
    println!("{name}: dropped at each of {points} await points");
    assert!(points > 0, "{name}: it never waited, so nothing was tried");
}

/// What a future gives that never waits: there is no place to drop it at.
pub(crate) async fn at_once<F: Future>(name: &str, future: F) -> F::Output {
    let ready = Cut { waits: 1, moment: Moment::Waiting }.of(future).await;
    println!("{name}: never waits");
    ready.unwrap_or_else(|| panic!("{name} waits: it is to be dropped there"))
}
