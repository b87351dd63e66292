//! A process that answers each line on its standard input by one line on its standard output: how tests drive a
//! virtual machine that takes a second to start and then does thousands of things.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines of the error stream that are kept for a message.
const SAID_LINES_MAX: usize = 12;
/// Answers that may lie unread: one is asked for at a time.
const ANSWERS_MAX: usize = 16;

/// The process; killed when this is dropped.
#[derive(Debug)]
pub struct Dialogue {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
    said: Arc<Mutex<VecDeque<String>>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialogueError {
    /// It could not be started, or does not read.
    #[error("{source}; it said:\n{said}")]
    Io {
        /// What the system said.
        source: io::Error,
        /// The end of its error stream.
        said: String,
    },
    /// It closed its output.
    #[error("it ended; it said:\n{said}")]
    Ended {
        /// The end of its error stream.
        said: String,
    },
    /// Nothing came in time.
    #[error("no answer after {limit:?}; it said:\n{said}")]
    TimedOut {
        /// The time it had.
        limit: Duration,
        /// The end of its error stream.
        said: String,
    },
}

impl Dialogue {
    /// Starts the command.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let closed = || io::Error::other("a pipe that was asked for is not there");
        let stdin = child.stdin.take().ok_or_else(closed)?;
        let stdout = child.stdout.take().ok_or_else(closed)?;
        let stderr = child.stderr.take().ok_or_else(closed)?;
        let (sender, answers) = mpsc::sync_channel(ANSWERS_MAX);
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&said);
        // Both threads end with the streams, which end with the child, which `drop` waits for.
        thread::spawn(move || {
            // Nobody listens any more when the test is over.
            each_line(stdout, |line| sender.send(line).is_ok());
        });
        thread::spawn(move || {
            each_line(stderr, |line| {
                let mut lines = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == SAID_LINES_MAX {
                    lines.pop_front();
                }
                lines.push_back(line);
                true
            });
        });
        Ok(Self { child, stdin, answers, said })
    }

    /// Sends one line and returns the line that answers it.
    ///
    /// # Errors
    /// When no answer comes within `limit`; then it is killed, for a late one would be taken for that to the next question.
    ///
    /// # Panics
    /// When the question holds a line feed.
    pub fn ask(&mut self, question: &str, limit: Duration) -> Result<String, DialogueError> {
        assert!(!question.contains('\n'), "a question is one line: {question:?}");
        let sent = self.stdin.write_all(format!("{question}\n").as_bytes()).and_then(|()| self.stdin.flush());
        sent.map_err(|source| DialogueError::Io { source, said: self.said() })?;
        match self.answers.recv_timeout(limit) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => {
                // It fails only when it has ended by itself by now.
                let _ = self.child.kill();
                Err(DialogueError::TimedOut { limit, said: self.said() })
            }
            Err(RecvTimeoutError::Disconnected) => Err(DialogueError::Ended { said: self.said() }),
        }
    }

    /// The end of what it wrote to its error stream.
    pub fn said(&self) -> String {
        let lines = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands over each line, until the stream ends or `take` has enough.
fn each_line(stream: impl Read, mut take: impl FnMut(String) -> bool) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
        if !take(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()) {
            return;
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Dialogue {
        let mut command = Command::new("sh");
        Dialogue::start(command.args(["-c", script])).unwrap()
    }

    #[test]
    fn each_question_gets_its_answer() {
        let mut dialogue = shell("while read -r line; do echo \"<$line>\"; done");
        assert_eq!(dialogue.ask("one", LIMIT).unwrap(), "<one>");
        assert_eq!(dialogue.ask("two", LIMIT).unwrap(), "<two>");
    }

    #[test]
    fn a_process_that_ends_or_is_silent_is_told_apart() {
        let ended = shell("read -r line; exit 3").ask("one", LIMIT).unwrap_err();
        assert!(matches!(ended, DialogueError::Ended { .. }), "{ended}");
        let silent = shell("exec sleep 600").ask("one", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(silent, DialogueError::TimedOut { .. }), "{silent}");
    }
}
