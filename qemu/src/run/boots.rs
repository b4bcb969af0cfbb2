// SPDX-License-Identifier: GPL-2.0
//! Does a [`Run`]: boots a guest, and boots it again as often as the script asks for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::environment::{self, Environment, Kernel};
use crate::machine::{
    Accel, Boot, ENVIRONMENT, JOB, Machine, OUT, Pace, Processors, RUN, TRACE, Topology, kvm,
};

use super::control::{Change, Request, Verb};
use super::dmesg;
use super::folder::{self, COPY};
use super::guest::{Event, Guest, Plan, Sink};
use super::job::{self, Job, Modules, read_script};
use super::options::Run;
use super::outcome::{End, Outcome, Report};
use super::trace::DMA;

/// How long a guest may take to come up, on a slow machine that has other work too.
const BOOT_PATIENCE: Duration = Duration::from_secs(120);

/// How often a guest may fail to come up before the run has failed.
const STILLBORN: u32 = 2;

/// How long a guest may take to shut down.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(60);

/// How many times longer than other guests a system guest may take to come up and to shut down.
const SYSTEM_PATIENCE: u32 = 5;

impl Run {
    /// Does the run.
    ///
    /// # Errors
    ///
    /// If nothing was started. Whatever happens later is in the outcome.
    pub fn go(&self, environment: &Environment) -> Result<Outcome> {
        let started = Instant::now();
        let mut running = Running::prepare(self, environment)?;
        let end = running.boot_on()?;
        let dmesg = running.dmesg();
        let end = end.considering(&dmesg);
        let report = Report {
            status: end.status(),
            sentence: end.to_string(),
            end: &end,
            seconds: started.elapsed().as_secs_f64(),
            boots: running.boot.0,
            kernel: &running.kernel.release,
            modules: self.modules,
            topology: &self.topology,
            accel: running.accel,
        };
        report.write(&running.folder)?;
        running.tidy()?;
        let text = |name| {
            Ok::<_, io::Error>(
                String::from_utf8_lossy(&fs::read(running.folder.join(name))?).into_owned(),
            )
        };
        Ok(Outcome {
            stdout: text("stdout")?,
            stderr: text("stderr")?,
            dmesg,
            end,
            folder: running.folder,
        })
    }
}

/// A run that has its folder, and has been started.
struct Running<'a> {
    run: &'a Run,
    environment: &'a Environment,
    topology: Topology,
    kernel: &'a Kernel,
    accel: Accel,
    script: Vec<u8>,
    folder: PathBuf,
    boot: Boot,
    /// Boots that ended only because of emulation. Their messages are not judged.
    excused: Vec<Boot>,
    modules: Modules,
    /// An initramfs that the guest has made, and words for its kernel.
    initrd: Option<String>,
    append: Option<String>,
    arguments: Vec<String>,
    /// When the script's time is up, once it has started.
    deadline: Option<Instant>,
}

/// What follows a boot.
enum Next {
    End(End),
    Boot(Change, Vec<String>),
    /// QEMU aborted, or hung, before the script could start.
    Stillborn(End),
}

impl<'a> Running<'a> {
    fn prepare(run: &'a Run, environment: &'a Environment) -> Result<Self> {
        let topology = Topology::find(&run.topology)?;
        let kernel = environment.kernels().get_bootable(run.kernel.as_deref())?;
        let script = run
            .script
            .as_deref()
            .map(read_script)
            .transpose()?
            .unwrap_or_default();
        let accel = match run.pace {
            Pace::Counted => Accel::Tcg,
            _ => kvm::choose(environment, kernel)?,
        };
        let folder = folder::make(run.keep.as_deref(), run.script_name())?;
        for output in ["stdout", "stderr"] {
            File::create(folder.join(output))?;
        }
        fs::create_dir(folder.join("drives"))?;
        for drive in &topology.drives {
            File::create(folder.join("drives").join(&drive.name))?.set_len(drive.size.0)?;
        }
        if run.system {
            fs::create_dir(folder.join(OUT))?;
            folder::make_system(environment, &folder)?;
        }
        if let Some(script) = &run.prepare {
            job::build(environment, kernel, run.modules)?;
            folder::make_copy(environment, script, &kernel.release, &folder)?;
        }
        Ok(Self {
            run,
            environment,
            topology,
            kernel,
            accel,
            script,
            folder,
            boot: Boot(0),
            excused: Vec::new(),
            modules: run.modules,
            initrd: None,
            append: None,
            arguments: run.arguments.clone(),
            deadline: None,
        })
    }

