//! Several attempts at the same thing, started one after the other: the way of RFC 8305, section 5.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

/// Starts the next attempt when `stagger` has passed since the last one started, or one has failed. The first
/// success wins, and dropping the others cancels them. An error for which `is_verdict` holds ends it too, however many wait.
///
/// The errors come in the order in which the attempts failed.
pub(super) async fn staggered<T, E, F>(
    attempts: impl IntoIterator<Item = F>,
    stagger: Duration,
    is_verdict: impl Fn(&E) -> bool,
) -> Result<T, Vec<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = attempts.into_iter();
    let mut running = FuturesUnordered::new();
    let mut errors = Vec::new();
    let mut timer = pin!(sleep(stagger));
    let mut is_due = true;
    loop {
        if is_due && let Some(attempt) = waiting.next() {
            running.push(attempt);
            timer.set(sleep(stagger));
            is_due = false;
        }
        tokio::select! {
            Some(result) = running.next() => match result {
                Ok(success) => return Ok(success),
                Err(error) => {
                    let ends = is_verdict(&error);
                    errors.push(error);
                    if ends {
                        return Err(errors);
                    }
                    is_due = true;
                }
            },
            // Where nothing waits any more, what runs is waited for.
            () = &mut timer, if !is_due => is_due = true,
            else => return Err(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Attempts as (milliseconds they take, whether they succeed, whether their failure is a verdict); what came of them,
    /// when each started, and when it was over.
    async fn play(attempts: &[(u64, bool, bool)]) -> (Result<usize, Vec<usize>>, Vec<u128>, u128) {
        let begin = tokio::time::Instant::now();
        let starts = RefCell::new(Vec::new());
        let futures = attempts.iter().enumerate().map(|(index, &(takes, succeeds, _))| {
            let starts = &starts;
            async move {
                starts.borrow_mut().push(begin.elapsed().as_millis());
                sleep(Duration::from_millis(takes)).await;
                if succeeds { Ok(index) } else { Err(index) }
            }
        });
        let result = staggered(futures, Duration::from_millis(250), |&index: &usize| attempts[index].2).await;
        (result, starts.into_inner(), begin.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_success_wins_and_failures_hurry_the_next() {
        for (attempts, expected) in [
            (&[][..], (Err(vec![]), vec![], 0)),
            (&[(10, true, false), (1, true, false)], (Ok(0), vec![0], 10)),
            // The second overtakes the first.
            (&[(900, true, false), (10, true, false)], (Ok(1), vec![0, 250], 260)),
            // A failure starts the next at once.
            (&[(5, false, false), (10, true, false)], (Ok(1), vec![0, 5], 15)),
            (&[(900, true, false), (5, false, false), (5, true, false)], (Ok(2), vec![0, 250, 255], 260)),
            (&[(5, false, false), (6, false, false)], (Err(vec![0, 1]), vec![0, 5], 11)),
            (&[(900, false, false), (5, false, false)], (Err(vec![1, 0]), vec![0, 250], 900)),
            // A verdict ends it.
            (&[(300, false, true), (900, true, false), (1, true, false)], (Err(vec![0]), vec![0, 250], 300)),
        ] {
            assert_eq!(play(attempts).await, expected, "{attempts:?}");
        }
    }
}
