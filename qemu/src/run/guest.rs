// SPDX-License-Identifier: GPL-2.0
//! One boot of the guest: QEMU, its connections to the runner, and what a scenario can do to the
//! guest while it runs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

use crate::environment::Enter;
use crate::machine::qmp::Qmp;
use crate::machine::{self, Channels, Drive, Machine, Topology};

use super::control::{Direction, Request};
use super::trace::{self, Cpu, Dma};

/// How long the guest's kernel may take to let a device go.
const UNPLUG_PATIENCE: Duration = Duration::from_secs(300);

/// The BAR of QEMU's NVMe drives that is their controller memory.
const CMB_BAR: i64 = 2;

/// An event of a guest.
#[derive(Debug)]
pub enum Event {
    /// `vmctl` asks for something. An error comes with the tag for its answer.
    Request(Result<Request, (String, anyhow::Error)>),
    /// One of the script's two outputs has come in full.
    Printed,
    /// QEMU has ended.
    Gone(ExitStatus),
    /// Time is up.
    Late,
}

/// Where an output of the script goes, as it comes.
pub type Sink = Box<dyn Write + Send>;

/// Everything that is needed to start a guest.
pub struct Plan {
    /// Enters the environment, in which `machine` finds its files.
    pub enter: Enter,
    /// The machine, without its connections.
    pub machine: Machine,
    /// QEMU's own standard input, output and error.
    pub stdio: [Stdio; 3],
    /// The file to which the command line is written.
    pub command_file: PathBuf,
    /// The file to which QEMU writes its trace.
    pub trace: PathBuf,
    /// Whether the drives' DMA is traced.
    pub traces_dma: bool,
    /// Where standard output and standard error of the script go.
    pub sinks: [Sink; 2],
    /// The words that the guest prints on both after the script has ended.
    pub end: String,
}

/// A running QEMU.
#[derive(Debug)]
pub struct Guest {
    qemu: Child,
    qmp: Qmp,
    control: UnixStream,
    events: Receiver<Event>,
    readers: Vec<JoinHandle<()>>,
    drives: Vec<Drive>,
    iommu: bool,
    failing: BTreeSet<String>,
    peers: Vec<Range<u64>>,
    trace: PathBuf,
    traces_dma: bool,
    /// The end of what [`Guest::dma`] has read of the trace.
    traced: u64,
    watch: Option<Watch>,
}

/// A count of what CPUs do.
#[derive(Debug)]
struct Watch {
    /// The memory that counts.
    peers: Vec<Range<u64>>,
    /// The place in the trace at which it began.
    start: u64,
}

impl Guest {
    /// Starts QEMU with the drives of `topology`.
    pub fn start(topology: &Topology, plan: Plan) -> Result<Self> {
        let (qmp, their_qmp) = wire()?;
        let (control, their_control) = wire()?;
        let (stdout, their_stdout) = wire()?;
        let (stderr, their_stderr) = wire()?;
        let theirs = [&their_qmp, &their_control, &their_stdout, &their_stderr];

        let mut machine = plan.machine;
        machine.add_channels(Channels {
            qmp: their_qmp.as_raw_fd(),
            control: their_control.as_raw_fd(),
            stdout: their_stdout.as_raw_fd(),
            stderr: their_stderr.as_raw_fd(),
        });
        let arguments = machine.arguments();
        fs::write(
            &plan.command_file,
            shell_line("qemu-system-x86_64", &arguments),
        )?;
        let enter = theirs.into_iter().fold(plan.enter, Enter::keep);
        let mut command = enter.command("qemu-system-x86_64")?;
        let [input, output, error] = plan.stdio;
        command
            .args(arguments)
            .stdin(input)
            .stdout(output)
            .stderr(error);
        let qemu = command.spawn().context("QEMU does not start")?;

        let (sender, events) = mpsc::channel();
        let [out, err] = plan.sinks;
        let readers = vec![
            forward_requests(control.try_clone()?, sender.clone()),
            forward_output(stdout, out, plan.end.clone(), sender.clone()),
            forward_output(stderr, err, plan.end, sender),
        ];
        Ok(Self {
            qemu,
            qmp: Qmp::new(qmp),
            control,
            events,
            readers,
            drives: topology.drives.clone(),
            iommu: topology.iommu,
            failing: BTreeSet::new(),
            peers: Vec::new(),
            trace: plan.trace,
            traces_dma: plan.traces_dma,
            traced: 0,
            watch: None,
        })
    }

