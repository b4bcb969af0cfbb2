// SPDX-License-Identifier: GPL-2.0
//! QEMU's monitor protocol, as far as scenarios need it: one command at a time. Events that come
//! in between are kept until somebody waits for them.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

/// How long QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to QEMU's monitor.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
    line: String,
    events: Vec<Value>,
    greeted: bool,
}

impl Qmp {
    /// Makes a connection of a socket. QEMU has the other end, or gets it when it starts.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream: BufReader::new(stream),
            line: String::new(),
            events: Vec::new(),
            greeted: false,
        }
    }

    /// Runs a command and returns its answer.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        if !self.greeted {
            self.greeted = true;
            self.receive(Instant::now() + PATIENCE)
                .context("QEMU does not greet")?;
            self.execute("qmp_capabilities", json!({}))?;
        }
        let mut text = json!({ "execute": command, "arguments": arguments }).to_string();
        text.push('\n');
        self.stream.get_mut().write_all(text.as_bytes())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut message = self
                .receive(deadline)
                .with_context(|| format!("QEMU does not answer {command}"))?;
            if let Some(error) = message.get("error") {
                let text = error["desc"].as_str().unwrap_or("no reason given");
                bail!("QEMU refuses {command}: {text}");
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            self.events.push(message);
        }
    }

    /// Waits for the event `name` about the device `id`.
    pub fn wait(&mut self, name: &str, id: &str, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let is_it = |event: &Value| event["event"] == name && event["data"]["device"] == id;
        loop {
            if let Some(place) = self.events.iter().position(is_it) {
                self.events.remove(place);
                return Ok(());
            }
            let event = self
                .receive(deadline)
                .with_context(|| format!("no {name} for {id} in {} s", patience.as_secs()))?;
            self.events.push(event);
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<Value> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("nothing came from QEMU in time");
            }
            self.stream.get_ref().set_read_timeout(Some(left))?;
            // When time is up, a line that has been read in part stays in `self.line`.
            match self.stream.read_line(&mut self.line) {
                Ok(0) => bail!("QEMU has ended"),
                Ok(_) => {
                    let message = serde_json::from_str(&self.line)
                        .map_err(|error| anyhow!("{}: {error}", self.line));
                    self.line.clear();
                    return message;
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Makes a monitor that greets, and then answers each command with the next of `answers`.
    fn monitor(answers: &'static [&'static str]) -> Qmp {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        thread::spawn(move || {
            theirs.write_all(b"{\"QMP\": {}}\n").expect("a greeting");
            let mut commands = BufReader::new(theirs.try_clone().expect("a copy"));
            for answer in [&["{\"return\": {}}\n"], answers].concat() {
                commands.read_line(&mut String::new()).expect("a command");
                theirs.write_all(answer.as_bytes()).expect("an answer");
            }
        });
        Qmp::new(ours)
    }

    #[test]
    fn an_answer_is_found_among_events() {
        let mut qmp = monitor(&["{\"event\": \"RESUME\"}\n{\"return\": 7}\n"]);
        assert_eq!(qmp.execute("count", json!({})).expect("an answer"), 7);
    }

    #[test]
    fn a_refusal_says_what_and_why() {
        let mut qmp = monitor(&["{\"error\": {\"desc\": \"no such device\"}}\n"]);
        let error = qmp
            .execute("device_del", json!({ "id": "x" }))
            .expect_err("a refusal");
        assert_eq!(error.to_string(), "QEMU refuses device_del: no such device");
    }

    #[test]
    fn an_event_is_waited_for_by_device() {
        let mut qmp = monitor(&[concat!(
            "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"a\"}}\n",
            "{\"return\": {}}\n",
            "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"b\"}}\n"
        )]);
        qmp.execute("device_del", json!({})).expect("an answer");
        for id in ["b", "a"] {
            qmp.wait("DEVICE_DELETED", id, Duration::from_secs(5))
                .expect("the event");
        }
        assert!(
            qmp.wait("DEVICE_DELETED", "a", Duration::from_millis(10))
                .is_err()
        );
    }
}
