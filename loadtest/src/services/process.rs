//! Processes that die with this program, whatever happens to it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::process_stats::{self, Memory};

/// Of a process's output, in errors.
const OUTPUT_LINES: usize = 30;

/// A command to be spawned, and where the child goes.
type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// Linux ends a child when the *thread* that made it ends: so all are made by one that never does.
static SPAWNER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
    let (jobs, inbox) = mpsc::channel::<Job>();
    thread::spawn(move || {
        for (mut command, answer) in inbox {
            // Nobody waits for the answer only when the whole program ends.
            let _ = answer.send(command.spawn());
        }
    });
    jobs
});

/// How a process is started, again and again.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Takes what it prints, and all later runs append.
    pub output: PathBuf,
}

/// A process with its descendants, in a group of their own. Dropping it kills them.
#[derive(Debug)]
pub struct ServiceProcess {
    launch: Launch,
    child: Mutex<Option<Child>>,
}

impl ServiceProcess {
    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start(launch: Launch) -> anyhow::Result<Self> {
        let process = Self { launch, child: Mutex::new(None) };
        process.start_again()?;
        Ok(process)
    }

    /// Starts it again after [`Self::kill_9`]; kills it first when it still runs.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start_again(&self) -> anyhow::Result<()> {
        self.kill_9();
        let child = spawn(&self.launch)
            .with_context(|| format!("starting {}", self.launch.program.display()))?;
        *self.lock() = Some(child);
        Ok(())
    }

    /// `None` when it does not run.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Child::id)
    }

    /// How it ended, if it ended by itself.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.lock().as_mut()?.try_wait().ok()?
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// When it does not run.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// `kill -9`, also of a paused one, and waits until it is gone. False when it did not run.
    pub fn kill_9(&self) -> bool {
        let Some(mut child) = self.lock().take() else { return false };
        let was_running = matches!(child.try_wait(), Ok(None));
        // The group may have descendants left even when the first process has ended.
        let _ = kill_group(&child, Signal::KILL);
        let _ = child.wait();
        was_running
    }

    /// CPU time so far.
    ///
    /// # Errors
    /// When it does not run.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        process_stats::cpu_time(self.pid().context("it does not run")?)
    }

    /// Resident memory.
    ///
    /// # Errors
    /// When it does not run.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        process_stats::memory(self.pid().context("it does not run")?)
    }

    /// The file that takes what it prints.
    #[must_use]
    pub fn output(&self) -> &Path {
        &self.launch.output
    }

    /// The last lines it printed, for errors.
    #[must_use]
    pub fn last_output(&self) -> String {
        last_lines(&self.launch.output)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let child = self.lock();
        let child = child.as_ref().context("it does not run")?;
        kill_group(child, signal).with_context(|| format!("{signal:?} to {}", child.id()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        self.kill_9();
    }
}

fn spawn(launch: &Launch) -> io::Result<Child> {
    let output = File::options().create(true).append(true).open(&launch.output)?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&launch.program)
        .args(&launch.arguments)
        .envs(launch.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0);
    let (answer, outcome) = mpsc::channel();
    SPAWNER.send((command, answer)).map_err(io::Error::other)?;
    outcome.recv().map_err(io::Error::other)?
}

fn kill_group(child: &Child, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let group = pid.ok_or_else(|| io::Error::other("no process"))?;
    Ok(kill_process_group(group, signal)?)
}

/// Text for errors: the end of a log.
fn last_lines(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let tail = &lines[lines.len().saturating_sub(OUTPUT_LINES)..];
    format!("its last output:\n{}", tail.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, name: &str) -> Launch {
        Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            output: std::env::temp_dir().join(format!("{name}-{}.log", uuid::Uuid::now_v7())),
            ..Launch::default()
        }
    }

    fn state(pid: u32) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    #[test]
    fn a_group_is_stopped_continued_and_killed() {
        let process = ServiceProcess::start(shell("sleep 60 & echo $!; wait", "group")).unwrap();
        let child = loop {
            let text = fs::read_to_string(&process.launch.output).unwrap();
            if let Ok(pid) = text.trim().parse::<u32>() {
                break pid;
            }
            thread::sleep(Duration::from_millis(5));
        };
        let until = |pid, wanted: &dyn Fn(Option<char>) -> bool| {
            (0..400).any(|_| {
                thread::sleep(Duration::from_millis(5));
                wanted(state(pid))
            })
        };
        process.pause().unwrap();
        assert!(until(child, &|state| state == Some('T')));
        process.resume().unwrap();
        assert!(until(child, &|state| state == Some('S')));
        process.pause().unwrap();
        assert!(process.kill_9());
        assert!(until(child, &|state| matches!(state, None | Some('Z'))), "a descendant lives on");
        assert!(!process.kill_9() && process.pid().is_none() && process.pause().is_err());
        fs::remove_file(&process.launch.output).unwrap();
    }

    /// The thread that asks for a process may end; the process goes on.
    #[test]
    fn a_process_outlives_the_thread_that_asked_for_it() {
        let launch = shell("sleep 60", "thread");
        let process = thread::spawn(move || ServiceProcess::start(launch).unwrap()).join().unwrap();
        thread::sleep(Duration::from_millis(100));
        assert_eq!(process.ended(), None);
        fs::remove_file(&process.launch.output).unwrap();
    }

    #[test]
    fn one_that_ends_is_noticed_and_quoted() {
        let process = ServiceProcess::start(shell("echo so long; exit 3", "ends")).unwrap();
        let status = loop {
            if let Some(status) = process.ended() {
                break status;
            }
            thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(3));
        assert!(process.last_output().ends_with("so long"));
        process.start_again().unwrap();
        assert!(process.pid().is_some());
        fs::remove_file(&process.launch.output).unwrap();
    }
}