    /// Boots until the run ends.
    fn boot_on(&mut self) -> Result<End> {
        let mut stillborn = 0;
        loop {
            self.boot.0 += 1;
            let end = random()?;
            let job = self.job(&end)?;
            let guest = Guest::start(&self.topology, self.plan(&job, end)?)?;
            match self.attend(guest)? {
                Next::End(end) => return Ok(end),
                // QEMU's emulated processors race with devices that are being mapped, and with
                // code that the kernel changes. Now and then one of QEMU's assertions ends it, or
                // the guest stays silent, or the kernel meets a breakpoint that has been removed.
                // None of our code has been loaded by then.
                Next::Stillborn(end) => {
                    stillborn += 1;
                    if stillborn > STILLBORN {
                        return Ok(end);
                    }
                    if self.met_stale_breakpoint() {
                        self.excused.push(self.boot);
                    }
                    eprintln!("vm: {end}; booting again");
                }
                Next::Boot(change, arguments) => {
                    self.change(change)?;
                    self.arguments = arguments;
                }
            }
        }
    }

    /// Returns an error if what the guest wants to change is not possible.
    fn check_change(&self, change: &Change) -> Result<()> {
        if let Some(release) = &change.kernel {
            self.environment.kernels().get_bootable(Some(release))?;
        }
        if let Some(initrd) = &change.initrd {
            ensure!(
                self.folder.join(OUT).join(initrd).is_file(),
                "--initrd {initrd}: there is no such file in /run/vm/{OUT}"
            );
        }
        Ok(())
    }

    /// Makes the change. An initramfs and words for the kernel stay until there are others, or
    /// another kernel.
    fn change(&mut self, change: Change) -> Result<()> {
        self.modules = change.modules.unwrap_or(self.modules);
        if let Some(release) = &change.kernel {
            self.kernel = self.environment.kernels().get_bootable(Some(release))?;
            (self.initrd, self.append) = (None, None);
        }
        self.initrd = change.initrd.or(self.initrd.take());
        self.append = change.append.or(self.append.take());
        Ok(())
    }

    /// Makes the files that this boot puts above the guest's root.
    fn job(&self, end: &str) -> Result<PathBuf> {
        let folder = self.folder.join("job");
        let job = Job::new(&folder, self.run.system)?;
        let drives: Vec<&str> = self
            .topology
            .drives
            .iter()
            .map(|drive| drive.name.as_str())
            .collect();
        let (columns, rows) =
            terminal_size::terminal_size().map_or((80, 24), |(width, height)| (width.0, height.0));
        job.settings(&[
            ("shell", if self.run.is_shell() { "yes" } else { "" }),
            ("rows", &rows.to_string()),
            ("columns", &columns.to_string()),
            ("drives", &drives.join(" ")),
            ("end", end),
        ])?;
        job.script(self.run.script_name(), &self.script, &self.arguments)?;
        for file in &self.run.files {
            job.add(file)?;
        }
        if !self.run.sources.is_empty() {
            job.build(self.environment, self.kernel, &self.run.sources)?;
        }
        job.programs()?;
        if self.modules == Modules::P2p {
            job.modules(self.environment, self.kernel)?;
        }
        Ok(folder)
    }

    fn plan(&self, job: &Path, end: String) -> Result<Plan> {
        let processors = Processors {
            accel: self.accel,
            pace: self.run.pace,
            reach_all: self.topology.reach_all,
        };
        let mut machine = Machine::new(&self.kernel.release, processors, self.boot);
        machine.add_topology(&self.topology);
        machine.add_root();
        if self.run.system {
            machine.add_system();
        }
        if let Some(initrd) = &self.initrd {
            machine.initrd(&format!("{RUN}/{OUT}/{initrd}"));
        }
        if let Some(words) = &self.append {
            machine.kernel(&[words]);
        }
        machine.add_trace(&self.run.traces, self.boot);
        if self.run.is_shell() {
            machine.add_terminal();
        }
        let enter = self
            .environment
            .enter()?
            .bind(&self.folder, RUN, true)?
            .bind(job, JOB, false)?;
        let root = self.environment.root();
        let enter = match self.run.prepare {
            None => enter.bind(&root, ENVIRONMENT, false)?,
            Some(_) => enter.copied(&root, &self.folder.join(COPY), ENVIRONMENT)?,
        };
        Ok(Plan {
            enter,
            machine,
            stdio: self.stdio()?,
            command_file: self.file("qemu"),
            trace: self.file(TRACE),
            traces_dma: self.run.traces.iter().any(|event| event == DMA),
            sinks: [
                self.sink("stdout", Box::new(io::stdout()))?,
                self.sink("stderr", Box::new(io::stderr()))?,
            ],
            end,
        })
    }