    /// Waits for the next event, until `deadline`.
    pub fn next(&mut self, deadline: Instant) -> Result<Event> {
        match self
            .events
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(event) => Ok(event),
            Err(RecvTimeoutError::Timeout) => Ok(Event::Late),
            // All connections have ended, and so have their readers.
            Err(RecvTimeoutError::Disconnected) => Ok(Event::Gone(self.qemu.wait()?)),
        }
    }

    /// Answers a request. It does not matter if the guest has gone.
    pub fn answer(&mut self, tag: &str, result: &Result<String>) {
        let _ = self
            .control
            .write_all(Request::answer(tag, result).as_bytes());
    }

    /// Ends the guest at once.
    pub fn kill(mut self) -> Result<()> {
        // QEMU may have ended already.
        let _ = self.qemu.kill();
        self.qemu.wait()?;
        for reader in self.readers.drain(..) {
            reader
                .join()
                .map_err(|_| anyhow!("a reader of the guest's output panicked"))?;
        }
        Ok(())
    }

    /// Unplugs a drive, and waits until the guest has let it go.
    pub fn unplug(&mut self, name: &str) -> Result<()> {
        ensure!(
            !self.drive(name)?.protected,
            "drive {name} is protected, and QEMU cannot plug its namespace in again"
        );
        self.note_peers()?;
        self.qmp.execute("device_del", json!({ "id": name }))?;
        self.qmp.wait("DEVICE_DELETED", name, UNPLUG_PATIENCE)?;
        if self.failing.remove(name) {
            self.qmp
                .execute("blockdev-del", json!({ "node-name": failing_node(name) }))?;
        }
        Ok(())
    }

    /// Plugs the drive in again.
    pub fn plug(&mut self, name: &str) -> Result<()> {
        let device = machine::device(self.drive(name)?);
        self.qmp.execute("device_add", device).map(drop)
    }

    /// Lets a drive's reads or writes fail from now on.
    pub fn fail(&mut self, name: &str, direction: Direction) -> Result<()> {
        self.heal(name)?;
        let kind = match direction {
            Direction::Read => "read",
            Direction::Write => "write",
        };
        let error = json!({ "event": "none", "iotype": kind, "errno": 5, "immediately": true, "once": false });
        let node = json!({
            "driver": "blkdebug",
            "node-name": failing_node(name),
            "image": name,
            "discard": "unmap",
            "inject-error": [error],
        });
        self.qmp.execute("blockdev-add", node)?;
        self.attach(name, &failing_node(name))?;
        self.failing.insert(name.to_owned());
        Ok(())
    }

    /// Lets a drive's reads and writes work again.
    pub fn heal(&mut self, name: &str) -> Result<()> {
        self.drive(name)?;
        if self.failing.remove(name) {
            self.attach(name, name)?;
            self.qmp
                .execute("blockdev-del", json!({ "node-name": failing_node(name) }))?;
        }
        Ok(())
    }

    /// Returns the bytes that the drives' DMA has touched since the last call.
    pub fn dma(&mut self) -> Result<Dma> {
        if self.iommu {
            bail!(
                "behind an IOMMU, the addresses in a trace of DMA do not tell what memory they are of"
            );
        }
        ensure!(
            self.traces_dma,
            "the drives' DMA is not traced: start with --trace {}",
            trace::DMA
        );
        self.note_peers()?;
        let text = self.trace_from(self.traced)?;
        self.traced += text.len() as u64;
        Ok(Dma::of(&text, &self.peers))
    }

    /// Counts from now on what CPUs touch of the controller memory of the drive `name`, or of all
    /// drives. The trace is on only as long as this, because every access to a device is in it.
    pub fn watch(&mut self, name: Option<&str>) -> Result<()> {
        ensure!(
            self.watch.is_none(),
            "the CPUs are watched already: ask for watched first"
        );
        let drives = match name {
            Some(name) => vec![self.drive(name)?.clone()],
            None => self.drives.clone(),
        };
        let peers = controller_memory(&self.query_pci()?, &drives);
        ensure!(
            !peers.is_empty(),
            "{} has no controller memory that is mapped",
            name.unwrap_or("no drive")
        );
        let start = self.trace_from(0)?.len() as u64;
        self.watch = Some(Watch { peers, start });
        self.set_accesses(true)
    }

    /// Stops to count, and returns the count.
    pub fn watched(&mut self) -> Result<Cpu> {
        let watch = self
            .watch
            .take()
            .context("the CPUs are not watched: ask for watch first")?;
        self.set_accesses(false)?;
        Ok(Cpu::of(&self.trace_from(watch.start)?, &watch.peers))
    }

    fn set_accesses(&mut self, enable: bool) -> Result<()> {
        for event in trace::ACCESSES {
            let state = json!({ "name": event, "enable": enable });
            self.qmp.execute("trace-event-set-state", state)?;
        }
        Ok(())
    }

    /// Returns the whole lines of the trace from this place on.
    fn trace_from(&self, start: u64) -> Result<String> {
        let mut text = String::new();
        File::open(&self.trace)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(start))?;
                file.read_to_string(&mut text)
            })
            .with_context(|| format!("{} cannot be read", self.trace.display()))?;
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        Ok(text)
    }

    /// Returns the PCI address of the drive or engine `name`.
    pub fn address(&mut self, name: &str) -> Result<String> {
        let buses = self.query_pci()?;
        let device = pci_devices(&buses)
            .into_iter()
            .find(|device| device["qdev_id"] == name)
            .with_context(|| format!("there is no device {name}"))?;
        let number = |key: &str| {
            device[key]
                .as_u64()
                .with_context(|| format!("{name}: no {key}"))
        };
        Ok(format!(
            "0000:{:02x}:{:02x}.{:x}",
            number("bus")?,
            number("slot")?,
            number("function")?
        ))
    }

    fn query_pci(&mut self) -> Result<Value> {
        self.qmp.execute("query-pci", json!({}))
    }

    /// Remembers where the guest has mapped the drives' controller memory.
    pub fn note_peers(&mut self) -> Result<()> {
        for peer in controller_memory(&self.query_pci()?, &self.drives) {
            if !self.peers.contains(&peer) {
                self.peers.push(peer);
            }
        }
        Ok(())
    }

    fn drive(&self, name: &str) -> Result<&Drive> {
        self.drives
            .iter()
            .find(|drive| drive.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = self
                    .drives
                    .iter()
                    .map(|drive| drive.name.as_str())
                    .collect();
                anyhow!("there is no drive {name}: there are {}", names.join(", "))
            })
    }

    fn attach(&mut self, name: &str, node: &str) -> Result<()> {
        let path = format!("/machine/peripheral/{name}");
        self.qmp
            .execute(
                "qom-set",
                json!({ "path": path, "property": "drive", "value": node }),
            )
            .map(drop)
    }
}

