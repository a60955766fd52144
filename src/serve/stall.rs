//! Connections whose other end has stopped reading, or reads by drips, are closed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A connection that waits to write must take this many bytes in this time.
const LEAST: usize = 64 << 10;
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with limited patience.
pub struct Impatient<S> {
    inner: S,
    /// Runs from the first write that had to wait.
    deadline: Pin<Box<Sleep>>,
    is_waiting: bool,
    written: usize,
    patience: Duration,
}

impl<S> Impatient<S> {
    pub fn new(inner: S, patience: Duration) -> Self {
        Self {
            inner,
            deadline: Box::pin(sleep(Duration::ZERO)),
            is_waiting: false,
            written: 0,
            patience,
        }
    }

    /// What became of an attempt to write.
    fn attempted(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(n)) => {
                self.written += n;
                if self.written >= LEAST {
                    self.is_waiting = false;
                }
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if !self.is_waiting {
                    self.is_waiting = true;
                    self.written = 0;
                    let deadline = Instant::now() + self.patience;
                    self.deadline.as_mut().reset(deadline);
                }
                ready!(self.deadline.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.attempted(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.attempted(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn who_does_not_read_is_left() {
        let (near, far) = duplex(1000);
        let mut near = Impatient::new(near, Duration::from_millis(50));
        let error = near.write_all(&[0; 5000]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }

    #[tokio::test]
    async fn who_reads_by_drips_is_left() {
        let (near, mut far) = duplex(100);
        let mut near = Impatient::new(near, Duration::from_millis(300));
        let drip = tokio::spawn(async move {
            let mut byte = [0];
            while far.read_exact(&mut byte).await.is_ok() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        let error = near.write_all(&[0; 100_000]).await.expect_err("too slow");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(near);
        drip.await.expect("ended");
    }

    #[tokio::test]
    async fn who_reads_at_leisure_gets_all() {
        let (near, mut far) = duplex(LEAST);
        let mut near = Impatient::new(near, Duration::from_secs(2));
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; LEAST];
            for _ in 0..8 {
                sleep(Duration::from_millis(300)).await;
                far.read_exact(&mut buffer).await.expect("read");
            }
        });
        // Longer in all than the patience for one piece of it.
        near.write_all(&vec![0; 8 * LEAST]).await.expect("written");
        reader.await.expect("ended");
    }
}