    /// Returns QEMU's own standard input, output and error.
    fn stdio(&self) -> Result<[Stdio; 3]> {
        let log = File::create(self.file("qemu.log"))?;
        Ok(match self.run.script {
            None => [Stdio::inherit(), Stdio::inherit(), log.into()],
            Some(_) => [Stdio::null(), log.try_clone()?.into(), log.into()],
        })
    }

    /// Returns where an output of the script goes: to its file, and to the caller if the run is
    /// shown.
    fn sink(&self, name: &str, caller: Sink) -> Result<Sink> {
        let file = OpenOptions::new()
            .append(true)
            .open(self.folder.join(name))?;
        Ok(if self.run.shown {
            Box::new(Tee(file, caller))
        } else {
            Box::new(file)
        })
    }

    /// Returns the path of a file of this boot.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(self.boot.name(name))
    }

    /// Returns the kernel's messages of all boots that are judged.
    fn dmesg(&self) -> String {
        (1..=self.boot.0)
            .map(Boot)
            .filter(|boot| !self.excused.contains(boot))
            .map(|boot| self.dmesg_of(boot))
            .collect()
    }

    fn dmesg_of(&self, boot: Boot) -> String {
        let bytes = fs::read(self.folder.join(boot.name("dmesg"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// Returns whether this boot ended only because of emulation.
    fn met_stale_breakpoint(&self) -> bool {
        self.accel == Accel::Tcg && dmesg::stale_breakpoint(&self.dmesg_of(self.boot))
    }

    /// Removes everything that does not tell how the run went. Keeps the drives only on request.
    fn tidy(&self) -> Result<()> {
        fs::remove_dir_all(self.folder.join("job"))?;
        if self.run.prepare.is_some() {
            environment::remove(&self.folder.join(COPY))?;
        }
        if self.run.keep.is_none() {
            fs::remove_dir_all(self.folder.join("drives"))?;
        }
        Ok(())
    }

    /// Serves a guest until it ends.
    fn attend(&mut self, mut guest: Guest) -> Result<Next> {
        let mut state = State {
            up: false,
            outputs: if self.run.is_shell() { 0 } else { 2 },
            exit: None,
            next: None,
            deadline: Instant::now() + self.start_patience(BOOT_PATIENCE),
            shutdown: self.start_patience(SHUTDOWN_PATIENCE),
        };
        let next = loop {
            match guest.next(state.deadline)? {
                Event::Printed => state.outputs -= 1,
                Event::Request(Err((tag, error))) => guest.answer(&tag, &Err(error)),
                Event::Request(Ok(request)) => {
                    if let Some(next) = self.serve(request, &mut guest, &mut state) {
                        break next;
                    }
                }
                Event::Late if state.up => break Next::End(self.late(&state)),
                Event::Late => break Next::Stillborn(self.silent()),
                Event::Gone(status) => {
                    let aborted = status.signal() == Some(nix::libc::SIGABRT);
                    let stillborn = !state.up && (aborted || self.met_stale_breakpoint());
                    break state.next.unwrap_or_else(|| {
                        let end = self.gone(state.up, status);
                        if stillborn {
                            Next::Stillborn(end)
                        } else {
                            Next::End(end)
                        }
                    });
                }
            }
            // The guest may shut down once all output of its script has come.
            if state.outputs == 0 {
                if let Some(tag) = state.exit.take() {
                    guest.answer(&tag, &Ok(String::new()));
                }
            }
        };
        guest.kill()?;
        Ok(next)
    }

    /// Does what the guest asks for. Returns what follows if this ends the boot.
    fn serve(&mut self, request: Request, guest: &mut Guest, state: &mut State) -> Option<Next> {
        let nothing = |()| String::new();
        let result = match request.verb {
            Verb::Hello => {
                state.up = true;
                let timeout = self.patience(self.run.timeout);
                state.deadline = *self
                    .deadline
                    .get_or_insert_with(|| Instant::now() + timeout);
                guest.note_peers().map(nothing)
            }
            Verb::Failed(reason) => return Some(Next::End(End::Boot(reason))),
            Verb::Kill(arguments) => return Some(Next::Boot(Change::default(), arguments)),
            Verb::Exit(status) => {
                state.exit = Some(request.tag);
                state.end_with(Next::End(End::Script(status)));
                return None;
            }
            Verb::Reboot(change, arguments) => {
                let possible = self.check_change(&change);
                if possible.is_ok() {
                    state.end_with(Next::Boot(change, arguments));
                }
                possible.map(nothing)
            }
            Verb::Unplug(drive) => guest.unplug(&drive).map(nothing),
            Verb::Plug(drive) => guest.plug(&drive).map(nothing),
            Verb::Fail(drive, direction) => guest.fail(&drive, direction).map(nothing),
            Verb::Heal(drive) => guest.heal(&drive).map(nothing),
            Verb::Dma => guest
                .dma()
                .map(|dma| format!("ram {} peer {}", dma.ram, dma.peer)),
            Verb::Watch(drive) => guest.watch(drive.as_deref()).map(nothing),
            Verb::Watched => guest
                .watched()
                .map(|cpu| format!("read {} write {}", cpu.read, cpu.write)),
            Verb::Where(device) => guest.address(&device),
        };
        guest.answer(&request.tag, &result);
        None
    }

    /// Returns the time that the booted kernel may take for what takes a plain one this long.
    fn patience(&self, plain: Duration) -> Duration {
        self.kernel.patience() * plain
    }

    /// Like [`Running::patience`], for coming up and for shutting down.
    fn start_patience(&self, plain: Duration) -> Duration {
        self.patience(plain) * if self.run.system { SYSTEM_PATIENCE } else { 1 }
    }

    /// Returns how the run ends when time is up.
    fn late(&self, state: &State) -> End {
        if state.next.is_some() {
            End::Timeout(format!(
                "the guest had not shut down after {} s",
                self.start_patience(SHUTDOWN_PATIENCE).as_secs()
            ))
        } else {
            End::Timeout(format!(
                "the script had not ended after {} s",
                self.patience(self.run.timeout).as_secs()
            ))
        }
    }

    /// Returns how the run ends when a guest does not come up in time.
    fn silent(&self) -> End {
        End::Boot(format!(
            "there was no sign of it for {} s; {} ends in: {}",
            self.start_patience(BOOT_PATIENCE).as_secs(),
            self.boot.name("console"),
            self.last_line("console")
        ))
    }

    /// Returns how the run ends when QEMU has ended unasked.
    fn gone(&self, up: bool, status: ExitStatus) -> End {
        let log = self.last_line("qemu.log");
        let why = if log.is_empty() {
            format!("{status}")
        } else {
            format!("{status}: {log}")
        };
        if up {
            End::Qemu(why)
        } else {
            End::Boot(format!(
                "QEMU ended with {why}; the guest's last words were: {}",
                self.last_line("console")
            ))
        }
    }

    fn last_line(&self, name: &str) -> String {
        let bytes = fs::read(self.file(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes)
            .trim_end()
            .lines()
            .next_back()
            .unwrap_or_default()
            .to_owned()
    }
}

/// The state of a guest.
struct State {
    /// Whether its script was started.
    up: bool,
    /// The number of the script's outputs that have not come in full yet.
    outputs: u8,
    /// The tag of the request with the script's status, while it has no answer.
    exit: Option<String>,
    /// What follows when the guest has shut down.
    next: Option<Next>,
    deadline: Instant,
    /// How long its shutdown may take.
    shutdown: Duration,
}

impl State {
    fn end_with(&mut self, next: Next) {
        self.next = Some(next);
        self.deadline = Instant::now() + self.shutdown;
    }
}

/// Writes everything twice.
struct Tee(File, Sink);

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        self.1.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

/// Returns words that no script prints by chance.
fn random() -> Result<String> {
    let mut bytes = [0; 16];
    io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("end-of-output-{hex}"))
}