/// Makes a connection, and returns our end and QEMU's.
fn wire() -> Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok((ours, theirs.into()))
}

fn failing_node(name: &str) -> String {
    format!("{name}-failing")
}

/// Returns the controller memory of `drives` that is mapped, as `query-pci` shows it.
fn controller_memory(buses: &Value, drives: &[Drive]) -> Vec<Range<u64>> {
    let is_ours = |device: &&Value| {
        let is = |drive: &Drive| drive.cmb.is_some() && device["qdev_id"] == drive.name.as_str();
        drives.iter().any(is)
    };
    let range = |region: &Value| {
        let start = region["address"].as_u64()?;
        Some(start..start + region["size"].as_u64()?)
    };
    pci_devices(buses)
        .into_iter()
        .filter(is_ours)
        .flat_map(|device| list(&device["regions"]))
        .filter(|region| region["bar"] == CMB_BAR)
        .filter_map(range)
        .collect()
}

/// Returns all devices on `buses`, as `query-pci` shows them, and all below them.
fn pci_devices(buses: &Value) -> Vec<&Value> {
    let mut found: Vec<&Value> = list(buses).flat_map(|bus| list(&bus["devices"])).collect();
    let mut seen = 0;
    while let Some(device) = found.get(seen) {
        let below = list(&device["pci_bridge"]["devices"]);
        found.extend(below);
        seen += 1;
    }
    found
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn forward_requests(control: UnixStream, events: Sender<Event>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(control).lines().map_while(Result::ok) {
            if events.send(Event::Request(Request::parse(&line))).is_err() {
                break;
            }
        }
    })
}

