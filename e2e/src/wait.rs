//! Waiting for something that can be observed, never for time to pass.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(15);

/// Looks again and again until `look` finds something; an error of a look counts as nothing found, and the last one is
/// told when the time is over.
pub(crate) async fn find<T, F>(limit: Duration, what: &str, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    loop {
        let last = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() > end {
            match last {
                Some(error) => return Err(error.context(format!("waited {limit:?} for {what}"))),
                None => bail!("waited {limit:?} for {what}"),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// As [`find`], for a condition that needs no await.
pub(crate) async fn until(
    limit: Duration,
    what: &str,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<()> {
    find(limit, what, || {
        let holds = holds();
        async move { Ok(holds?.then_some(())) }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_comes_is_named() {
        let error = until(Duration::from_millis(1), "rain", || Ok(false)).await.unwrap_err();
        assert!(error.to_string().contains("rain"), "{error}");
        let error = until(Duration::from_millis(1), "rain", || bail!("dry")).await.unwrap_err();
        assert!(format!("{error:#}").contains("dry"), "{error:#}");
    }

    #[tokio::test]
    async fn what_comes_late_is_found() {
        let mut looks = 0;
        until(Duration::from_secs(5), "the third look", || {
            looks += 1;
            Ok(looks == 3)
        })
        .await
        .unwrap();
    }
}