fn forward_output(
    mut from: UnixStream,
    mut to: Sink,
    end: String,
    events: Sender<Event>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        // An error here means that QEMU has ended, or that a reader of ours has gone. Neither is
        // the guest's fault. Its output is kept as far as it came.
        if matches!(copy_until(&mut from, &mut to, end.as_bytes()), Ok(true)) {
            let _ = events.send(Event::Printed);
        }
        let _ = io::copy(&mut from, &mut io::sink());
    })
}

/// Copies everything before the words `end`. Returns whether they came.
fn copy_until(from: &mut impl Read, to: &mut impl Write, end: &[u8]) -> io::Result<bool> {
    let mut held = Vec::new();
    let mut buffer = [0; 64 << 10];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            to.write_all(&held)?;
            to.flush()?;
            return Ok(false);
        }
        held.extend_from_slice(&buffer[..read]);
        let found = held.windows(end.len()).position(|window| window == end);
        // Bytes that may be the beginning of `end` wait for those that follow.
        let sure = found.unwrap_or_else(|| {
            let starts = |at: &usize| end.starts_with(&held[*at..]);
            (held.len().saturating_sub(end.len())..held.len())
                .find(starts)
                .unwrap_or(held.len())
        });
        to.write_all(&held[..sure])?;
        to.flush()?;
        if found.is_some() {
            return Ok(true);
        }
        held.drain(..sure);
    }
}

/// Returns a command line that a shell would accept.
fn shell_line(program: &str, arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+".contains(c);
    let mut line = program.to_owned();
    for argument in arguments {
        line.push_str(if argument.starts_with('-') {
            " \\\n    "
        } else {
            " "
        });
        if !argument.is_empty() && argument.chars().all(plain) {
            line.push_str(argument);
        } else {
            line.push_str(&format!("'{}'", argument.replace('\'', r"'\''")));
        }
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one piece per read.
    struct Pieces(Vec<&'static str>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            self.0.remove(0).as_bytes().read(buffer)
        }
    }

    fn copied(pieces: &[&'static str]) -> (bool, String) {
        let mut to = Vec::new();
        let ended = copy_until(&mut Pieces(pieces.to_vec()), &mut to, b"<END>").expect("no error");
        (ended, String::from_utf8(to).expect("text"))
    }

    #[test]
    fn output_ends_where_the_guest_says_so() {
        assert_eq!(
            copied(&["one\n", "two<END>three"]),
            (true, "one\ntwo".into())
        );
        assert_eq!(copied(&["one<E", "ND", ">"]), (true, "one".into()));
        assert_eq!(
            copied(&["one<E", "Nd>", "<<EN", "D>"]),
            (true, "one<ENd><".into())
        );
    }

    #[test]
    fn output_without_an_end_is_kept() {
        assert_eq!(copied(&["one<EN"]), (false, "one<EN".into()));
        assert_eq!(copied(&[]), (false, String::new()));
    }

    #[test]
    fn controller_memory_is_found_below_bridges() {
        let region = |bar: i64, address: u64| json!({ "bar": bar, "address": address, "size": 16 });
        let buses = json!([ { "devices": [
            { "qdev_id": "other", "regions": [region(2, 1)] },
            { "qdev_id": "", "regions": [], "pci_bridge": { "devices": [
                { "qdev_id": "near0", "regions": [region(0, 100), region(2, 200)] },
                { "qdev_id": "near1", "regions": [region(2, 300)] },
            ] } },
        ] } ]);
        let drives = Topology::find("switch").expect("a topology").drives;
        assert_eq!(controller_memory(&buses, &drives), [200..216, 300..316]);
        let second = controller_memory(&buses, &drives[1..2]);
        assert_eq!(second.as_slice(), std::slice::from_ref(&(300..316)));
    }

    #[test]
    fn a_command_line_can_be_pasted() {
        let line = shell_line(
            "qemu",
            &[
                "-m".into(),
                "2G".into(),
                "-device".into(),
                "{\"a\": 'b'}".into(),
            ],
        );
        assert_eq!(
            line,
            "qemu \\\n    -m 2G \\\n    -device '{\"a\": '\\''b'\\''}'\n"
        );
    }
}
